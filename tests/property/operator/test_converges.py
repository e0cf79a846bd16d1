"""Whatever happens in whatever order, and wherever the operator dies: it converges, and never are there two writers."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from flowoperator.core.wanted import InvalidSpec
from kit.world import World, spec

EDITS = {
    "a": lambda: spec(),
    "b": lambda: spec(weight=0.2),
    "restart": lambda: spec(weight=0.4, upgrade={"mode": "Restart"}),
    "limit": lambda: spec(limit=2000),
    "manual": lambda: spec(weight=0.2, rollback={"automatic": False}),
    "suspend": lambda: spec(suspend=True),
    "invalid": lambda: InvalidSpec("spec.flow: no"),
    "invalid and suspended": lambda: InvalidSpec("spec.flow: no", spec(suspend=True).spec),
    "nonce": lambda: spec(retryNonce="1"),
    "nonce and edit": lambda: spec(weight=0.2, retryNonce="2", revisionHistoryLimit=2),
}
HAPPENINGS = st.sampled_from(
    ["step", "kubernetes", "say", "evict", "crash", "diverge", "finish", "forget", "linger", "lose", *EDITS]
)
INTERRUPTIONS = st.sampled_from(["kubernetes", "say", "evict", "crash", "finish", "forget"])


def happen(world: World, what: str) -> None:
    alive = len(world.living) == 1 and len(world.jobs) == 1 and not world.jobs[0].deleting
    match what:
        case "step":
            world.step()
        case "kubernetes":
            world.kubernetes()
        case "linger":
            world.pods = [replace(pod, deleting="2026-01-01T00:02:00Z") if not pod.ended else pod for pod in world.pods]
            world.jobs = [job for job in world.jobs if not job.deleting]
        case "forget":
            world.forget()
        case "lose":
            world.claim = None
        case "say" | "evict" | "crash" | "diverge" | "finish" if (
            not alive or world.job.name != world.status.attempt.job_name
        ):
            return
        case "say":
            world.say(100, 90, epoch=world.status.attempt.epoch + 1)
        case "evict":
            world.end(75, disrupted=True)
        case "crash":
            world.end(137)
        case "diverge":
            world.end(76, job="Failed")
        case "finish":
            world.finish()
        case _:
            world.edit(EDITS[what]())


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(HAPPENINGS, st.integers(0, 4)), max_size=30))
def test_it_converges_and_is_idempotent(story):
    world = World()
    for what, writes in story:
        happen(world, what)
        world.step(writes=writes)  # create_job refuses a second writer
    world.edit(spec(weight=0.9))
    world.settle(20)
    world.edit(spec(weight=0.9, retryNonce="last"))
    world.settle(20)
    assert world.status.revision.current == spec(weight=0.9).revision.hash
    assert world.job.name == world.status.attempt.job_name
    assert len(world.living) == 1
    made, status = world.made, world.status
    world.settle(3)
    assert (world.made, world.status) == (made, status)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(HAPPENINGS, st.integers(0, 4)), max_size=30))
def test_a_failed_revision_ends_with_the_stable_one_in_its_place_or_with_nothing(story):
    world = World()
    for what, writes in story:
        happen(world, what)
        world.step(writes=writes)
    world.edit(spec(weight=0.9))
    world.settle(20)
    world.edit(spec(weight=0.9, retryNonce="last"))
    world.settle(20)
    stable = world.status.revision.stable
    world.end(76, job="Failed")
    world.settle(20)
    assert world.condition("Stalled")[0] == "True"
    known = {one.hash: one.outcome for one in world.status.revisions}
    if stable in known and stable != world.wanted.hash:
        assert world.status.revision.current == stable
        assert [job.revision for job in world.jobs] == ([] if known[stable] == "Completed" else [stable])
        assert world.status.result is None
    else:
        assert not world.living


@settings(max_examples=200, deadline=None)
@given(st.lists(HAPPENINGS, max_size=20))
def test_stalled_and_reconciling_are_never_both_true(story):
    world = World()
    for what in story:
        happen(world, what)
        world.step()
        truths = [world.condition(kind)[0] for kind in ("Stalled", "Reconciling")]
        assert truths != ["True", "True"]


@given(st.lists(HAPPENINGS, max_size=20))
def test_attempts_only_rise(story):
    world, seen = World(), 0
    for what in story:
        happen(world, what)
        world.step()
        assert world.status.attempt.number >= seen
        seen = world.status.attempt.number


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(INTERRUPTIONS, st.integers(0, 4)), max_size=30))
def test_no_interruption_is_counted_twice(story):
    world = World()
    for what, writes in story:
        happen(world, what)
        world.step(writes=writes)
        recoveries = world.status.recoveries
        assert recoveries.count <= world.evicted + world.crashed
        assert recoveries.evictions <= world.evicted
        assert recoveries.crashes <= world.crashed
