"""Reading one checkpoint: the newest good one, or the one asked for, of a version that is known."""

import json

import pytest

from flowapi.errors import DataError, IncompatibleError
from flowengine.store import read_checkpoint
from flowengine.store.manifest import seal
from kit.store.volume import A, meta, state, take


def test_reading_one_checkpoint(tmp_path) -> None:
    with pytest.raises(DataError, match="no good checkpoint yet"):
        read_checkpoint(tmp_path)
    store, _ = take(tmp_path)
    ids = [store.save(k, state(k), meta(good=k < 3)).id for k in (1, 2, 3)]
    store.close()
    assert read_checkpoint(tmp_path).ref.iteration == 2
    assert read_checkpoint(tmp_path, ids[0]).ref.iteration == 1


def test_a_manifest_of_a_newer_version_stops_a_restore(tmp_path) -> None:
    store, _ = take(tmp_path)
    name = store.save(1, state(1), meta()).id
    store.close()
    path = tmp_path / "revisions" / A / "ckpts" / name / "manifest.json"
    path.write_bytes(seal(json.loads(path.read_bytes())["body"] | {"minReader": 2}))
    with pytest.raises(IncompatibleError):
        read_checkpoint(tmp_path, name)
