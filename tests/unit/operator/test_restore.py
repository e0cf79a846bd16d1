"""A restore that a person asks for: from a checkpoint of their choice, once a nonce."""

import pytest

from kit.world import World, running_flow, spec

A, B = spec(), spec(weight=0.2)
CHECKPOINT = "000000000040-e000001-0a1b2c"


def asking(nonce="1", weight=0.1, **more):
    return spec(weight=weight, restore={"nonce": nonce, **(more or {"checkpoint": f"{A.hash}/{CHECKPOINT}"})})


@pytest.fixture
def world():
    """A runs and has saved."""
    return running_flow(wanted=A)


def test_the_flow_goes_on_from_the_checkpoint_that_was_asked_for(world):
    world.edit(asking())
    world.settle()
    assert (world.job.attempt, world.argument("start")) == (2, f"{A.hash}/{CHECKPOINT}")
    assert world.argument("start-id").startswith("restore-")
    assert "Restoring" in world.events


def test_it_happens_once(world):
    world.edit(asking())
    world.settle()
    job = world.job
    world.edit(spec(limit=2000, restore=asking().spec.restore.model_dump(by_alias=True, exclude_none=True)))
    world.settle()
    assert world.events.count("Restoring") == 1
    assert world.job != job  # the run-time settings have changed


def test_until_it_has_saved_the_start_keeps_its_name_which_the_volume_knows(world):
    world.edit(asking())
    world.settle()
    known = world.argument("start-id")
    world.say(50, 0)
    world.edit(spec(suspend=True, restore={"nonce": "1", "checkpoint": f"{A.hash}/{CHECKPOINT}"}))
    world.settle()
    world.edit(asking())
    world.settle()
    assert world.argument("start-id") == known


def test_once_it_has_saved_it_goes_on_from_its_newest_checkpoint(world):
    world.edit(asking())
    world.settle()
    world.say(70, 60, base=40)
    world.step()
    world.end(75, disrupted=True)
    world.settle()
    assert (world.argument("start"), world.argument("start-id")) == ("latest", "")


def test_another_nonce_asks_for_another_restore(world):
    for nonce in ("1", "2"):
        world.edit(asking(nonce))
        world.settle()
    assert world.events.count("Restoring") == 2
    assert world.job.attempt == 3


def test_a_whole_revision_means_its_newest_good_checkpoint(world):
    world.edit(asking(weight=0.2, revision=A.hash))
    world.settle()
    assert world.job.revision == B.hash
    assert world.argument("start") == f"{A.hash}/latest"


def test_a_completed_flow_is_computed_again_from_there(world):
    world.finish()
    world.settle()
    assert world.status.phase == "Completed"
    world.edit(asking())
    world.settle()
    assert world.argument("start") == f"{A.hash}/{CHECKPOINT}"


def test_a_failed_revision_with_a_stable_one_in_its_place_is_restored(world):
    world.edit(B)
    world.settle()
    world.say(3, 0)
    world.end(76, job="Failed")
    world.settle()
    assert world.job.revision == A.hash
    world.edit(asking(weight=0.2))
    world.settle()
    assert (world.job.revision, world.argument("start")) == (B.hash, f"{A.hash}/{CHECKPOINT}")


def test_a_suspended_flow_is_restored_when_it_resumes(world):
    world.edit(spec(suspend=True, restore={"nonce": "1", "revision": A.hash}))
    world.settle()
    assert not world.jobs
    world.edit(spec(restore={"nonce": "1", "revision": A.hash}))
    world.settle()
    assert world.argument("start") == f"{A.hash}/latest"


def test_a_new_flow_on_a_volume_that_exists_starts_there():
    world = World(wanted=asking())
    world.settle()
    assert world.argument("start") == f"{A.hash}/{CHECKPOINT}"


def test_the_revision_that_was_left_is_not_restored_again_when_the_spec_goes_back(world):
    world.edit(asking())
    world.settle()
    world.say(70, 60, base=40)
    world.step()
    world.edit(B)
    world.settle()
    world.edit(A)
    world.settle()
    assert (world.job.revision, world.argument("start")) == (A.hash, "latest")


def test_pins_are_told_to_the_engine():
    world = World(wanted=spec(checkpoint={"pin": [CHECKPOINT]}))
    world.settle()
    assert f'"pin":["{CHECKPOINT}"]' in world.argument("settings")


def test_a_restore_that_is_withdrawn_before_it_has_saved_does_not_happen(world):
    world.edit(asking())
    world.step()
    world.edit(A)
    world.settle()
    assert world.argument("start") == "latest"


def test_a_mistyped_place_is_corrected_under_the_same_nonce(world):
    world.edit(asking(checkpoint=f"{A.hash}/000000000041-e000001-0a1b2c"))
    world.settle()
    before = world.argument("start-id")
    world.end(65, job="Failed")
    world.step()
    world.edit(asking())
    world.settle()
    assert world.argument("start") == f"{A.hash}/{CHECKPOINT}"
    assert world.argument("start-id") != before


def test_a_withdrawn_restore_does_not_come_back_with_an_automatic_rollback(world):
    world.edit(asking())
    world.step()
    world.edit(B)
    world.settle()
    world.say(3, 0)
    world.end(76, job="Failed")
    world.settle()
    assert (world.job.revision, world.argument("start")) == (A.hash, "latest")


def test_a_nonce_of_before_asks_for_nothing(world):
    for nonce in ("1", "2", "1", "2"):
        world.edit(asking(nonce))
        world.settle()
        world.say(70, 60, base=40)
        world.step()
    assert world.events.count("Restoring") == 2
    assert world.job.attempt == 3


def test_a_nonce_that_was_withdrawn_in_time_may_be_used_again(world):
    world.edit(spec(suspend=True))
    world.settle()
    for wanted in (spec(suspend=True, restore=asking().spec.restore.model_dump(by_alias=True, exclude_none=True)),
                   spec(suspend=True), asking()):  # fmt: skip
        world.edit(wanted)
        world.settle()
    assert world.argument("start") == f"{A.hash}/{CHECKPOINT}"


def test_the_status_remembers_a_bounded_number_of_restores(world):
    for number in range(30):
        world.edit(asking(str(number)))
        world.settle()
        world.say(70 + number, 60 + number, base=40)
        world.step()
    assert len(world.status.restore.done) == 10
