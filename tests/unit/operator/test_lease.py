"""The Lease's odd moments: answers that are lost, holders that are gone, and the time in which nothing may be written."""

import asyncio
from types import SimpleNamespace

import pytest

from flowoperator.shell import lease as leases
from flowoperator.shell.cluster import ConflictError
from flowoperator.shell.lease import Lease, LeaseLostError, LeaseName


class Apiserver:
    """One Lease, and answers that may be lost."""

    def __init__(self) -> None:
        self.body = None
        self.version = 0
        self.loses_answers = 0

    def _changed(self, spec: dict) -> dict:
        self.version += 1
        old = self.body["spec"] if self.body else {}
        self.body = {"metadata": {"resourceVersion": str(self.version)}, "spec": {**old, **spec}}
        return self.body

    async def get(self, *_: str) -> dict | None:
        return self.body

    async def create(self, body: dict) -> dict:
        return self._changed(body["spec"])

    async def merge(self, _kind: str, _namespace: str, _name: str, patch: dict) -> dict:
        if patch["metadata"]["resourceVersion"] != str(self.version):
            raise ConflictError("409")
        found = self._changed(patch["spec"])
        if self.loses_answers:
            self.loses_answers -= 1
            raise TimeoutError
        return found


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """A clock that a test sets; waiting takes no time and moves it."""
    found, turn = SimpleNamespace(now=1000.0), asyncio.sleep

    async def sleep(seconds: float) -> None:
        found.now += seconds
        await turn(0)

    monkeypatch.setattr(leases, "clock", lambda: found.now)
    monkeypatch.setattr(leases.asyncio, "sleep", sleep)
    return found


def held(server: Apiserver, identity: str = "first") -> Lease:
    found = Lease(server, LeaseName("system", "operator", identity))
    asyncio.run(found.acquire())
    return found


async def renewed(lease: Lease, server: Apiserver, times: int) -> None:
    """Keep it until it was renewed so often."""
    wanted = server.version + times
    keeping = asyncio.ensure_future(lease.keep())
    while server.version < wanted and not keeping.done():
        await asyncio.sleep(0)
    keeping.cancel()
    (ended,) = await asyncio.gather(keeping, return_exceptions=True)
    if isinstance(ended, LeaseLostError):
        raise ended


def test_a_renewal_whose_answer_was_lost_is_no_loss(clock):
    server = Apiserver()
    lease = held(server)
    server.loses_answers = 1
    asyncio.run(renewed(lease, server, 3))
    lease.check()


def test_another_holder_ends_it(clock):
    server = Apiserver()
    lease = held(server)
    server._changed({"holderIdentity": "second"})
    with pytest.raises(LeaseLostError, match="another operator"):
        asyncio.run(renewed(lease, server, 1))
    with pytest.raises(LeaseLostError):
        lease.check()


def test_without_a_renewal_nothing_is_written_before_another_may_take_it(clock):
    server = Apiserver()
    lease = held(server)
    clock.now += leases.WRITING_SECONDS
    with pytest.raises(LeaseLostError):
        lease.check()
    begun = clock.now
    held(server, "second")
    assert clock.now - begun > leases.SECONDS - leases.WRITING_SECONDS
    assert server.body["spec"]["holderIdentity"] == "second"


def test_one_that_is_handed_over_is_taken_at_the_next_look(clock):
    server = Apiserver()
    asyncio.run(held(server).release())
    begun = clock.now
    held(server, "second")
    assert clock.now == begun
