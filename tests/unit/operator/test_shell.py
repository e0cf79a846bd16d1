"""The shell's parts that need no cluster: the queue, the memory of last words, and the eye on the watches."""

import asyncio

from flowapi.report import RunReport
from flowoperator.core.observed import LastWords
from flowoperator.shell import engine
from flowoperator.shell.freshness import Freshness
from flowoperator.shell.queue import Key, WorkQueue
from flowoperator.shell.words import KEPT, Words

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


def test_the_last_words_with_a_report_outlive_the_event_that_has_none():
    words, report = Words(), RunReport(revision="r", attempt=1)
    words.keep(KEY, LastWords("pod", "r", 1, 75, disrupted=True, report=report))
    words.keep(KEY, LastWords("pod", "r", 1, 75, disrupted=True))
    assert words.of(KEY)[0].report == report
    for number in range(2 * KEPT):
        words.keep(KEY, LastWords(f"pod-{number}", "r", 1, 75, disrupted=True))
    assert len(words.of(KEY)) == KEPT
    words.forget(KEY)
    assert words.of(KEY) == ()


def test_last_words_are_in_the_order_of_their_pods_whichever_is_told_last():
    words = Words()
    for number in (*range(2 * KEPT, 10, -1), *range(11)):
        said = LastWords(f"pod-{number}", "r", 1, 137, disrupted=False, created=f"2026-01-01T00:{number:02}:00Z")
        words.keep(KEY, said)
    assert [one.pod_uid for one in words.of(KEY)] == [f"pod-{number}" for number in range(KEPT + 1, 2 * KEPT + 1)]


def test_a_change_that_two_lists_saw_and_no_watch_told_means_a_dead_watch():
    freshness = Freshness()
    freshness.watched(KEY, "1")
    freshness.listed({KEY: "2"})
    assert not freshness.stale
    freshness.watched(KEY, "2")
    freshness.listed({KEY: "2"})
    assert not freshness.stale
    freshness.listed({KEY: "3"})
    freshness.listed({KEY: "3"})
    assert freshness.stale


def test_only_a_pods_address_is_ever_asked():
    async def ask(address: str):
        return await engine.ask(None, address)

    for address in ("127.0.0.1", "169.254.169.254", "::1", "0.0.0.0", "224.0.0.1", "example.org", "10.0.0.1/x", ""):
        assert asyncio.run(ask(address)) is None
