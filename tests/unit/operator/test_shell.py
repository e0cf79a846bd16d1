"""The shell's parts that need no cluster: the queue, and which engines may be asked."""

import asyncio

from flowoperator.shell import engines
from flowoperator.shell.queue import Key, WorkQueue

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
