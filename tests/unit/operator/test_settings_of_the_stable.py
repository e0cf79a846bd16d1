"""A stable revision runs as it ran: with the run-time settings under which it last saved, not those of the failed spec."""

import json
from dataclasses import replace

import pytest

from flowapi.report import RunError
from flowoperator.objects.meta import configmap_name
from kit.world import REF, edited_flow, running_flow, spec

WRONG = RunError(code=76, reason="Diverged", message="the energy left every bound", remedy="Lower policy.step.")
SMALL, LARGE = ({"resources": {"limits": {"memory": size}}} for size in ("64Mi", "2Gi"))
PINNED = "000000000100-e000001-0a1b2c"
A = spec(limit=1000, engine=LARGE, retry={"limit": 2}, terminationGracePeriodSeconds=50)
B = spec(weight=0.2, limit=40, engine=SMALL, retry={"limit": 9}, checkpoint={"everyIterations": 7, "pin": [PINNED]})


def failed(world):
    world.end(76, error=WRONG, job="Failed")
    world.settle()
    return world


@pytest.fixture
def replaced():
    """B, with settings of its own, has diverged, and A runs in its place."""
    world = failed(edited_flow(A, B))
    world.say(150, 140, base=100)
    world.step()
    return world


def pod_of(world):
    return world.bodies[world.job.name]["spec"]["template"]["spec"]


def settings_of(world):
    return json.loads(world.argument("settings"))


def test_the_stable_revision_runs_with_its_own_settings(replaced):
    assert replaced.job.revision == A.hash
    assert settings_of(replaced)["stop"] == {"maxIterations": 1000}
    assert "everyIterations" not in settings_of(replaced)["checkpoint"]
    assert pod_of(replaced)["containers"][0]["resources"]["limits"]["memory"] == "2Gi"
    assert pod_of(replaced)["terminationGracePeriodSeconds"] == 50
    assert replaced.bodies[replaced.job.name]["spec"]["backoffLimit"] == 2


def test_checkpoints_that_the_spec_pins_stay_whichever_revision_runs(replaced):
    assert settings_of(replaced)["checkpoint"]["pin"] == [PINNED]


def test_nothing_restarts_while_it_runs(replaced):
    job = replaced.job
    for _ in range(5):
        assert not replaced.step().actions
    assert replaced.job == job


def test_a_spec_that_goes_back_as_a_whole_finds_it_running():
    world = failed(edited_flow(A, spec(weight=0.2, limit=40, engine=SMALL)))
    world.say(150, 140, base=100)
    world.step()
    job = world.job
    world.edit(A)
    world.settle()
    assert world.job == job
    assert world.condition("RolledBack") == ("True", "SpecReverted")


def test_a_spec_that_keeps_its_other_settings_has_them_once_the_revision_is_its_own(replaced):
    replaced.edit(spec(limit=2000))
    replaced.settle()
    assert replaced.job.revision == A.hash
    assert settings_of(replaced)["stop"] == {"maxIterations": 2000}
    assert "memory" not in pod_of(replaced)["containers"][0]["resources"]["limits"]


def test_the_failed_revision_with_other_settings_is_tried_with_those(replaced):
    replaced.edit(spec(weight=0.2, limit=70))
    replaced.settle()
    assert replaced.job.revision == B.hash
    assert settings_of(replaced)["stop"] == {"maxIterations": 70}


def changed(world, then, *, saves):
    """The settings of A change; then B comes and fails."""
    world.edit(then)
    world.settle()
    world.say(180, 170 if saves else 100, base=100)
    world.settle()
    world.edit(B)
    world.settle()
    world.say(3, 0)
    world.step()
    return failed(world)


def test_settings_under_which_it_saved_later_are_the_ones_to_go_back_to():
    world = changed(running_flow(wanted=A), spec(limit=5000, engine=LARGE), saves=True)
    assert (world.job.revision, settings_of(world)["stop"]) == (A.hash, {"maxIterations": 5000})


def test_settings_under_which_it_never_saved_are_not():
    world = changed(running_flow(wanted=A), spec(limit=5000, engine=SMALL), saves=False)
    assert (world.job.revision, settings_of(world)["stop"]) == (A.hash, {"maxIterations": 1000})
    assert pod_of(world)["containers"][0]["resources"]["limits"]["memory"] == "2Gi"


def noted(world):
    text = world.maps[configmap_name(REF.name, A.hash)].settings
    return json.loads(text)["settings"]["stop"]


def test_settings_count_from_the_pass_in_which_a_checkpoint_under_them_is_known():
    world = running_flow(wanted=A)
    world.edit(spec(limit=5000))
    world.settle()
    world.say(180, 170, base=100)
    world.step()
    assert noted(world) == {"maxIterations": 5000}


def test_an_operator_that_dies_before_it_has_noted_them_does_so_later():
    world = running_flow(wanted=A)
    world.edit(spec(limit=5000))
    world.settle()
    world.say(180, 170, base=100)
    world.step(writes=0)
    assert noted(world) == {"maxIterations": 1000}
    world.step()
    assert noted(world) == {"maxIterations": 5000}


def test_the_stable_revision_runs_on_though_somebody_deletes_its_configmap(replaced):
    job = replaced.job
    del replaced.maps[configmap_name(REF.name, A.hash)]
    replaced.settle()
    assert replaced.job == job


def test_the_stable_revision_runs_on_though_its_settings_cannot_be_read(replaced):
    job, name = replaced.job, configmap_name(REF.name, A.hash)
    replaced.maps[name] = replace(replaced.maps[name], settings='{"engine": {"later": 1}, "settings": {}}')
    replaced.settle()
    assert replaced.job == job


def test_a_pin_is_told_to_the_stable_revision_and_no_new_try_of_the_failed_one(replaced):
    other = "000000000140-e000002-0a1b2c"
    checkpoint = {"everyIterations": 7, "pin": [PINNED, other]}
    replaced.edit(spec(weight=0.2, limit=40, engine=SMALL, retry={"limit": 9}, checkpoint=checkpoint))
    replaced.settle()
    assert replaced.job.revision == A.hash
    assert settings_of(replaced)["checkpoint"]["pin"] == [PINNED, other]


def test_settings_too_long_for_an_annotation_are_not_noted():
    notes = {f"example.com/{number}": "x" * 4096 for number in range(32)}
    world = running_flow(wanted=spec(engine={"podAnnotations": notes}))
    (found,) = world.maps.values()
    assert found.settings == ""
    assert not world.step().before


def test_the_configmap_keeps_its_image_when_its_settings_change():
    world = running_flow(wanted=A)
    world.image = "engine:2"
    world = changed(world, spec(limit=5000), saves=True)
    assert pod_of(world)["containers"][0]["image"] == "engine:1"


def test_settings_that_cannot_be_read_are_those_of_the_spec():
    world = edited_flow(A, B)
    name = configmap_name(REF.name, A.hash)
    world.maps[name] = replace(world.maps[name], settings='{"engine": 3}')
    failed(world)
    assert (world.job.revision, settings_of(world)["stop"]) == (A.hash, {"maxIterations": 40})


def test_inputs_of_the_failed_spec_are_none_of_the_stable_revision():
    world = edited_flow(A, B)
    world.inputs = "of B"
    failed(world)
    world.say(150, 140, base=100)
    world.step()
    world.edit(A)
    world.inputs = "of A"
    world.settle()
    world.end(65, job="Failed")
    world.settle()
    assert world.condition("Stalled")[0] == "True"
    assert "Retried" not in world.events
