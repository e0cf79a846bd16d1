"""The end of a flow: its result, or a failure that a person has to look at."""

import pytest

from flowapi.report import RunError
from kit.world import World, running_flow, spec


@pytest.fixture
def running() -> World:
    return running_flow()


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


def test_a_final_exit_code_ends_the_flow_before_the_jobs_controller_says_so(running):
    running.end(76)
    running.step()
    assert running.condition("Stalled") == ("True", "Diverged")
    assert (running.status.attempt.number, running.status.recoveries.crashes) == (1, 0)
    assert len(running.jobs) == 1
