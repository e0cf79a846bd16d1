"""The shell's parts that need no cluster: the queue, and which engines may be asked."""

import asyncio
import inspect
from types import SimpleNamespace

import pytest

from flowoperator import handlers
from flowoperator.shell import engines, passes
from flowoperator.shell.cluster import ConflictError
from flowoperator.shell.informer import Informer
from flowoperator.shell.queue import Key, WorkQueue
from kit.world import World

KEY = Key("ns", "flow")


def run(main) -> None:
    async def with_worker() -> None:
        worker, queue = None, WorkQueue(lambda key: main.work(key))
        worker = asyncio.create_task(queue.worker())
        try:
            await asyncio.wait_for(main.play(queue), 10)
        finally:
            worker.cancel()

    asyncio.run(with_worker())


@pytest.mark.parametrize(("count", "seconds"), [(1, 30), (990, 30), (3300, 100)])
def test_many_engines_are_asked_less_often_not_more_often_in_all(count, seconds):
    assert engines.steady(count) == seconds


def test_a_key_is_worked_on_once_however_often_it_is_added():
    class Main:
        seen = 0

        async def work(self, key):
            self.seen += 1

        async def play(self, queue):
            for _ in range(5):
                queue.add(KEY)
            while self.seen == 0:
                await asyncio.sleep(0)
            await asyncio.sleep(0)

    main = Main()
    run(main)
    assert main.seen == 1


def test_an_event_while_a_key_is_at_work_is_not_lost():
    class Main:
        seen = 0

        async def work(self, key):
            self.seen += 1
            if self.seen == 1:
                self.queue.add(key)

        async def play(self, queue):
            self.queue = queue
            queue.add(KEY)
            while self.seen < 2:
                await asyncio.sleep(0)

    main = Main()
    run(main)
    assert main.seen == 2


def test_a_failing_pass_is_tried_again():
    class Main:
        seen = 0

        async def work(self, key):
            self.seen += 1
            if self.seen < 3:
                raise OSError("away")

        async def play(self, queue):
            queue.add(KEY)
            while self.seen < 3:
                await asyncio.sleep(0.01)

    main = Main()
    run(main)
    assert main.seen == 3


def test_a_namespace_full_of_slow_flows_delays_no_other():
    async def scenario():
        seen, held = [], asyncio.Event()

        async def work(key):
            if key.namespace == "slow":
                await held.wait()
            seen.append(key)

        queue = WorkQueue(work, share=2)
        workers = [asyncio.create_task(queue.worker()) for _ in range(3)]
        for number in range(20):
            queue.add(Key("slow", f"flow-{number}"))
        queue.add(Key("quick", "flow"))
        while not seen:
            await asyncio.sleep(0)
        held.set()
        while len(seen) < 21:
            await asyncio.sleep(0)
        for worker in workers:
            worker.cancel()
        return seen

    assert asyncio.run(asyncio.wait_for(scenario(), 10))[0] == Key("quick", "flow")


def test_a_resync_does_not_wake_a_key_that_waits_for_its_own_time():
    async def scenario():
        seen = []

        async def work(key):
            seen.append(key)

        queue = WorkQueue(work)
        worker = asyncio.create_task(queue.worker())
        queue.add_after(KEY, 3600)
        queue.add_idle(KEY)
        queue.add_idle(Key("ns", "other"))
        while not seen:
            await asyncio.sleep(0)
        worker.cancel()
        queue.forget(KEY)
        return seen

    assert asyncio.run(asyncio.wait_for(scenario(), 10)) == [Key("ns", "other")]


def test_only_a_pods_address_is_ever_asked():
    async def ask(address: str):
        return await engines.ask(None, address)

    for address in ("127.0.0.1", "169.254.169.254", "::1", "0.0.0.0", "224.0.0.1", "example.org", "10.0.0.1/x", ""):
        assert asyncio.run(ask(address)) is None


def test_events_are_taken_in_by_the_event_loop_and_by_no_thread_beside_it():
    registry = handlers.registry(WorkQueue(None), Informer(), lambda: None)
    found = registry._watching.get_all_handlers()
    assert len(found) == 1 + len(handlers.CHILDREN)
    assert all(inspect.iscoroutinefunction(one.fn) for one in found)


def test_an_engine_that_is_followed_no_more_is_asked_no_more_whatever_became_of_its_task(monkeypatch):
    async def scenario():
        asked, answer = [], asyncio.Event()

        async def ask(_http, ip):
            asked.append(ip)
            try:
                await answer.wait()
            except asyncio.CancelledError:  # a time limit that ends at the same moment
                return

        monkeypatch.setattr(engines, "ask", ask)
        monkeypatch.setattr(engines, "SOON_SECONDS", 0.0)
        found = engines.Engines(None, lambda key: None)
        found.follow(KEY, engines.Target("a", "10.0.0.1", saved=False))
        task = found._followed[KEY].task
        while not asked:
            await asyncio.sleep(0)
        found.follow(KEY, None)
        await asyncio.wait_for(task, 5)
        assert asked == ["10.0.0.1"]

    asyncio.run(asyncio.wait_for(scenario(), 10))


def test_conflicts_without_end_are_tried_less_and_less_often(monkeypatch):
    async def conflict(*_):
        raise ConflictError("another's")

    async def look(_key):
        return world.observed(), "1"

    async def live(observed):
        return observed

    async def get(*_):
        return None

    world = World()
    observer = SimpleNamespace(look=look, live=live, refusals={})
    monkeypatch.setattr(passes, "apply", conflict)
    found = passes.Passes(SimpleNamespace(get=get), Informer(), SimpleNamespace(follow=lambda *_: None), observer)
    waits = [asyncio.run(found.work(KEY)) for _ in range(20)]
    assert waits[0] < 0.1
    assert waits[-1] == passes.LONGEST_SECONDS


def test_an_engine_whose_task_has_died_is_asked_again(monkeypatch):
    async def scenario():
        asked = []

        async def ask(_http, ip):
            asked.append(ip)
            raise ValueError("unforeseen")

        monkeypatch.setattr(engines, "ask", ask)
        found, target = engines.Engines(None, lambda key: None), engines.Target("a", "10.0.0.1", saved=False)
        for _ in range(2):
            found.follow(KEY, target)
            await asyncio.wait([found._followed[KEY].task])
            assert found._followed[KEY].task.exception() is not None
        assert len(asked) == 2

    asyncio.run(asyncio.wait_for(scenario(), 10))
