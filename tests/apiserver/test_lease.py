"""Two operators and one Lease: one writes, the other takes over; a frozen one that wakes writes nothing."""

from contextlib import ExitStack

import pytest

from kit.apiserver.leaders import LEASE, holder, operator
from kit.apiserver.scene import spec, wait_for


@pytest.fixture
def pair(idle_scene, loop):
    """The first operator, which holds the Lease, and its proxy; the second one, which waits, with another."""
    scene = idle_scene
    scene.api.delete(LEASE)
    with ExitStack() as stack:
        first, to_first = stack.enter_context(operator(scene, loop, "first"))
        wait_for("the first to hold the Lease", lambda: holder(scene).startswith("first"), 60)
        second, to_second = stack.enter_context(operator(scene, loop, "second"))
        wait_for("the second to ask for it", lambda: to_second.reads, 60)
        yield first, to_first, second, to_second


def writes(proxy):
    """What it has written, its Lease apart."""
    return [one for one in proxy.writes if one.resource != "leases"]


def test_the_one_without_the_lease_writes_nothing_and_takes_over_when_it_is_handed_over(idle_scene, pair):
    first, to_first, _, to_second = pair
    flow = idle_scene.flow().apply(spec())
    pod = flow.next_pod(60).run(100, 90)
    flow.until("its checkpoint to be known", lambda status: status["attempt"].get("saved"), 60)
    assert writes(to_first)
    assert not writes(to_second)
    assert first.drain() == 0
    wait_for("the second to hold it", lambda: holder(idle_scene).startswith("second"), 60)
    pod.evict()
    assert flow.next_pod(60).attempt == 2
    assert writes(to_second)


def test_the_one_that_is_killed_is_replaced(idle_scene, pair):
    first, _, _, _ = pair
    flow = idle_scene.flow().apply(spec())
    flow.next_pod(60).run(100, 90)
    first.kill()
    flow.edit(suspend=True)
    flow.phase("Suspended", 60)
    assert holder(idle_scene).startswith("second")


def test_the_one_that_was_frozen_writes_nothing_when_it_wakes_and_ends(idle_scene, pair):
    first, to_first, _, _ = pair
    flow = idle_scene.flow().apply(spec())
    pod = flow.next_pod(60).run(100, 90)
    flow.phase("Running", 60)
    first.freeze()
    wait_for("the second to hold it", lambda: holder(idle_scene).startswith("second"), 60)
    before = writes(to_first)
    pod.evict()
    again = flow.next_pod(60).run(120, 110)
    flow.edit(suspend=True)
    again.wait_until_deleting()
    assert first.thaw() != 0
    assert writes(to_first) == before
    flow.phase("Suspended", 60)
