"""Recorded hashes: an upgrade of the operator must not re-hash, for a new hash is a new revision of every flow.

Where one of these fails, the hash has changed for flows that run somewhere. The remedy is in the code, never here.
"""

import json
from pathlib import Path

import pytest
from pydantic import Field

from flowapi.inputs import EnvVar, InputSpec
from flowapi.reader import read_one
from flowapi.revision import CheckpointSettings, RevisionFile, RevisionTuple, RuntimeSettings
from flowapi.spec import load_manifest, parse_spec

EXAMPLES = Path(__file__).parent.parent.parent.parent / "examples"
FLOW = {
    "data": {"b": {"inline": [1, 2]}},
    "variables": {"x": {"like": "b"}},
    "terms": [{"atom": "quadratic", "arg": "x", "data": "b"}],
    "stop": {"maxIterations": 10},
}
BARE = {"flow": FLOW}
RICH = {
    "flow": FLOW | {"name": "n", "seed": 3, "telemetry": {"every": 50}, "stop": {"maxIterations": 10, "wallTime": 60.5}},
    "engine": {
        "image": "engine@sha256:" + "0" * 64,
        "processes": 1,
        "env": [{"name": "B", "value": "2"}, {"name": "A"}],
        "resources": {"limits": {"cpu": 2}},
        "nodeSelector": {"a": "b"},
    },
    "inputs": [{"name": "b", "configMapName": "c"}, {"name": "a", "claimName": "d"}],
    "checkpoint": {"everyIterations": 100, "everySeconds": 0, "volume": {"claimName": "v"}},
    "suspend": True,
}  # fmt: skip
RECORDED = {
    "bare": (BARE, "1e29567e84", '{"stop":{"maxIterations":10}}'),
    "rich": (
        RICH,
        "f0d2c8795e",
        '{"checkpoint":{"everyIterations":100,"everySeconds":0},"stop":{"maxIterations":10,"wallTime":60.5},'
        '"telemetry":{"every":50}}',
    ),
}


def tuple_of(spec) -> RevisionTuple:
    return RevisionTuple.of(parse_spec(spec)[0])


def settings_of(spec) -> RuntimeSettings:
    return RuntimeSettings.of(*parse_spec(spec))


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_hashes_and_settings_never_change(name) -> None:
    spec, revision, settings = RECORDED[name]
    assert tuple_of(spec).hash == revision
    assert settings_of(spec).to_json() == settings


def test_nor_does_the_hash_of_an_example() -> None:
    manifest = load_manifest(read_one(EXAMPLES / "deblur" / "deblur.yaml"))
    assert RevisionTuple.of(manifest.spec).hash == "9b011a1b30"


class NextEnvVar(EnvVar):
    """Each model as the next version may have it: with one key more, which has a default."""

    origin: str = "spec"


class NextInput(InputSpec):
    path: str = "/"


class NextTuple(RevisionTuple):
    inputs: tuple[NextInput, ...] = ()
    env: tuple[NextEnvVar, ...] = ()
    precision: str = "high"
    layers: tuple[str, ...] = Field(("a", "b"), max_length=5)


class NextCheckpoint(CheckpointSettings):
    keep: int = 7  # another default
    compress: bool = True


class NextSettings(RuntimeSettings):
    checkpoint: NextCheckpoint = NextCheckpoint()
    trace: bool = False


@pytest.mark.parametrize("name", RECORDED)
def test_a_new_key_with_a_default_changes_no_hash(name) -> None:
    old = tuple_of(RECORDED[name][0])
    new = NextTuple.model_validate(json.loads(json.dumps(old.parts)))
    assert new.env == () or new.env[0].origin == "spec"
    assert new.hash == old.hash
    assert NextTuple.model_validate(old.model_dump(by_alias=True)).hash == old.hash


@pytest.mark.parametrize("name", RECORDED)
def test_nor_the_settings(name) -> None:
    old = settings_of(RECORDED[name][0])
    new = NextSettings.model_validate_json(old.to_json())
    assert new.checkpoint.keep == 7
    assert new.to_json() == old.to_json()


def test_an_older_engine_is_told_of_no_key_that_the_flow_does_not_use() -> None:
    """Its image is pinned: it reads what a newer operator writes, and refuses keys that it doesn't know."""
    new = NextTuple.model_validate(tuple_of(RICH).model_dump(by_alias=True))
    file = RevisionFile(hash=new.hash, name="f", tuple=new)
    assert RevisionFile.model_validate_json(file.to_bytes()).tuple.hash == new.hash
    settings = NextSettings.model_validate_json(settings_of(RICH).to_json())
    assert RuntimeSettings.model_validate_json(settings.to_json()) == settings_of(RICH)


def test_a_setting_as_its_default_is_asked_for_all_the_same() -> None:
    """Should the default change, it stays."""
    assert json.loads(settings_of(BARE | {"checkpoint": {"keep": 3}}).to_json())["checkpoint"] == {"keep": 3}


def test_empty_parts_and_keys_without_a_value_are_not_hashed() -> None:
    empty = {"engine": {"env": [], "image": None}, "inputs": [], "checkpoint": {"keep": None, "volume": {}}}
    flow = FLOW | {"name": None, "entrypoint": None, "telemetry": {}}
    assert tuple_of({"flow": flow, **empty}).hash == tuple_of(BARE).hash
    assert settings_of({"flow": flow, **empty}).to_json() == settings_of(BARE).to_json()
