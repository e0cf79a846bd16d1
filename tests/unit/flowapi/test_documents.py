"""Flow documents, the resource, revisions and reports."""

import copy
import json
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowapi import schema
from flowapi.errors import DocumentError, DocumentErrors
from flowapi.flow import FlowDocument
from flowapi.numbers import canonical_json
from flowapi.reader import read_documents
from flowapi.report import RunError, RunReport, RunResult
from flowapi.revision import RevisionFile, RevisionTuple, RuntimeSettings
from flowapi.spec import load_manifest, parse_spec

FLOW = {
    "data": {"b": {"inline": [1, 2]}},
    "variables": {"x": {"like": "b"}},
    "terms": [{"atom": "quadratic", "arg": "x", "data": "b"}],
    "stop": {"maxIterations": 10},
}


def spec(**changes):
    return {"flow": copy.deepcopy(FLOW), **changes}


def revision(value) -> str:
    return RevisionTuple.of(parse_spec(value)[0]).hash


def test_all_errors_are_found_at_once() -> None:
    bad = copy.deepcopy(FLOW)
    bad["terms"] = [{"atom": "quadartic", "arg": "x"}, {"atom": "l1", "arg": "z", "wieght": 1}]
    bad["data"]["c"] = {"npy": "/etc/passwd"}
    with pytest.raises(DocumentErrors) as caught:
        FlowDocument.parse(bad)
    assert [error.path for error in caught.value.errors] == [
        "flow.data.c.npy",
        "flow.terms[0].atom",
        "flow.terms[1].wieght",
    ]
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("path", ["/a", "../a", "a/../b", "a//b", "a/", ".", "a\\b", "a\x00b", "", "a/./b", "x" * 300])
def test_data_paths_stay_below_the_inputs(path) -> None:
    bad = copy.deepcopy(FLOW)
    bad["data"]["b"] = {"npy": path}
    with pytest.raises(DocumentError, match=r"flow\.data\.b\.npy"):
        FlowDocument.parse(bad)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"rollback": {"automatic": "yes"}}, "spec.rollback.automatic"),
        ({"rollback": {"stableAfter": {"checkpoints": 0}}}, "spec.rollback.stableAfter.checkpoints"),
        ({"restore": {"nonce": "a"}}, "spec.restore"),
        ({"restore": {"nonce": "a", "revision": "0123456789", "checkpoint": "x"}}, "spec.restore.checkpoint"),
        ({"restore": {"nonce": "a", "checkpoint": "../../etc/passwd"}}, "spec.restore.checkpoint"),
        ({"restore": {"revision": "0123456789"}}, "spec.restore.nonce"),
        ({"checkpoint": {"pin": ["../000000000001-e000001-aaaaaa"]}}, "spec.checkpoint.pin[0]"),
        ({"engine": {"processes": 2}}, "spec.engine.processes"),
        ({"engine": {"imgae": "x"}}, "spec.engine.imgae"),
        ({"engine": {"env": [{"name": "A"}, {"name": "A"}]}}, "spec.engine.env"),
        ({"inputs": [{"name": "a"}]}, "spec.inputs[0]"),
        ({"inputs": [{"name": "../a", "claimName": "c"}]}, "spec.inputs[0].name"),
        ({"checkpoint": {"everyIterations": 0}}, "spec.checkpoint.everyIterations"),
        ({"checkpoint": {"volume": {"claimName": "a", "size": "1Gi"}}}, "spec.checkpoint.volume"),
        ({"suspend": "yes"}, "spec.suspend"),
        ({"deletionPolicy": "Keep"}, "spec.deletionPolicy"),
        ({"upgrade": {"mode": "continue"}}, "spec.upgrade.mode"),
        ({"ttlSecondsAfterFinished": -1}, "spec.ttlSecondsAfterFinished"),
        ({"retryNonce": "x" * 64}, "spec.retryNonce"),
    ],
)
def test_bad_specs_name_their_path(change, path) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_spec(spec(**change))
    assert path in str(caught.value)


def test_a_file_must_come_from_an_input() -> None:
    value = spec(inputs=[{"name": "photos", "configMapName": "c"}])
    value["flow"]["data"]["b"] = {"npy": "photo/b.npy"}
    with pytest.raises(DocumentError, match="Did you mean `photos`"):
        parse_spec(value)


def test_what_the_hash_depends_on() -> None:
    base = revision(spec())
    same = [
        spec(suspend=True, retry={"limit": 1}, checkpoint={"keep": 9}, upgrade={"mode": "Restart"}),
        spec(engine={"resources": {"limits": {"cpu": 2}}, "nodeSelector": {"a": "b"}}),
        {"flow": FLOW | {"stop": {"gap": 1e-3}, "telemetry": {"every": 50}, "name": "other"}},
        {"flow": FLOW | {"terms": [{"atom": "quadratic", "data": "b", "arg": "x"}]}},
    ]
    other = [
        {"flow": FLOW | {"seed": 1}},
        {"flow": FLOW | {"terms": [{"atom": "quadratic", "arg": "x", "data": "b", "weight": 2}]}},
        spec(engine={"image": "other:1"}),
        spec(engine={"env": [{"name": "A", "value": "1"}]}),
        spec(inputs=[{"name": "a", "claimName": "c"}]),
    ]
    assert {revision(value) for value in same} == {base}
    hashes = [revision(value) for value in other]
    assert len({base, *hashes}) == len(hashes) + 1


def test_order_of_env_and_inputs_does_not_matter() -> None:
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    inputs = [{"name": "a", "claimName": "c"}, {"name": "b", "configMapName": "c"}]
    hashes = {revision(spec(engine={"env": e}, inputs=i)) for e in (env, env[::-1]) for i in (inputs, inputs[::-1])}
    assert len(hashes) == 1


def test_revision_file_and_settings_survive_json() -> None:
    read, document = parse_spec(spec(checkpoint={"everySeconds": 0.5}))
    tuple_ = RevisionTuple.of(read)
    file = RevisionFile(hash=tuple_.hash, name="f", namespace="n", uid="u", tuple=tuple_, resolved_image="i:1")
    back = RevisionFile.model_validate_json(file.to_bytes())
    assert back == file
    assert back.tuple.hash == tuple_.hash
    settings_ = RuntimeSettings.of(read, document)
    again = RuntimeSettings.model_validate_json(settings_.to_json())
    assert again == settings_
    assert back.document(again).stop == document.stop


def test_bare_and_whole_documents() -> None:
    bare = load_manifest({"flow": FLOW | {"name": "n"}})
    whole = load_manifest(
        {
            "apiVersion": "computableflow.dev/v1alpha1",
            "kind": "ComputableFlow",
            "metadata": {"name": "n"},
            "spec": {"flow": FLOW},
        }
    )
    assert (bare.name, bare.at, whole.at) == ("n", "flow", "spec.flow")
    assert RevisionTuple.of(bare.spec).hash == RevisionTuple.of(whole.spec).hash
    for wrong in ([], {"kind": "Pod"}, {"flow": FLOW, "spec": {}}):
        with pytest.raises(DocumentError):
            load_manifest(wrong)


plain_text = st.text(st.characters(categories=("L", "N", "P"), max_codepoint=0x2FF))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | plain_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(plain_text, inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=100, deadline=None)
@given(json_values)
def test_canonical_json_is_stable(value) -> None:
    """Reading canonical JSON again gives the same bytes, through our reader too."""
    first = canonical_json(value)
    assert canonical_json(json.loads(first)) == first
    assert canonical_json(read_documents(f"[{first.decode()}]")[0]) == b"[" + first + b"]"


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=1024), st.text(max_size=1024), st.lists(st.text(max_size=1024), max_size=4), st.floats())
def test_a_report_always_fits(message, path, warnings, energy) -> None:
    error = RunError(code=65, reason="InvalidSpec", message=message, path=path, remedy=message)
    result = RunResult(reason="Converged", iteration=1, sha256={f"v{i}": "a" * 64 for i in range(8)})
    report = RunReport(
        revision="a" * 10, attempt=1, error=error, warnings=tuple(warnings), energy=energy, result=result
    )
    data = report.to_bytes()
    assert len(data) <= 4096
    assert RunReport.model_validate_json(data).error.code == 65


def test_the_crd_file_is_what_the_models_say() -> None:
    assert all(file.read_text(encoding="utf-8") == schema.rendered() for file in schema.FILES)


def test_the_crd_is_structural_and_bounded() -> None:
    def walk(node, path):
        assert isinstance(node, dict), path
        assert "$ref" not in node, path
        assert "anyOf" not in node, path
        free = path.startswith("spec.flow.") and node.get("x-kubernetes-preserve-unknown-fields")
        assert "type" in node or node.get("x-kubernetes-int-or-string") or free, path
        if node.get("type") == "string" and path.startswith("spec"):
            assert "maxLength" in node or "enum" in node, path
        if node.get("type") == "array":
            assert "maxItems" in node or path.startswith("status") or path.endswith("axes"), path
            walk(node["items"], f"{path}[]")
        if isinstance(node.get("additionalProperties"), dict):
            assert "maxProperties" in node, path
            walk(node["additionalProperties"], f"{path}{{}}")
        for name, child in node.get("properties", {}).items():
            walk(child, f"{path}.{name}" if path else name)

    (version,) = schema.definition()["spec"]["versions"]
    for name in ("spec", "status"):
        walk(version["schema"]["openAPIV3Schema"]["properties"][name], name)


def test_a_name_that_kubectl_made_of_a_boolean_key_is_refused() -> None:
    flow = {"variables": {"true": {"shape": [2]}}, "terms": [{"atom": "l1", "arg": "y"}], "stop": {"maxIterations": 1}}
    with pytest.raises(DocumentErrors) as caught:
        parse_spec({"flow": flow})
    assert caught.value.errors[0].path == "spec.flow.variables.true"


@pytest.mark.parametrize(
    ("flow", "path", "words"),
    [
        ({"name": "procrA"}, "spec.flow.name", "lower-case letters, digits and hyphens"),
        ({"variables": {"x-y": {"shape": [2]}}}, "spec.flow.variables.x-y", "letters, digits and underscores"),
    ],
)
def test_a_name_that_is_none_says_what_a_name_has(flow, path, words) -> None:
    whole = {"variables": {"x": {"shape": [2]}}, "terms": [{"atom": "l1", "arg": "x"}], "stop": {"maxIterations": 1}}
    with pytest.raises(DocumentErrors) as caught:
        parse_spec({"flow": whole | flow})
    error = next(one for one in caught.value.errors if one.path == path)
    assert words in error.remedy


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        ({"policy": {"step": 0}}, "flow.policy.step", "a number above 0, or `backtracking`, is needed here"),
        ({"policy": {"step": "longer"}}, "flow.policy.step", "a number above 0, or `backtracking`, is needed here"),
        (
            {"operators": {"D": {"gradient": {"spacing": [1, 0]}}}}, "flow.operators.D.gradient.spacing",
            "a number above 0, or a list of one an axis, is needed here",
        ),
        (
            {"terms": [{"atom": "norm_l21", "arg": "x", "axis": "rows"}]}, "flow.terms[0].axis",
            "the number of an axis, or a list of them, is needed here",
        ),
        ({"terms": {"atom": "l1", "arg": "x"}}, "flow.terms", "a list is needed here"),
        ({"terms": [{"atom": "l1", "arg": [5]}]}, "flow.terms[0].arg[0]", "keys with values are needed here"),
        ({"terms": []}, "flow.terms", "this is empty"),
    ],
)  # fmt: skip
def test_a_value_of_another_kind_is_one_error_in_the_words_of_a_document(change, path, message) -> None:
    """Nothing of the types and validators behind it."""
    with pytest.raises(DocumentErrors) as caught:
        FlowDocument.parse(copy.deepcopy(FLOW) | change)
    assert [(one.path, one.message) for one in caught.value.errors] == [(path, message)]
