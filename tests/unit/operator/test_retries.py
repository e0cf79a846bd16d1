"""What is tried again, how often, and what is said of pods that get nowhere."""

from dataclasses import replace
from datetime import timedelta

import pytest

from flowapi.report import RunError
from kit.world import World, running_flow, spec


def crash(world: World, iteration: int) -> None:
    """The engine saves, then dies; whoever must does its part."""
    world.say(iteration + 10, iteration, base=iteration - 10)
    world.step()
    world.end(1)
    world.step()
    world.kubernetes()
    world.settle()


def budget(world: World) -> int:
    return world.bodies[world.job.name]["spec"]["backoffLimit"]


@pytest.fixture
def world():
    world = World(wanted=spec(retry={"limit": 2}))
    world.settle()
    return world


def test_crashes_that_each_advance_a_little_use_the_budget_up(world):
    budgets = [budget(world)]
    for number in (1, 2):
        crash(world, 100 * number)
        budgets.append(budget(world))
    assert budgets == [2, 1, 0]
    last = world.job
    world.say(310, 300, base=200)
    world.step()
    world.end(1)
    world.step()
    assert world.job == last  # it is about to fail, and no other takes its place
    world.jobs = [type(last)(**{**vars(last), "finished": "Failed", "reason": "BackoffLimitExceeded"})]
    world.step()
    assert world.condition("Stalled") == ("True", "RetriesExhausted")


def test_evictions_use_nothing_up(world):
    for number in (1, 2, 3, 4):
        world.say(100 * number + 10, 100 * number, base=100 * number - 10)
        world.step()
        world.end(75, disrupted=True)
        world.settle()
    assert budget(world) == 2


def test_failures_of_long_ago_no_longer_count(world):
    crash(world, 100)
    assert budget(world) == 1
    world.now += timedelta(seconds=3601)
    crash(world, 200)
    assert budget(world) == 1
    assert world.status.recoveries.crashes == 2


@pytest.mark.parametrize("change", [{"retryNonce": "1"}, {"checkpoint": {"keep": 2}}])
def test_whoever_asks_for_another_try_gets_the_whole_budget(world, change):
    crash(world, 100)
    world.say(120, 0)
    world.end(64, job="Failed")
    world.step()
    world.edit(spec(retry={"limit": 2}, **change))
    world.settle()
    assert budget(world) == 2


def test_another_revision_begins_with_the_whole_budget(world):
    crash(world, 100)
    world.edit(spec(weight=0.2, retry={"limit": 2}))
    world.settle()
    assert budget(world) == 2


def fruitless(world: World, pods: int, **end) -> None:
    for _ in range(pods):
        world.end(**({"code": 137, "disrupted": True} | end))
        world.settle()


def test_pods_that_end_again_and_again_without_a_checkpoint_are_said(world):
    fruitless(world, 2)
    assert world.condition("Stalled")[0] == "False"
    fruitless(world, 1)
    assert world.condition("Stalled") == ("True", "NoProgress")
    message = next(one.message for one in world.status.conditions if one.type == "Stalled")
    assert message.startswith("3 pods in a row ended without a newer checkpoint")
    assert "was moved away" in message
    assert world.living  # Kubernetes tries on
    world.say(20, 0)
    world.step()
    assert world.condition("Stalled") == ("True", "NoProgress")
    world.say(120, 100)
    world.step()
    assert world.condition("Ready") == ("True", "Running")


def test_evictions_alone_give_no_revision_up(world):
    world.say(120, 100)
    world.step()
    edited = spec(weight=0.2, retry={"limit": 2})
    world.edit(edited)
    world.settle()
    fruitless(world, 5)
    assert world.job.revision == edited.hash
    assert world.condition("Stalled") == ("True", "NoProgress")


def test_pods_that_never_ran_have_not_failed_to_get_on(world):
    for number in range(5):
        (pod,) = world.living
        world.pods = [replace(pod, name=f"another-{number}", uid=f"another-{number}")]
        world.step()
    assert world.status.attempt.fruitless == 0


def test_turns_that_a_queue_takes_back_are_counted_against_nothing():
    world = World(wanted=spec(retry={"limit": 2}), queue=(("kueue.x-k8s.io/queue-name", "team"),))
    world.settle()
    fruitless(world, 5)
    assert world.status.attempt.fruitless == 0
    assert world.condition("Stalled")[0] == "False"


def test_a_checkpoint_begins_the_count_anew(world):
    fruitless(world, 2)
    world.say(120, 100)
    world.step()
    fruitless(world, 1)
    assert world.status.attempt.fruitless == 0
    assert world.condition("Stalled")[0] == "False"


def test_a_hang_is_a_reason_of_its_own(world):
    error = RunError(code=70, reason="Hang", message="no progress in iterating for 600 s", remedy="See the log.")
    world.say(20, 0)
    world.end(70, job="Failed", error=error)
    world.settle()
    assert world.condition("Stalled") == ("True", "Hang")


def test_a_hang_that_is_tried_again_is_said_in_the_event():
    world = running_flow()
    error = RunError(code=70, reason="Hang", message="no progress in saving for 600 s")
    world.end(70, error=error)
    plan = world.step()
    assert "exit code 70 (no progress in saving for 600 s)" in plan.events[0].message


def test_an_interruption_is_timed_until_an_engine_runs_again(world):
    world.say(120, 100, rate=10.0)
    world.step()
    world.end(137)
    world.step()
    world.now += timedelta(seconds=4)
    world.settle()
    world.say(100, 100, base=100, epoch=2, lost=20)
    world.step()
    recoveries = world.status.recoveries
    assert (recoveries.last_seconds, recoveries.down_seconds, recoveries.lost_seconds) == (4, 4, 2)
    world.now += timedelta(seconds=50)
    world.step()
    assert world.status.recoveries.down_seconds == 4


def test_the_job_of_a_completed_flow_goes_after_its_time_and_the_result_stays():
    world = World(wanted=spec(ttlSecondsAfterFinished=60))
    world.settle()
    world.finish()
    world.settle()
    assert world.jobs
    world.now += timedelta(seconds=59)
    assert world.step().requeue_after == pytest.approx(1)
    world.now += timedelta(seconds=2)
    world.settle()
    assert not world.jobs
    assert (world.status.phase, world.status.result.reason) == ("Completed", "IterationLimit")
    assert world.made == 1


def test_the_job_of_a_failed_flow_stays_to_be_looked_at():
    world = World(wanted=spec(ttlSecondsAfterFinished=0))
    world.settle()
    world.end(76, job="Failed")
    world.settle()
    assert world.job.finished == "Failed"


def test_a_completed_flow_stays_completed_while_its_job_goes():
    world = World(wanted=spec(ttlSecondsAfterFinished=0))
    world.settle()
    world.finish()
    for _ in range(4):
        world.step()
        assert world.status.phase == "Completed"
    assert world.job.deleting


def test_time_for_which_a_flow_is_suspended_is_no_interruption(world):
    world.say(120, 100)
    world.step()
    world.end(75, disrupted=True)
    world.step()
    world.edit(spec(retry={"limit": 2}, suspend=True))
    world.settle()
    world.now += timedelta(days=3)
    world.edit(spec(retry={"limit": 2}))
    world.settle()
    world.say(120, 110, base=100, epoch=2)
    world.step()
    assert world.status.recoveries.down_seconds == 0
