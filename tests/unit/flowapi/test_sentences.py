"""Whatever is wrong with a spec is said in plain sentences: nothing of the types and validators behind it."""

import copy
from collections import defaultdict
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core.core_schema import ErrorType

from flowapi.errors import DocumentError
from flowapi.examples import ATOM_EXAMPLES, OPERATOR_EXAMPLES
from flowapi.reader import read_one
from flowapi.sentences import OTHER, wrong_value
from flowapi.spec import parse_spec

EXAMPLES = Path(__file__).parent.parent.parent.parent / "examples"
JARGON = (
    "constrained", "pydantic", "Input should", "Value error", "tuple", "dict", "None", "Traceback", "validat", "regex",
    "int_", "str_", "literal[", "instance", "type=", "ctx", "lambda", "object at",
)  # fmt: skip
FLOW = {"variables": {"x": {"shape": [2]}}, "terms": [{"atom": "l1", "arg": "x"}], "stop": {"maxIterations": 1}}
WHOLE = {
    "flow": FLOW,
    "engine": {
        "image": "a:1", "imagePullPolicy": "Always", "imagePullSecrets": [{"name": "s"}],
        "resources": {"requests": {"cpu": 1}, "limits": {"cpu": "2", "nvidia.com/gpu": 1}},
        "nodeSelector": {"a": "b"}, "tolerations": [{"key": "a", "effect": "NoExecute", "tolerationSeconds": 3}],
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}]
                },
            },
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 1, "podAffinityTerm": {"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}}}
                ]
            },
        },
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
        "priorityClassName": "p", "runtimeClassName": "r", "serviceAccountName": "s",
        "env": [{"name": "A", "value": "b"}], "podLabels": {"a": "b"}, "podAnnotations": {"a": "b"}, "processes": 1,
    },
    "inputs": [{"name": "a", "claimName": "b"}, {"name": "c", "configMapName": "d"}],
    "checkpoint": {"everyIterations": 5, "everySeconds": 0.5, "keep": 2, "pin": ["000000000100-e000001-0a1b2c"],
                   "volume": {"size": "1Gi", "storageClassName": "s", "accessMode": "ReadWriteOnce"}},
    "restore": {"nonce": "1", "revision": "0123456789"},
    "rollback": {"automatic": False, "deadlineSeconds": 60, "stableAfter": {"checkpoints": 2, "seconds": 30}},
    "upgrade": {"mode": "Restart"}, "retry": {"limit": 1, "windowSeconds": 60}, "retryNonce": "1",
    "suspend": True, "terminationGracePeriodSeconds": 30, "revisionHistoryLimit": 3, "deletionPolicy": "Delete", "ttlSecondsAfterFinished": 60,
}  # fmt: skip
SPECS = [
    WHOLE,
    *({"flow": flow} for flow in (*ATOM_EXAMPLES.values(), *OPERATOR_EXAMPLES.values())),
    *(
        spec
        for file in sorted(EXAMPLES.glob("*/*.yaml"))
        if isinstance(found := read_one(file), dict) and isinstance(spec := found.get("spec"), dict) and "flow" in spec
    ),
]
ODD = [None, True, False, 0, -1, 1.5, 2**60, 1e300, "", "a", "-", "x" * 5000, "a b", "1", [], {}, [None], [[]], [1, "a"], {"a": 1},
       {"a": None}, {"": {}}, [{"name": "a"}] * 100, {f"k{n}": "v" for n in range(70)}]  # fmt: skip


def places(value, at=()):
    """Every path into a value, but for the value itself."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*at, key)
        yield from places(item, (*at, key))


def spoilt(value, path, odd, *, rename):
    value = copy.deepcopy(value)
    holder = value
    for key in path[:-1]:
        holder = holder[key]
    if rename and isinstance(holder, dict):
        holder[f"{path[-1]}X"] = holder.pop(path[-1])
    else:
        holder[path[-1]] = odd
    return value


def sentences(spec) -> list[DocumentError]:
    try:
        parse_spec(spec)
    except DocumentError as error:
        return list(getattr(error, "errors", [error]))
    return []


def check(error: DocumentError) -> None:
    words = str(error).removeprefix(error.path).split("It is ")[0]
    assert not any(word in words for word in JARGON), str(error)
    assert OTHER not in words, str(error)
    assert error.path.startswith("spec"), str(error)
    assert error.remedy, str(error)


@pytest.mark.parametrize("odd", range(len(ODD)))
def test_a_value_of_any_kind_at_any_key_outside_of_the_flow_gets_one(odd) -> None:
    for path in places(WHOLE):
        if path[0] != "flow" or len(path) == 1:
            for error in sentences(spoilt(WHOLE, path, ODD[odd], rename=False)):
                check(error)


def test_a_misspelt_key_gets_the_nearest_one() -> None:
    for path in places(WHOLE):
        holder = path[-2] if len(path) > 1 else ""
        free = {"nodeSelector", "podLabels", "podAnnotations", "matchLabels", "requests", "limits"}
        if isinstance(path[-1], str) and holder not in free and path[0] != "flow":
            spec = spoilt(WHOLE, path, None, rename=True)
            found = [one for one in sentences(spec) if one.message == "unknown key"]
            assert [one.remedy for one in found if one.path.endswith(f"{path[-1]}X")] == [
                f"Did you mean `{path[-1]}`?"
            ], path


@given(st.sampled_from(SPECS), st.data(), st.sampled_from(ODD))
def test_so_it_is_inside_of_the_flow(spec, data, odd) -> None:
    path = data.draw(st.sampled_from(sorted(places(spec), key=str)))
    for error in sentences(spoilt(spec, path, odd, rename=data.draw(st.booleans()))):
        check(error)


@pytest.mark.parametrize("kind", get_args(ErrorType))
def test_every_kind_of_error_has_a_sentence(kind) -> None:
    """Also those that no model of today raises."""
    context = defaultdict(lambda: 3) | {"expected": "'a' or 'b'", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}
    for value in (5, "x", None, [], {}):
        words = " ".join(
            wrong_value({"type": kind, "loc": (), "msg": "Input should be a str_", "input": value, "ctx": context})
        )
        assert words
        assert not any(word in words.split("It is ")[0] for word in JARGON), words
