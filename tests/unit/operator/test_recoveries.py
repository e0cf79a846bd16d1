"""How an attempt that was interrupted goes on, and what that is counted as."""

from dataclasses import replace

import pytest

from flowoperator.core.observed import Pod
from kit.world import World, running_flow, spec


@pytest.fixture
def running() -> World:
    return running_flow()


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
