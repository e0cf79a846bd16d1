"""Jobs that wait for their turn: a queue decides when they run, and no new Job gives their place up."""

from dataclasses import replace
from datetime import timedelta

import pytest

from kit.world import running_flow, spec

QUEUE = (("kueue.x-k8s.io/queue-name", "team"), ("kueue.x-k8s.io/priority-class", "low"))


@pytest.fixture
def world():
    """A flow of a queue, which runs and has saved."""
    return running_flow(queue=QUEUE)


def test_the_labels_of_a_queue_are_passed_on(world):
    labels = world.bodies[world.job.name]["metadata"]["labels"]
    assert labels.items() >= dict(QUEUE).items()


def test_a_job_that_the_queue_holds_back_is_queued_and_stays(world):
    job = world.job
    world.end(75, disrupted=True)
    world.jobs = [replace(job, suspended=True)]
    world.step()
    assert world.condition("Reconciling") == ("True", "Queued")
    assert world.jobs == [replace(job, suspended=True)]


@pytest.mark.parametrize("end", [{"code": 75, "disrupted": True}, {"code": 137}])
def test_the_job_of_a_queue_keeps_its_place_when_its_pod_ends(world, end):
    job = world.job
    world.end(**end)
    world.settle()
    assert world.job == job
    world.say(140, 130, base=100, epoch=2)
    world.step()
    assert world.status.recoveries.count == 1


def test_a_job_that_something_suspends_keeps_its_place_without_a_label_too():
    world = running_flow()
    world.end(75, disrupted=True)
    world.jobs = [replace(world.job, suspended=True)]
    job = world.job
    world.step()
    assert world.job == job


def test_another_revision_gets_another_job_of_the_same_queue(world):
    world.edit(spec(weight=0.2))
    world.settle()
    assert world.bodies[world.job.name]["metadata"]["labels"].items() >= dict(QUEUE).items()
    assert world.job.attempt == 2


def test_what_the_queue_says_is_said(world):
    world.end(75, disrupted=True)
    world.jobs = [replace(world.job, suspended=True)]
    world.now += timedelta(seconds=5)
    assert world.step().unclear
    world.warnings = ("couldn't assign flavors to pod set main: insufficient unused quota for cpu.",)
    world.step()
    said = next(one.message for one in world.status.conditions if one.type == "Reconciling")
    assert said == (
        f"Job {world.job.name} is held back by a queue: "
        "couldn't assign flavors to pod set main: insufficient unused quota for cpu."
    )
