"""Outside of `flow` the apiserver and the models accept the same specs, and whatever both accept makes a valid Job."""

import json

import pytest

from flowapi import schema
from flowapi.errors import DocumentError
from flowapi.spec import API_VERSION, KIND, parse_spec
from kit.apiserver.api import ApiError
from kit.apiserver.specs import Specs

FLOWS = f"/apis/{API_VERSION}/namespaces/default/computableflows?dryRun=All&fieldValidation=Strict"
SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in range(2, 12))]
JARGON = (
    "constrained", "pydantic", "Input should", "tuple", "dict", "None", "NoneType", "Traceback", "validat", "regex", "pattern",
    "float", "int_", "str_", "literal", "instance", "type=", "ctx",
)  # fmt: skip


def refused(plane, spec) -> str:
    body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "flow"}, "spec": spec}
    try:
        plane.admin.post(FLOWS, body)
    except ApiError as error:
        return str(error)
    return ""


def errors(spec) -> list[str]:
    try:
        parse_spec(json.loads(json.dumps(spec)))
    except DocumentError as found:
        return [str(one) for one in getattr(found, "errors", [found])]
    return []


@pytest.mark.parametrize("seed", SEEDS)
def test_the_apiserver_and_the_models_agree(plane, seed):
    (version,) = schema.definition()["spec"]["versions"]
    specs = Specs(version["schema"]["openAPIV3Schema"]["properties"]["spec"], seed)
    counts = {True: 0, False: 0}
    for _ in range(60):
        spec = specs.draw()
        said, found = refused(plane, spec), errors(spec)
        assert bool(said) == bool(found), f"{json.dumps(spec)[:2000]}\napiserver: {said}\nmodels: {found}"
        counts[bool(found)] += 1
        assert "failed rule" not in said, said
        assert "evaluat" not in said, said
        for sentence in found:
            assert not any(word in sentence.split("It is")[0] for word in JARGON), sentence
            assert sentence.startswith("spec"), sentence
    assert min(counts.values()) >= 15, counts
