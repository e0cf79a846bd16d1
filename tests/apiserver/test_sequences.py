"""Whatever edits and reverts led to a spec, the flow ends where a new flow with that spec does."""

import copy
import json
import random

import pytest

from flowapi import schema
from flowapi.errors import DocumentError
from flowapi.spec import parse_spec
from kit.apiserver.api import ApiError
from kit.apiserver.scene import revision_of, wait_for
from kit.apiserver.scene import scene as make_scene
from kit.apiserver.specs import Specs

EDITS = 5
SEQUENCES = [*range(4), *(pytest.param(seed, marks=pytest.mark.thorough) for seed in range(4, 120))]
OF_HISTORY = {"--attempt", "--start", "--start-id", "--lineage", "--retain", "--adopt"}  # each with a value
TOLD = ("Ready", "Stalled", "Reconciling", "Completed")


def valid(spec):
    try:
        parse_spec(spec)
    except DocumentError:
        return False
    return not spec.get("suspend")


def pool(seed):
    """Some specs, of which the first is valid; the volume, which no edit may change, is the same in all."""
    (version,) = schema.definition()["spec"]["versions"]
    drawn = Specs(version["schema"]["openAPIV3Schema"]["properties"]["spec"], seed)
    found: list[dict] = []
    while len(found) < 4:
        spec = drawn.draw()
        spec["flow"]["terms"][0]["weight"] = 1 + len(found)
        checkpoint = spec.get("checkpoint")
        if isinstance(checkpoint, dict):
            checkpoint.pop("volume", None)
        if found or valid(spec):
            found.append(spec)
    return found


def plan(seed):
    """The specs that are applied one after another, with returns to earlier ones; the last is valid."""
    draw, specs = random.Random(seed), pool(seed)
    steps = [draw.choice(specs) for _ in range(EDITS)]
    return [specs[0], *steps, draw.choice([one for one in specs if valid(one)])]


def played(flow, share=lambda: True):
    """Its new pods run and save, or a share of them; the others stay without a node."""
    for body in flow.pods():
        meta = body["metadata"]
        if meta["uid"] not in flow.seen and "deletionTimestamp" not in meta and share():
            flow.seen.add(meta["uid"])
            pod = flow.scene.node.pod(body)
            flow.scene.janitor.handles[pod.uid] = pod
            try:
                pod.run(100, 90)
            except ApiError as error:
                assert error.status == 404, error  # the operator has stopped it in between


def applied(flow, spec):
    """Whether the apiserver takes it."""
    try:
        flow.apply(copy.deepcopy(spec))
    except ApiError as error:
        assert error.status in {400, 422}, error
        return False
    return True


def of_job(body):
    """A Job's spec, less what tells of the flow's past."""
    found = json.loads(json.dumps(body["spec"]))
    for key in ("selector", "suspend"):
        found.pop(key, None)
    meta = found["template"]["metadata"]
    meta["labels"] = {
        key: value
        for key, value in meta["labels"].items()
        if key != "computableflow.dev/attempt" and "controller-uid" not in key and "job-name" not in key
    }
    (engine,) = found["template"]["spec"]["containers"]
    arguments = iter(engine["args"])
    engine["args"] = [
        one for one in arguments if one != "--expect-checkpoint" and not (one in OF_HISTORY and next(arguments))
    ]
    return found


def picture(flow, wanted):
    """What the operator made of the spec that the flow has now."""
    body = flow.body()
    status = body.get("status") or {}
    if status.get("observedGeneration") != body["metadata"]["generation"]:
        return None
    claim = flow.scene.claim(flow.name) or {}
    revision = revision_of(wanted)
    files = flow.scene.api.get(flow.scene.path("configmaps", f"{flow.name}-{revision}"), missing=None) or {}
    jobs = [one for one in flow.jobs() if "deletionTimestamp" not in one["metadata"]]
    data = {key: json.loads(text)["tuple"] for key, text in (files.get("data") or {}).items()}
    return {
        "revision": status.get("revision", {}).get("current"),
        "conditions": {kind: flow.condition(kind)[:2] for kind in TOLD},
        "jobs": [of_job(one) for one in jobs],
        "claim": (claim.get("spec", {}).get("resources"), bool(claim.get("metadata", {}).get("ownerReferences"))),
        "file": data,
    }


@pytest.mark.parametrize("seed", SEQUENCES)
def test_a_flow_that_was_edited_is_where_a_new_one_would_be(plane, loop, seed):
    steps, draw = plan(seed), random.Random(f"pods {seed}")
    with make_scene(plane, loop) as scene, make_scene(plane, loop) as other:
        edited, fresh = scene.flow(), other.flow()
        for wanted in steps[:-1]:
            if applied(edited, wanted) and draw.random() < 0.7:
                edited.until("it to be seen", lambda status: status.get("conditions"))
            played(edited, lambda: draw.random() < 0.6)
        last = steps[-1]
        assert applied(edited, last)
        fresh.apply(copy.deepcopy(last))
        fresh.until("it to be seen", lambda status: status.get("conditions"))

        def alike():
            for flow in (edited, fresh):
                played(flow)
            found = picture(fresh, last)
            return found is not None and found == picture(edited, last)

        try:
            wait_for("both to be alike", alike, 30)
        except AssertionError:
            one, two = picture(edited, last), picture(fresh, last)
            assert one is not None, "the edit was not seen"
            differ = {key: (one[key], two[key]) for key in one if one[key] != two[key]}
            assert not differ, f"{json.dumps(differ, indent=1)}\n{json.dumps(steps)}"
