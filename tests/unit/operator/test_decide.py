"""The revision table and the interruptions, row by row, against a cluster in memory."""

from dataclasses import replace

import pytest

from flowapi.report import RunError
from flowoperator.core.observed import Claim, InvalidSpec, Job, Pod
from flowoperator.core.plan import Delete
from kit.world import REF, World, running_flow, spec


@pytest.fixture
def running() -> World:
    return running_flow()


def test_the_attempt_is_written_before_its_job_is_made():
    world = World()
    plan = world.step()
    assert (world.status.attempt.number, plan.actions) == (1, ())
    assert world.status.attempt.job_name == f"denoise-{world.status.revision.current}-1"
    assert not world.jobs
    world.step()
    assert world.job.name == world.status.attempt.job_name
    assert world.claim
    assert [one.revision for one in world.maps.values()] == [world.status.revision.current]


def test_a_running_engine_is_ready_and_its_checkpoint_is_shown(running):
    assert running.condition("Ready") == ("True", "Running")
    assert running.condition("Checkpointed") == ("True", "Saved")
    assert running.status.checkpoint.iteration == 100
    assert running.status.phase == "Running"


def test_a_save_that_failed_is_said_and_so_is_the_next_one_that_worked(running):
    running.say(900, 100, write_failed="the volume is full. Make room on the volume.")
    running.step()
    assert running.condition("Checkpointed") == ("False", "WriteFailed")
    assert running.condition("Ready") == ("True", "Running")
    running.say(950, 900)
    running.step()
    assert running.condition("Checkpointed") == ("True", "Saved")


def test_an_eviction_after_a_checkpoint_gets_a_new_job_that_goes_on(running):
    running.end(75, disrupted=True)
    running.settle()
    assert (running.job.attempt, running.argument("start")) == (2, "latest")
    assert (running.status.recoveries.count, running.status.recoveries.evictions) == (1, 1)
    assert "Preempted" in running.events


def test_a_checkpoint_that_was_seen_counts_after_a_kill_that_leaves_no_report(running):
    running.end(137)
    running.terminations = [replace(one, report=None) for one in running.terminations]
    running.settle()
    assert running.job.attempt == 2


def test_a_new_attempt_that_dies_before_it_saves_anything_keeps_its_back_off(running):
    running.end(137)
    running.settle()
    assert running.job.attempt == 2
    running.end(137, saved=None)
    before = running.job
    running.step()
    running.step()
    assert running.job == before


def test_without_a_new_checkpoint_the_job_keeps_its_back_off():
    world = World()
    world.settle()
    world.say(20, 0)
    world.end(75, disrupted=True)
    before = world.job
    world.step()
    assert world.job == before


def test_a_crash_after_a_checkpoint_is_counted_as_one_and_its_loss_once(running):
    running.end(137)
    running.settle()
    assert running.job.attempt == 2
    running.say(100, 100, base=100, epoch=2, lost=20)
    running.step()
    running.step()
    assert running.status.recoveries.crashes == 1
    assert running.status.recoveries.lost_iterations == 20
    assert "Interrupted" in running.events


def test_a_pod_that_the_job_replaced_while_nobody_looked_is_counted_with_its_loss(running):
    running.pods = [replace(running.pods[0], name="another", uid="another")]
    running.say(100, 100, base=100, epoch=2, lost=35)
    running.step()
    running.step()
    recoveries = running.status.recoveries
    assert (recoveries.count, recoveries.evictions, recoveries.crashes) == (1, 0, 0)
    assert recoveries.lost_iterations == 35


def test_a_pod_that_the_job_has_already_replaced_is_left_to_start_and_counted_once(running):
    running.end(137)
    (dead,) = running.pods
    running.pods.append(replace(dead, name="next", uid="next", ended=""))
    running.settle()
    assert (running.status.recoveries.count, running.status.recoveries.crashes) == (1, 1)
    assert running.job.attempt == 1


@pytest.mark.parametrize(("anew", "evictions"), [(False, 1), (True, 0)])  # a new operator can't know the cause
def test_a_failed_pod_that_is_left_when_its_successor_was_evicted_is_not_counted_again(anew, evictions):
    world = World()
    world.settle()
    world.end(137)
    world.settle()
    world.say(120, 100, epoch=2)
    world.step()
    assert (world.status.recoveries.count, world.status.recoveries.crashes) == (1, 1)
    world.end(75, disrupted=True)
    if anew:
        world.forget()
    world.settle()
    assert world.job.attempt == 2
    recoveries = world.status.recoveries
    assert (recoveries.count, recoveries.crashes, recoveries.evictions) == (2, 1, evictions)


def test_a_crash_is_counted_as_one_although_its_successor_ended_well_before_anybody_looked(running):
    running.end(137)
    running.kubernetes()
    running.finish()
    running.step()
    assert running.status.phase == "Completed"
    assert (running.status.recoveries.count, running.status.recoveries.crashes) == (1, 1)


def test_a_planned_restart_does_not_count_the_same_loss_again(running):
    running.say(130, 100, epoch=2, lost=20)
    running.step()
    running.edit(spec(limit=5000))
    running.settle()
    running.say(130, 100, epoch=2, lost=20)
    running.step()
    assert running.status.recoveries.lost_iterations == 20


def test_a_new_job_waits_until_no_pod_is_left(running):
    running.end(75, disrupted=True)
    running.step()
    running.step()
    running.jobs = [job for job in running.jobs if not job.deleting]
    running.pods = [Pod("zombie", "z", "job-1", flow="denoise", node="lost", deleting="2025-12-31T23:00:00Z")]
    running.step()
    assert not running.jobs
    assert "lost" in next(c.message for c in running.status.conditions if c.type == "Reconciling")
    running.pods = []
    running.step()
    assert running.job.attempt == 2


def test_an_edit_continues_from_the_predecessor(running):
    first = running.status.revision.current
    running.edit(spec(weight=0.2))
    running.settle()
    second = running.status.revision.current
    assert second != first
    assert (running.argument("start"), running.argument("lineage")) == ("latest", first)
    assert running.expects_checkpoint
    assert running.argument("retain") == first


def test_restart_begins_afresh(running):
    running.edit(spec(weight=0.2, upgrade={"mode": "Restart"}))
    running.settle()
    assert running.argument("start") == "fresh"


def test_a_revert_resumes_the_earlier_revision_and_so_does_the_revert_of_that(running):
    first = running.status.revision.current
    running.edit(spec(weight=0.2))
    running.settle()
    second = running.status.revision.current
    running.say(50, 40)
    running.step()
    running.edit(spec())
    running.settle()
    assert (running.status.revision.current, running.argument("start")) == (first, "latest")
    assert running.condition("RolledBack") == ("True", "SpecReverted")
    running.say(130, 120, base=100, epoch=3)
    running.step()
    running.edit(spec(weight=0.2))
    running.settle()
    assert (running.status.revision.current, running.argument("start")) == (second, "latest")
    assert running.argument("start-id") == ""


def test_a_third_revision_after_a_revert_continues_from_the_one_that_ran(running):
    first = running.status.revision.current
    running.edit(spec(weight=0.2))
    running.settle()
    running.say(50, 40)
    running.step()
    running.edit(spec())
    running.settle()
    running.edit(spec(weight=0.3))
    running.settle()
    assert running.argument("lineage").split(",")[0] == first


def test_an_invalid_spec_is_named_and_what_ran_goes_on(running):
    job = running.job
    running.edit(InvalidSpec("spec.flow.terms[1].atom: unknown atom"))
    running.step()
    assert running.job == job
    assert running.condition("Stalled") == ("True", "InvalidSpec")
    assert running.condition("Reconciling")[0] == "False"
    assert running.status.observed_generation == 2


def test_suspend_stops_the_job_and_resume_goes_on(running):
    running.edit(spec(suspend=True))
    running.settle()
    assert not running.jobs
    assert running.status.phase == "Suspended"
    running.edit(spec())
    running.settle()
    assert running.argument("start") == "latest"
    assert running.status.recoveries.count == 0


@pytest.mark.parametrize("again", [{}, {"retryNonce": "anew"}], ids=["resumed", "given up"])
def test_a_claim_that_goes_while_its_flow_is_suspended_is_a_loss_that_is_said(running, again):
    claim, jobs = running.claim, running.job.attempt
    running.edit(spec(suspend=True))
    running.settle()
    running.claim = None
    running.settle()
    assert running.condition("Stalled") == ("True", "VolumeLost")
    running.claim = claim
    running.settle()
    assert running.status.phase == "Suspended"
    running.claim = None
    running.settle()
    running.edit(spec(**again))
    running.settle()
    if again:
        assert running.job.attempt > jobs
        assert not running.expects_checkpoint
    else:
        assert not running.jobs
        assert running.condition("Stalled") == ("True", "VolumeLost")


def test_a_suspended_flow_resumes_once_and_nothing_is_counted(running):
    running.edit(spec(suspend=True))
    running.end(75)
    running.settle()
    running.edit(spec())
    running.settle()
    assert running.job.attempt == 2
    assert running.status.recoveries.count == 0


def test_what_a_revision_saved_as_it_was_stopped_is_known_when_it_comes_back(running):
    first = running.status.revision.current
    running.say(150, 150)
    running.edit(spec(weight=0.2))
    running.step()
    running.end(75)
    running.settle()
    assert running.status.revisions[0].hash == first
    assert running.status.revisions[0].checkpoint.iteration == 150


def test_the_first_revision_comes_back_to_its_own_checkpoint_even_if_none_was_seen():
    world = World()
    world.settle()
    world.edit(spec(weight=0.2))
    world.settle()
    world.edit(spec())
    world.settle()
    assert (world.argument("start"), world.argument("start-id")) == ("latest", "")


def test_changed_settings_restart_the_same_revision(running):
    revision = running.status.revision.current
    running.edit(spec(limit=5000))
    running.settle()
    assert (running.job.attempt, running.job.revision) == (2, revision)
    assert '"maxIterations":5000' in running.argument("settings")


def test_a_result_is_kept_and_more_iterations_go_on(running):
    running.finish()
    running.step()
    assert running.status.phase == "Completed"
    assert running.status.result.sha256 == {"x": "s"}
    assert running.events.count("Completed") == 1
    running.jobs, running.pods = [], []
    running.settle()
    assert not running.jobs
    running.edit(spec(limit=2000))
    running.settle()
    assert running.argument("start") == "latest"


def test_more_iterations_go_on_while_the_finished_job_is_still_there(running):
    running.finish()
    running.step()
    running.edit(spec(limit=2000))
    running.settle()
    assert running.job.attempt == 2
    assert not running.job.finished


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (64, "InvalidSpec"), (65, "IncompatibleCheckpoint"), (76, "Diverged"), (76, "Unbounded"), (76, "Infeasible"),
        (77, "Fenced"),
    ],
)  # fmt: skip
def test_a_final_exit_code_stalls_with_the_engines_own_words(running, code, reason):
    error = RunError(code=code, reason=reason, path="spec.flow", message="what is wrong", remedy="What to do.")
    running.end(code, error=error, job="Failed")
    running.settle(3)
    assert running.condition("Stalled") == ("True", reason)
    message = next(c.message for c in running.status.conditions if c.type == "Stalled")
    assert message == "spec.flow: what is wrong. What to do."
    assert running.job.attempt == 1


def test_a_stalled_flow_is_tried_again_when_the_spec_changes(running):
    running.end(76, job="Failed")
    running.settle(3)
    assert running.condition("Stalled") == ("True", "Diverged")
    running.edit(spec(weight=0.3))
    running.settle()
    assert running.job.attempt == 2


def test_an_image_that_cannot_be_pulled_is_told():
    world = World()
    world.settle()
    world.pods = [replace(world.pods[0], running=False, blocked="ErrImagePull", message="not found")]
    world.step()
    assert world.condition("Stalled") == ("True", "ImagePullFailed")
    world.pods = [replace(world.pods[0], running=True, blocked="")]
    world.step()
    assert world.condition("Stalled")[0] == "False"


def test_a_claim_that_the_user_names_must_exist():
    world = World(wanted=spec(checkpoint={"volume": {"claimName": "mine"}}))
    world.settle(3)
    assert world.condition("Stalled") == ("True", "Unschedulable")
    assert not world.jobs
    world.claim = Claim("mine", ours=False)
    world.settle()
    assert world.jobs


@pytest.mark.parametrize(("policy", "owners"), [("Retain", frozenset()), ("Delete", frozenset({REF.uid}))])
def test_the_claim_follows_the_deletion_policy(running, policy, owners):
    other = "Delete" if policy == "Retain" else "Retain"
    for one in (other, policy):
        running.edit(spec(deletionPolicy=one))
        running.settle()
        running.say(120, 100)
        running.settle()
    assert running.claim.flow_uids == owners


def test_a_users_claim_is_never_given_an_owner(running):
    running.claim = Claim("mine", ours=False)
    running.edit(spec(deletionPolicy="Delete"))
    running.settle()
    assert running.claim.flow_uids == frozenset()


def test_a_volume_of_an_earlier_flow_is_adopted_with_a_higher_attempt(running):
    running.end(65, job="Failed", owner_uid="uid-0", max_attempt=7)
    running.settle()
    assert (running.job.attempt, running.argument("adopt")) == (8, "uid-0")


def test_a_job_of_another_owner_is_waited_for_and_never_deleted():
    world = World()
    world.step()
    foreign = Job("denoise-of-another", "u", "other", "r", 1, "s")
    world.jobs = [foreign]
    plan = world.step()
    assert world.jobs == [foreign]
    assert not any(isinstance(action, Delete) for action in plan.actions)
    assert world.condition("Reconciling")[0] == "True"


def test_progress_alone_is_not_written_every_time(running):
    running.say(140, 100)
    assert running.step().status is None


def test_what_was_given_up_with_a_lost_volume_never_comes_back_from_an_old_report(running):
    running.end(75, disrupted=True)
    running.claim = None
    running.step()
    assert running.condition("Stalled") == ("True", "VolumeLost")
    running.edit(spec(retryNonce="anew"))
    running.settle()
    assert running.status.checkpoint is None
    assert all(one.checkpoint is None for one in running.status.revisions)
    assert not running.expects_checkpoint
    assert running.claim is not None


def test_a_crash_that_saved_nothing_says_how_it_ended_while_the_job_waits():
    world = World()
    world.settle()
    world.end(137)
    world.step()
    message = next(one.message for one in world.status.conditions if one.type == "Reconciling")
    assert "ended with exit code 137" in message


def test_a_save_of_the_iteration_that_an_attempt_started_from_is_no_advance(running):
    running.end(137)
    running.settle()
    running.say(100, 100, base=100, epoch=2)
    running.end(137)
    before = running.job
    running.step()
    running.step()
    assert running.job == before, "the Job's own back-off holds"


def test_a_final_exit_code_ends_the_flow_before_the_jobs_controller_says_so(running):
    running.end(76)
    running.step()
    assert running.condition("Stalled") == ("True", "Diverged")
    assert (running.status.attempt.number, running.status.recoveries.crashes) == (1, 0)
    assert len(running.jobs) == 1


def test_another_default_image_changes_no_revision_that_has_run(running):
    first = running.maps[f"{REF.name}-{running.status.revision.current}"].image
    running.image = "engine:2"
    running.end(75, disrupted=True)
    running.settle()
    container = running.bodies[running.job.name]["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == first
