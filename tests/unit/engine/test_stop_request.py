"""Who asks a run for an end by a signal: at once while there is nothing to save, else by whoever looks."""

import os
import signal
import threading

import pytest

from flowengine.run import signals
from flowengine.run.signals import STOPPING, StopRequest, leave_at_once

PATIENCE = 30.0


@pytest.fixture(autouse=True)
def _as_it_was():
    """Handlers and mask of this process."""
    handlers = {number: signal.getsignal(number) for number in STOPPING}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    for number, handler in handlers.items():
        signal.signal(number, handler)


class Left:
    """With which codes a process would have left, and how it would have looked then."""

    def __init__(self, monkeypatch) -> None:
        self.codes: list[int] = []
        self._changed = threading.Condition()
        monkeypatch.setattr(signals.os, "_exit", self._exit)

    def _exit(self, code: int) -> None:
        with self._changed:
            self.codes.append(code)
            self._changed.notify_all()

    def wait(self) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.codes, PATIENCE)


@pytest.fixture
def left(monkeypatch):
    return Left(monkeypatch)


def wait_for(stop: StopRequest) -> None:
    assert stop._event.wait(PATIENCE)


def ask(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", STOPPING)
@pytest.mark.parametrize("fails", [False, True])
def test_with_nothing_to_save_it_leaves_at_once_with_a_last_word(left, number, fails) -> None:
    words: list[bool] = []

    def leave() -> None:
        words.append(stop.wanted)
        if fails:
            raise OSError("nobody listens")

    with StopRequest(leave) as stop:
        ask(number)
        left.wait()
    assert (words, left.codes) == ([True], [75])


@pytest.mark.parametrize("number", STOPPING)
def test_with_something_to_save_whoever_looks_decides(left, number) -> None:
    def leave() -> None:
        raise AssertionError

    with StopRequest(leave) as stop:
        assert not stop.wanted
        stop.begin()
        ask(number)
        wait_for(stop)
        assert stop.wanted
    assert left.codes == []


def test_only_a_second_interrupt_leaves_without_a_checkpoint(left) -> None:
    with StopRequest() as stop:
        stop.begin()
        ask(signal.SIGTERM)
        wait_for(stop)
        ask(signal.SIGTERM)
        ask(signal.SIGINT)
        left.wait()
    assert left.codes == [130]


def test_other_signals_ask_for_nothing(left) -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        with StopRequest() as stop:
            ask(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert (stop.wanted, left.codes) == (False, [])  # its thread has ended: it has seen all


def test_afterwards_all_is_as_it_was(left) -> None:
    heard: list[int] = []
    before = {number: signal.signal(number, lambda number, _: heard.append(number)) for number in STOPPING}
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    wakeup = signal.set_wakeup_fd(writer)
    files = os.listdir("/dev/fd")
    try:
        with StopRequest() as stop:
            assert signal.set_wakeup_fd(stop._writer) == stop._writer
        assert [one.name for one in threading.enumerate() if one.name == "signals"] == []
        assert os.listdir("/dev/fd") == files
        ask(signal.SIGTERM)
        assert (heard, os.read(reader, 1)) == ([signal.SIGTERM], bytes([signal.SIGTERM]))
    finally:
        signal.set_wakeup_fd(wakeup)
        os.close(reader)
        os.close(writer)
        for number, handler in before.items():
            signal.signal(number, handler)


def test_what_the_starter_had_ignored_stays_ignored_but_for_sigterm(left) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with StopRequest() as stop:
        stop.begin()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        ask(signal.SIGTERM)
        wait_for(stop)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def test_before_it_listens_a_process_leaves_at_once_also_where_signals_were_blocked(left) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    leave_at_once()
    for number in STOPPING:
        ask(number)
    assert left.codes == [75] * len(STOPPING)
