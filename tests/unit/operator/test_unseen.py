"""Pods that went while nobody looked: evicted while no operator worked, forced away, deleted by hand."""

from dataclasses import replace

import pytest

from kit.world import World, edited_flow, running_flow, spec


@pytest.fixture
def world():
    return running_flow()


def test_a_pod_that_went_while_no_operator_worked_is_replaced_at_once(world):
    before = world.job
    world.end(75, disrupted=True)
    world.forget()
    world.step()
    assert world.events[-1] == "Interrupted"
    world.settle()
    assert world.job.attempt == before.attempt + 1
    assert world.living
    assert world.status.recoveries.count == 1


@pytest.mark.parametrize("state", [{"suspended": True}, {"queued": True}, {"ending": True}, {"finished": "Complete"}])
def test_a_job_that_waits_for_its_turn_or_ends_keeps_its_pods(world, state):
    world.end(75, disrupted=True)
    world.forget()
    job = world.jobs[0] = replace(world.job, **state)
    world.step()
    assert world.jobs == [job]


def test_a_pod_that_went_before_it_had_saved_waits_for_its_jobs_back_off():
    world = World()
    world.settle()
    world.say(3, 0)
    world.step()
    job = world.job
    world.end(75, disrupted=True)
    world.report = None
    world.forget()
    world.step()
    assert world.job == job


def test_a_new_operator_says_what_the_last_one_saw_until_it_has_asked_the_engine(world):
    world.report = None
    plan = world.step()
    assert (plan.status, plan.events) == (None, ())


def test_another_pod_than_the_one_that_ran_is_no_engine_that_runs(world):
    world.end(137)
    world.forget()
    world.kubernetes()
    world.step()
    assert world.status.phase == "Pending"


def test_an_engine_that_never_answers_the_new_operator_is_said_to_be_unreachable(world):
    world.report, world.silent = None, 11.0
    world.step()
    ready = next(one.message for one in world.status.conditions if one.type == "Ready")
    assert "doesn't answer the operator" in ready


def test_an_engine_that_only_the_kubelet_reaches_runs_for_a_new_operator_too():
    world = World()
    world.settle()
    world.pods = [replace(world.pods[0], ready=True)]
    world.silent = 11.0
    world.step()
    assert world.status.phase == "Running"
    world.silent = 0.0
    world.step()
    assert world.status.phase == "Running"


def test_a_job_deleted_by_hand_is_not_said_to_run_before_its_successors_engine_has_answered():
    world = edited_flow(spec(), spec(weight=0.2))
    world.end(76, job="Failed")
    world.settle()
    world.say(150, 140, base=100)
    world.step()
    world.jobs, world.pods, world.report = [], [], None
    for _ in range(2):
        world.step()
    world.kubernetes()
    world.report = None
    world.step()
    assert "is to run in its place" in next(one.message for one in world.status.conditions if one.type == "Ready")
