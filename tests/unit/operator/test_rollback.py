"""Automatic rollback: the last stable revision runs in place of one that failed, row by row of the revision table."""

import json

import pytest

from flowapi.report import RestoredFrom, RunError
from kit.world import World, edited_flow, running_flow, spec

A, B, C = spec(), spec(weight=0.2), spec(weight=0.3)
WRONG = RunError(code=76, reason="Diverged", message="the energy left every bound", remedy="Lower policy.step.")


@pytest.fixture
def world():
    """A is stable and has been replaced by B, whose engine runs."""
    world = edited_flow(A, B)
    assert (world.status.revision.current, world.status.revision.stable) == (B.hash, A.hash)
    return world


@pytest.fixture
def replaced(world):
    """B has diverged, and A runs in its place."""
    world.end(76, error=WRONG, job="Failed")
    world.settle()
    world.say(150, 140, base=100)
    world.step()
    return world


def test_a_revision_that_fails_is_given_up_for_the_stable_one(replaced):
    status = replaced.status
    assert (status.revision.current, status.revision.desired) == (A.hash, B.hash)
    assert (replaced.job.revision, replaced.argument("start")) == (A.hash, "latest")
    assert replaced.condition("Stalled") == ("True", "RevisionFailed")
    assert replaced.condition("Ready") == ("False", "NotReady")
    assert replaced.condition("RolledBack") == ("True", "RevisionFailed")
    assert (status.phase, status.progress.iteration, status.result) == ("Stalled", 150, None)
    assert status.restored_from.reason == "Rollback"
    message = next(one.message for one in status.conditions if one.type == "Stalled")
    for part in (B.hash, "the energy left every bound", "Lower policy.step", f"Revision {A.hash} runs in its place"):
        assert part in message
    assert replaced.events.count("RolledBack") == 1


def test_the_stable_revision_takes_nothing_from_the_one_that_failed(replaced):
    assert B.hash not in replaced.argument("lineage")
    assert B.hash in replaced.argument("retain")


def test_nothing_more_is_decided_while_it_runs(replaced):
    before = replaced.status
    for _ in range(5):
        plan = replaced.step()
        assert not plan.actions
        assert not plan.events
    assert replaced.status == before


def test_the_stable_revision_is_evicted_and_goes_on(replaced):
    replaced.end(75, disrupted=True)
    replaced.settle()
    assert (replaced.job.revision, replaced.status.revision.desired) == (A.hash, B.hash)
    assert replaced.condition("Stalled") == ("True", "RevisionFailed")


def test_a_job_of_the_stable_revision_that_somebody_deletes_is_made_again(replaced):
    replaced.jobs, replaced.pods, replaced.report = [], [], None
    replaced.settle()
    assert replaced.job.revision == A.hash


def test_a_spec_that_asks_for_the_stable_revision_finds_it_running(replaced):
    job = replaced.job
    replaced.edit(A)
    replaced.settle()
    assert replaced.job == job
    assert (replaced.status.revision.current, replaced.status.revision.desired) == (A.hash, A.hash)
    assert replaced.condition("Ready") == ("True", "Running")
    assert replaced.condition("RolledBack") == ("True", "SpecReverted")
    assert "SpecReverted" in replaced.events


def test_a_third_revision_continues_from_the_stable_one(replaced):
    replaced.edit(C)
    replaced.settle()
    assert replaced.job.revision == C.hash
    assert replaced.argument("lineage").split(",") == [A.hash, B.hash]
    assert replaced.condition("Stalled")[0] == "False"


def test_the_failed_revision_after_another_one_is_tried_once_more(replaced):
    replaced.edit(A)
    replaced.settle()
    replaced.edit(B)
    replaced.settle()
    assert replaced.job.revision == B.hash
    replaced.say(3, 0)
    replaced.end(76, error=WRONG, job="Failed")
    replaced.settle()
    assert replaced.job.revision == A.hash
    assert [one.hash for one in replaced.status.revision.failed] == [B.hash]


@pytest.mark.parametrize("change", [
    {"engine": {"resources": {"limits": {"memory": "2Gi"}}}}, {"retryNonce": "again"},
    {"rollback": {"automatic": False}},
])  # fmt: skip
def test_the_failed_revision_is_tried_again_once_its_circumstances_change(replaced, change):
    replaced.edit(spec(weight=0.2, **change))
    replaced.settle()
    assert replaced.job.revision == B.hash
    assert "Retried" in replaced.events
    assert replaced.condition("Stalled")[0] == "False"


def test_the_failed_revision_is_tried_again_once_its_inputs_change(world):
    world.status = world.status.model_copy(
        update={"attempt": world.status.attempt.model_copy(update={"inputs": "old"})}
    )
    world.inputs = "old"
    world.end(65, job="Failed")
    world.settle()
    assert world.job.revision == A.hash
    world.inputs = "mended"
    world.settle()
    assert world.job.revision == B.hash


def test_a_suspend_toggle_is_no_new_try(replaced):
    replaced.edit(spec(weight=0.2, suspend=True))
    replaced.settle()
    assert replaced.status.phase == "Suspended"
    assert not replaced.jobs
    replaced.edit(B)
    replaced.settle()
    assert replaced.job.revision == A.hash
    assert replaced.condition("Stalled") == ("True", "RevisionFailed")


def test_an_invalid_spec_is_said_and_the_stable_revision_goes_on(replaced):
    from flowoperator.core.wanted import InvalidSpec

    job = replaced.job
    replaced.edit(InvalidSpec("spec.flow.terms[0]: no such atom"))
    replaced.settle()
    assert replaced.condition("Stalled") == ("True", "InvalidSpec")
    assert replaced.job == job


def test_without_a_stable_revision_the_flow_is_stalled_with_the_cause():
    world = World()
    world.settle()
    world.say(3, 0)
    world.end(76, error=WRONG, job="Failed")
    world.settle()
    assert world.condition("Stalled") == ("True", "Diverged")


def test_a_stable_revision_that_fails_itself_is_stalled_with_the_cause():
    world = running_flow()
    world.end(76, error=WRONG, job="Failed")
    world.settle()
    assert world.condition("Stalled") == ("True", "Diverged")


def test_a_stable_revision_that_fails_in_place_of_another_says_both(replaced):
    replaced.end(76, error=WRONG.model_copy(update={"message": "it fell off"}), job="Failed")
    replaced.settle()
    assert replaced.condition("Stalled") == ("True", "Diverged")
    message = next(one.message for one in replaced.status.conditions if one.type == "Stalled")
    assert "it fell off" in message
    assert "the energy left every bound" in message
    assert replaced.events.count("Stalled") == 1


def test_whoever_wants_none_gets_none(world):
    world.edit(spec(weight=0.2, rollback={"automatic": False}))
    world.end(76, error=WRONG, job="Failed")
    world.settle()
    assert world.condition("Stalled") == ("True", "Diverged")
    assert world.status.revision.current == B.hash


@pytest.mark.parametrize("code", [74, 77])
def test_a_fault_of_the_volume_is_none_of_the_revision(world, code):
    world.end(code, job="Failed")
    world.settle()
    assert world.status.revision.current == B.hash


def test_retries_that_are_exhausted_are_a_failure_of_the_revision(world):
    world.end(1, job="Failed")
    world.settle()
    assert world.job.revision == A.hash


def test_a_stable_revision_that_had_completed_stands_with_its_result_and_runs_no_pod():
    world = World(wanted=A)
    world.settle()
    world.finish()
    world.settle()
    world.edit(B)
    world.settle()
    world.say(3, 0)
    world.end(76, error=WRONG, job="Failed")
    world.settle()
    assert not world.jobs
    assert (world.status.revision.current, world.status.revision.desired) == (A.hash, B.hash)
    assert world.condition("Completed")[0] == "False"
    assert world.condition("Stalled") == ("True", "RevisionFailed")
    world.edit(A)
    world.settle()
    world.finish()
    world.settle()
    assert world.condition("Completed")[0] == "True"
    assert world.status.result is not None


def test_a_stable_revision_that_completes_in_place_of_another_has_its_result_once_the_spec_asks_for_it(replaced):
    replaced.finish()
    replaced.settle()
    assert replaced.status.result is None
    assert replaced.condition("Stalled") == ("True", "RevisionFailed")
    replaced.edit(A)
    replaced.step()
    assert replaced.status.phase == "Completed"
    assert replaced.status.result.reason == "IterationLimit"


def test_the_stable_revision_is_never_forgotten():
    world = running_flow(wanted=A)
    for weight in range(2, 9):
        world.edit(spec(weight=weight / 10, revisionHistoryLimit=2))
        world.settle()
    assert world.status.revisions[0].hash == A.hash
    world.say(3, 0)
    world.end(76, error=WRONG, job="Failed")
    world.settle()
    assert world.job.revision == A.hash


def test_a_configmap_of_the_stable_revision_that_is_gone_is_said(world):
    world.maps = {name: one for name, one in world.maps.items() if one.revision != A.hash}
    world.end(76, error=WRONG, job="Failed")
    world.settle()
    assert not world.jobs
    message = next(one.message for one in world.status.conditions if one.type == "Stalled")
    assert f"ConfigMap denoise-{A.hash}" in message


def test_the_image_that_the_stable_revision_ran_with_is_the_one_it_runs_with_again(world):
    world.image = "engine:2"
    world.end(76, error=WRONG, job="Failed")
    world.settle()
    pod = world.bodies[world.job.name]["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "engine:1"


def test_a_kill_after_any_write_ends_in_the_same_place():
    for writes in range(4):
        world = edited_flow(A, B)
        world.end(76, error=WRONG, job="Failed")
        world.step(writes=writes)
        world.settle()
        assert world.job.revision == A.hash
        assert world.status.revision.desired == B.hash


def test_a_nonce_that_is_taken_away_is_no_other_try():
    world = running_flow(wanted=A)
    world.edit(spec(weight=0.2, retryNonce="1"))
    world.settle()
    world.say(3, 0)
    world.end(76, error=WRONG, job="Failed")
    world.settle()
    world.edit(B)
    world.settle()
    assert world.job.revision == A.hash
    world.edit(spec(weight=0.2, retryNonce="1"))
    world.settle()
    assert world.job.revision == B.hash


def test_inputs_that_go_do_not_stop_the_stable_revision(world):
    world.status = world.status.model_copy(
        update={"attempt": world.status.attempt.model_copy(update={"inputs": "old"})}
    )
    world.inputs = "old"
    world.end(65, job="Failed")
    world.settle()
    world.inputs, world.missing_inputs = "other", ("spec.inputs[0].configMapName: there is no ConfigMap photo.",)
    world.settle()
    assert world.job.revision == A.hash


def test_the_job_of_a_stable_revision_that_completed_in_place_of_another_goes_too():
    world = running_flow(wanted=spec(ttlSecondsAfterFinished=5))
    world.edit(spec(weight=0.2, ttlSecondsAfterFinished=5))
    world.settle()
    world.say(3, 0)
    world.end(76, error=WRONG, job="Failed")
    world.settle()
    world.finish()
    world.settle()
    assert not world.jobs
    assert world.condition("Stalled") == ("True", "RevisionFailed")


def test_where_the_checkpoints_of_the_stable_revision_are_gone_the_reason_is_still_the_failure(replaced):
    base = RestoredFrom(revision=C.hash, id="c7", iteration=7, digest="d", arrays_sha256="a")
    replaced.say(150, 140, restored_from=base)
    replaced.step()
    assert replaced.condition("RolledBack") == ("True", "RevisionFailed")


def test_a_volume_that_is_given_up_leaves_nothing_to_go_back_to_and_no_event_says_otherwise(world):
    world.claim = None
    world.settle()
    assert world.condition("Stalled") == ("True", "VolumeLost")
    world.events.clear()
    world.edit(spec(weight=0.2, retryNonce="begin anew"))
    world.settle()
    assert world.status.revision.stable == ""
    assert "RevisionStable" not in world.events


def test_many_failures_with_long_causes_fit_into_a_status(world):
    wrong = WRONG.model_copy(update={"message": "x" * 1000})
    for number in range(12):
        world.edit(spec(weight=1 + number))
        world.settle()
        world.say(3, 0)
        world.end(76, error=wrong, job="Failed")
        world.settle()
    *before, newest = world.status.revision.failed
    assert len(before) == 9
    assert len(newest.message) > 400
    assert len(json.dumps(world.status.to_patch())) < 16 * 1024
