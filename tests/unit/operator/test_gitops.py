"""What tools of Git see: Argo CD's health and actions in Lua, and kstatus' rules, over whole stories of flows."""

from pathlib import Path

import lupa.lua51 as lua
import pytest
import yaml

from flowoperator.core.wanted import InvalidSpec
from kit.world import World, spec

FOLDER = Path(__file__).parents[3] / "docs" / "how-to" / "gitops"
B = spec(weight=0.2)


def as_object(world: World, wanted=None) -> dict:
    return {
        "metadata": {"name": "denoise", "generation": world.generation},
        "spec": wanted or {"flow": {}},
        "status": world.status.to_patch(),
    }


def evaluated(script: str, value: dict) -> dict:
    """What a script returns for an object, as Argo CD evaluates it."""
    runtime = lua.LuaRuntime(unpack_returned_tuples=True)
    runtime.globals().obj = runtime.table_from(value, recursive=True)
    return plain(runtime.execute(script))


def plain(value):
    return {key: plain(item) for key, item in value.items()} if lua.lua_type(value) == "table" else value


def health(world: World) -> str:
    return evaluated((FOLDER / "health.lua").read_text(), as_object(world))["status"]


def kstatus(world: World) -> str:
    """The rules of kstatus for a resource with conditions."""
    truths = {one.type: one.status for one in world.status.conditions}
    if world.status.observed_generation != world.generation or truths.get("Reconciling") == "True":
        return "InProgress"
    if truths.get("Stalled") == "True":
        return "Failed"
    return "Current" if truths.get("Ready") == "True" else "InProgress"


def new(world: World) -> None:
    pass


def starting(world: World) -> None:
    world.step()


def running(world: World) -> None:
    world.settle()
    world.say(120, 100)
    world.step()


def evicted(world: World) -> None:
    running(world)
    world.end(75, disrupted=True)
    world.step()


def edited(world: World) -> None:
    running(world)
    world.edit(B)


def suspended(world: World) -> None:
    running(world)
    world.edit(spec(suspend=True))
    world.settle()


def completed(world: World) -> None:
    running(world)
    world.finish()
    world.settle()


def diverged(world: World) -> None:
    running(world)
    world.end(76, job="Failed")
    world.settle()


def rolled_back(world: World) -> None:
    edited(world)
    world.settle()
    world.say(3, 0)
    world.end(76, job="Failed")
    world.settle()


def invalid(world: World) -> None:
    running(world)
    world.edit(InvalidSpec("spec.flow: no"))
    world.settle()


STORIES = {
    new: ("Progressing", "InProgress"),
    starting: ("Progressing", "InProgress"),
    running: ("Healthy", "Current"),
    evicted: ("Progressing", "InProgress"),
    edited: ("Progressing", "InProgress"),
    suspended: ("Suspended", "Current"),
    completed: ("Healthy", "Current"),
    diverged: ("Degraded", "Failed"),
    rolled_back: ("Degraded", "Failed"),
    invalid: ("Degraded", "Failed"),
}


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_argo_cd_and_kstatus_agree_with_the_flow(story):
    world = World()
    story(world)
    assert (health(world), kstatus(world)) == STORIES[story]


def test_no_flow_reads_as_current_before_its_new_spec_runs():
    world = World()
    running(world)
    world.edit(B)
    seen = []
    for _ in range(8):
        seen.append((kstatus(world), health(world)))
        world.step()
        world.kubernetes()
    world.say(10, 5)
    world.step()
    assert set(seen) == {("InProgress", "Progressing")}
    assert (kstatus(world), health(world)) == ("Current", "Healthy")


@pytest.mark.parametrize(("action", "before", "after"), [
    ("suspend", {}, {"suspend": True}), ("resume", {"suspend": True}, {}),
])  # fmt: skip
def test_an_action_changes_the_spec_alone(action, before, after):
    actions = yaml.safe_load((FOLDER / "actions.yaml").read_text())
    value = as_object(World(), before)
    offered = evaluated(actions["discovery.lua"], value)
    assert not offered[action].get("disabled", False)
    (found,) = (one for one in actions["definitions"] if one["name"] == action)
    changed = evaluated(found["action.lua"], value)
    assert {key: item for key, item in changed["spec"].items() if key != "flow"} == after
    assert changed["metadata"] == value["metadata"]


def test_a_retry_writes_another_nonce():
    actions = yaml.safe_load((FOLDER / "actions.yaml").read_text())
    (found,) = (one for one in actions["definitions"] if one["name"] == "retry")
    nonce = evaluated(found["action.lua"], as_object(World(), {"retryNonce": "1"}))["spec"]["retryNonce"]
    assert 1 < len(nonce) < 63
