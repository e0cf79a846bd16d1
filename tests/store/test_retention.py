"""What is kept and what goes, by itself, by hand, and where there is no room."""

import errno
import json
import os

import pytest

from flowapi.errors import DataError, FencedError, VolumeError
from flowengine.store import Retention, list_checkpoints, pin, thin_out
from flowengine.store.layout import CheckpointId
from flowengine.store.manifest import seal
from kit.store.faulty import Faulty, fail_with
from kit.store.volume import A, B, iterations, meta, resumed, state, take


def test_retention_keeps_what_is_needed(tmp_path) -> None:
    store, _ = take(tmp_path, A)
    for k in (1, 2, 3):
        store.save(k, state(k), meta(A))
    store.close()
    store, _ = take(tmp_path, B)
    for k in (1, 2, 3, 4):
        store.save(k, state(k), meta(B))
        store.collect(Retention(B, keep=2))
    left = [(one.ref.revision, one.ref.iteration) for one in list_checkpoints(tmp_path)]
    assert left == [(A, 3), (B, 4), (B, 3)]
    store.collect(Retention(B, keep=2, retain=frozenset()))
    assert [one.ref.revision for one in list_checkpoints(tmp_path)] == [B, B]
    store.close()


def test_checkpoints_that_the_policy_names_stay_also_where_there_is_no_room(tmp_path) -> None:
    store, _ = take(tmp_path, A)
    for k in (1, 2, 3):
        store.save(k, state(k), meta(A))
    pinned = frozenset(one.ref.id for one in list_checkpoints(tmp_path) if one.ref.iteration == 1)
    policy = Retention(A, keep=1, pinned=pinned)
    store.collect(policy)
    assert [one.ref.iteration for one in list_checkpoints(tmp_path)] == [3, 1]
    store.save(4, state(4), meta(A))
    store.collect(policy.least)
    assert [one.ref.iteration for one in list_checkpoints(tmp_path)] == [4, 1]
    store.close()


def test_the_base_in_use_is_kept_until_there_is_a_newer_one(tmp_path) -> None:
    store, _ = take(tmp_path)
    store.save(1, state(1), meta())
    store.close()
    store, _ = take(tmp_path)
    store.save(2, state(2), meta(good=False))
    store.collect(Retention(A, keep=1))
    store.close()
    assert resumed(tmp_path) == 1


def test_the_least_of_a_full_volume_keeps_what_is_needed(tmp_path) -> None:
    store, _ = take(tmp_path, B)
    for k in (1, 2):
        store.save(k, state(k), meta(B))
    store.close()
    store, _ = take(tmp_path, A)
    for k in (1, 2, 3, 4, 5):
        store.save(k, state(k), meta(A, good=k != 5))
    damaged = list_checkpoints(tmp_path)[1]
    (tmp_path / "revisions" / A / "ckpts" / damaged.ref.id / "CORRUPT").write_text("bit rot")
    pin(tmp_path, list_checkpoints(tmp_path)[4].ref.id)
    policy = Retention(A, keep=4)
    assert {(revision, int(name[:12])) for revision, name in store.collect(policy)} == {(B, 1)}
    assert {(revision, int(name[:12])) for revision, name in store.collect(policy.least)} == {(A, 2), (A, 4)}
    assert [(one.ref.revision, one.ref.iteration) for one in list_checkpoints(tmp_path)] == [
        (A, 5),
        (A, 3),
        (A, 1),
        (B, 2),
    ]
    store.close()


def test_a_newer_versions_checkpoint_is_never_collected(tmp_path) -> None:
    store, _ = take(tmp_path)
    ids = [store.save(k, state(k), meta()).id for k in (1, 2, 3)]
    path = tmp_path / "revisions" / A / "ckpts" / ids[0] / "manifest.json"
    path.write_bytes(seal(json.loads(path.read_bytes())["body"] | {"format": 2, "minReader": 2}))
    store.collect(Retention(A, keep=1))
    assert set(os.listdir(path.parent.parent)) == {ids[0], ids[2]}
    store.close()


def test_thinning_out_by_hand(tmp_path) -> None:
    with pytest.raises(DataError, match="holds no flow"):
        thin_out(tmp_path, 1)
    store, _ = take(tmp_path, B)
    store.save(1, state(1), meta(B))
    store.close()
    store, _ = take(tmp_path, A)
    ids = [store.save(k, state(k), meta()).id for k in (1, 2, 3)]
    (tmp_path / "revisions" / A / "ckpts" / str(CheckpointId.new(9, store.epoch))).mkdir()  # being written elsewhere
    with pytest.raises(FencedError, match="is running"):
        thin_out(tmp_path, 1)
    store.close()
    assert thin_out(tmp_path, 1, dry_run=True) == [(A, ids[0]), (A, ids[1])]
    assert len(iterations(tmp_path)) == 4
    with pytest.raises(VolumeError, match="can't be removed"):
        thin_out(tmp_path, 1, io=Faulty(at=1, fault=fail_with(errno.EIO), calls=("lock",)))
    assert thin_out(tmp_path, 1) == [(A, ids[0]), (A, ids[1])]
    assert iterations(tmp_path) == [3, 1]
    assert len(list((tmp_path / "revisions" / A / "ckpts").iterdir())) == 2
    take(tmp_path)[0].close()
