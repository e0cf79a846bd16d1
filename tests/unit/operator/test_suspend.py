"""A flow that is suspended, and one that goes on."""

import pytest

from kit.world import World, running_flow, spec


@pytest.fixture
def running() -> World:
    return running_flow()


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
