"""Outside of `flow` the apiserver and the models accept the same specs, and what they accept makes valid objects."""

import json
import random

import pytest

from flowapi import schema
from flowapi.errors import DocumentError
from flowapi.group import API_VERSION, KIND
from flowapi.revision import RevisionFile, RevisionTuple, RuntimeSettings
from flowapi.spec import parse_spec
from flowoperator.objects.claim import build_claim
from flowoperator.objects.job import Attempt, Start, build_job
from flowoperator.objects.meta import FlowRef
from kit.apiserver.api import ApiError
from kit.apiserver.specs import Specs

FLOW = FlowRef("default", "flow", "11111111-1111-1111-1111-111111111111")
PATHS = {
    "ComputableFlow": f"/apis/{API_VERSION}/namespaces/default/computableflows",
    "Job": "/apis/batch/v1/namespaces/default/jobs",
    "PersistentVolumeClaim": "/api/v1/namespaces/default/persistentvolumeclaims",
}
EACH = 60
SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in range(2, 12))]
JARGON = (
    "constrained", "pydantic", "Input should", "tuple", "dict", "None", "Traceback", "validat", "regex", "pattern", "float",
    "int_", "str_", "literal", "instance", "type=", "ctx",
)  # fmt: skip


@pytest.fixture(params=SEEDS)
def drawn(request):
    """Specs from one seed."""
    (version,) = schema.definition()["spec"]["versions"]
    specs = Specs(version["schema"]["openAPIV3Schema"]["properties"]["spec"], request.param)
    return [specs.draw() for _ in range(EACH)]


def refused(plane, body) -> str:
    """The apiserver's words for why not; empty when it takes the object."""
    try:
        plane.admin.post(f"{PATHS[body['kind']]}?dryRun=All&fieldValidation=Strict", body)
    except ApiError as error:
        return str(error)
    return ""


def flow(spec):
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": FLOW.name}, "spec": spec}


def errors(spec) -> list[str]:
    """The models' sentences."""
    try:
        parse_spec(spec)
    except DocumentError as found:
        return [str(one) for one in getattr(found, "errors", [found])]
    return []


def test_the_apiserver_and_the_models_agree(plane, drawn):
    counts = {"taken": 0, "refused": 0}
    for spec in drawn:
        said, found = refused(plane, flow(spec)), errors(spec)
        assert bool(said) == bool(found), f"{json.dumps(spec)[:2000]}\napiserver: {said}\nmodels: {found}"
        counts["refused" if found else "taken"] += 1
        assert "failed rule" not in said, said
        assert "evaluat" not in said, said
        for sentence in found:
            words = sentence.split("It is ")[0]
            assert not any(word in words for word in JARGON), sentence
            assert "fit here" not in words, sentence
            assert sentence.startswith("spec"), sentence
    assert min(counts.values()) >= EACH // 6, counts


def a_quantity(draw: random.Random) -> str:
    digits = str(draw.choice([1, 2, 5, 999, 1000, 1001, 1023, 1024, 1025, 2**30, 10**9 + 1]))
    point = draw.choice(["", "", "", ".5", ".000000001", ".0000000001", ".00"])
    unit = draw.choice(
        [
            "",
            "",
            "n",
            "u",
            "m",
            "k",
            "M",
            "G",
            "T",
            "P",
            "E",
            "Ki",
            "Mi",
            "Gi",
            "Ti",
            "Pi",
            "e3",
            "E-3",
            "e+6",
            "e0",
            "e18",
        ]
    )
    return f"{digits}{point}{unit}"


def test_the_apiserver_and_the_models_compare_quantities_alike(plane, drawn):
    draw = random.Random(json.dumps(drawn))
    counts = {"taken": 0, "refused": 0}
    for _ in range(EACH):
        resources = {"requests": {"memory": a_quantity(draw)}, "limits": {"memory": a_quantity(draw)}}
        spec = {"flow": drawn[0]["flow"], "engine": {"resources": resources}}
        said, found = refused(plane, flow(spec)), errors(spec)
        assert bool(said) == bool(found), f"{resources}\napiserver: {said}\nmodels: {found}"
        counts["refused" if found else "taken"] += 1
    assert min(counts.values()) >= EACH // 6, counts


def test_what_is_taken_makes_a_job_and_a_claim_that_the_apiserver_takes_whole(plane, drawn):
    """With the strictest validation: no key of theirs is unknown, so nothing is dropped in silence."""
    for value in drawn:
        if errors(value):
            continue
        spec, document = parse_spec(value)
        wanted = RevisionTuple.of(spec)
        file = RevisionFile(
            hash=wanted.hash, name=FLOW.name, namespace=FLOW.namespace, uid=FLOW.uid, tuple=wanted,
            resolved_image=wanted.image or "engine:1",
        )  # fmt: skip
        attempt = Attempt(1, file, Start("latest"), (), budget=spec.retry.limit)
        job = build_job(FLOW, spec, RuntimeSettings.of(spec, document), attempt, {"requests": {}, "limits": {}})
        claim = build_claim(FLOW, spec.checkpoint.volume, spec.deletion_policy)
        for body in (job, claim):
            assert refused(plane, body) == "", json.dumps(value.get("engine", {}))[:2000]
