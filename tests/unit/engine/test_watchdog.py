"""What hangs is told, said with the stacks of all threads, and ended, whatever of that hangs or fails itself."""

import threading
from types import SimpleNamespace

import pytest

from flowengine.run import watchdog
from flowengine.run.watchdog import Watchdog

SOON, NEVER = 0.02, 1000.0
PATIENCE = 30.0


class End:
    """What a process does at its end, in order; the end itself does not come."""

    def __init__(self, monkeypatch) -> None:
        self.did: list[str] = []
        self.code = 0
        self._ended = threading.Event()
        self.broken = False
        monkeypatch.setattr(watchdog.os, "_exit", self._exit)
        monkeypatch.setattr(watchdog.faulthandler, "dump_traceback", lambda: self.did.append("dumped"))
        monkeypatch.setattr(watchdog, "sys", SimpleNamespace(stderr=self))
        monkeypatch.setattr(
            threading, "excepthook", lambda _: None
        )  # the thread goes on where a process would have ended

    def _exit(self, code: int) -> None:
        self.did.append("ended")
        self.code = int(code)
        self._ended.set()
        raise SystemExit

    def write(self, text: str) -> None:
        if self.broken:
            raise OSError("closed")
        self.did.append(text.partition(":")[0])

    def wait(self) -> None:
        assert self._ended.wait(PATIENCE)


@pytest.fixture
def end(monkeypatch):
    return End(monkeypatch)


def test_what_hangs_is_told_said_and_ended_in_that_order(end) -> None:
    def told(sentence: str) -> None:
        threading.Event().wait(0.1)  # what asks for it waits for so long
        end.did.append(f"told {sentence}")

    watched = Watchdog(told, deadline=SOON)
    watched.alive("iterating")
    end.wait()
    sentence = f"no progress in iterating for {SOON:.0f} s"
    assert end.did == [f"told {sentence}", sentence, "dumped", "ended"]
    assert end.code == 70
    watched.close()


def test_what_hangs_while_it_is_told_is_not_waited_for(end, monkeypatch) -> None:
    monkeypatch.setattr(watchdog, "LAST_WORDS_SECONDS", SOON)
    forever = threading.Event()
    watched = Watchdog(lambda _: forever.wait(PATIENCE), deadline=SOON)
    watched.alive("saving")
    end.wait()
    assert end.did[-1] == "ended"
    forever.set()
    watched.close()


def test_it_is_ended_where_nothing_can_be_said(end) -> None:
    end.broken = True
    watched = Watchdog(deadline=SOON)
    watched.alive("saving")
    end.wait()
    assert end.did == ["ended"]
    watched.close()


def test_only_what_is_over_its_own_time_hangs(end) -> None:
    told: list[str] = []
    watched = Watchdog(told.append, deadline=SOON)
    watched.alive("compiling", NEVER)
    watched.alive("iterating", SOON)
    watched.rest("iterating")
    watched.rest("what was never alive")
    watched.alive("saving", 4 * SOON)
    end.wait()
    assert told == [f"no progress in saving for {4 * SOON:.0f} s"]
    watched.close()


def test_a_run_that_is_over_has_no_thread_left() -> None:
    ended: list[str] = []

    class Slow(Watchdog):
        def _watch(self) -> None:
            super()._watch()
            threading.Event().wait(0.1)
            ended.append("ended")

    watched = Slow()
    watched.close()
    assert ended == ["ended"]
