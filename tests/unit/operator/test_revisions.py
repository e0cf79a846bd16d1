"""The revision table, row by row: edits, reverts, and changes beside the revision."""

import pytest

from flowoperator.core.wanted import InvalidSpec
from kit.world import REF, World, running_flow, spec


@pytest.fixture
def running() -> World:
    return running_flow()


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


def test_another_default_image_changes_no_revision_that_has_run(running):
    first = running.maps[f"{REF.name}-{running.status.revision.current}"].image
    running.image = "engine:2"
    running.end(75, disrupted=True)
    running.settle()
    container = running.bodies[running.job.name]["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == first
