"""Bit rot and truncation: every byte of every file is under a digest, and an older checkpoint takes over."""

import json
import shutil

import pytest

from flowapi.errors import CorruptError, IncompatibleError
from flowengine.store import list_checkpoints
from flowengine.store.manifest import seal
from kit.store.volume import A, found, meta, resumed, state, take


@pytest.fixture
def root(tmp_path):
    store, _ = take(tmp_path)
    for iteration in (1, 2):
        store.save(iteration, state(iteration), meta())
    store.close()
    return tmp_path


def newest(root):
    return root / "revisions" / A / "ckpts" / list_checkpoints(root)[0].ref.id


@pytest.mark.parametrize("name", ["state.safetensors", "manifest.json"])
def test_every_flipped_byte_is_detected(root, name) -> None:
    path = newest(root) / name
    whole = path.read_bytes()
    for offset in range(len(whole)):
        torn = bytearray(whole)
        torn[offset] ^= 1 << (offset % 8)
        path.write_bytes(torn)
        problems = [one.problem for one in list_checkpoints(root, deep=True)]
        assert problems[0], f"byte {offset} of {name}"
        assert not problems[1]


@pytest.mark.parametrize("name", ["state.safetensors", "manifest.json"])
@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.99])
def test_truncated_newest_is_passed_over_and_reported(root, name, share) -> None:
    path = newest(root) / name
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    store, claimed = take(root)
    assert found(claimed) == 1
    assert [one.id for one in claimed.passed_over] == [newest(root).name]
    assert (newest(root) / "CORRUPT").exists()
    store.save(5, state(5), meta())
    store.close()
    assert resumed(root) == 5


def test_zero_filled_data_is_passed_over(root) -> None:
    path = newest(root) / "state.safetensors"
    path.write_bytes(bytes(path.stat().st_size))
    assert resumed(root) == 1


def test_swapped_files_are_detected(root) -> None:
    first, second = (root / "revisions" / A / "ckpts" / one.ref.id for one in list_checkpoints(root))
    for name in ("state.safetensors", "manifest.json"):
        shutil.copy(second / name, second / f"{name}.keep")
        shutil.copy(first / name, second / name)
        assert list_checkpoints(root, deep=True)[1].problem
        (second / f"{name}.keep").rename(second / name)


def test_when_all_are_corrupt_nothing_starts_over_silently(root) -> None:
    for one in list_checkpoints(root):
        (root / "revisions" / A / "ckpts" / one.ref.id / "state.safetensors").write_bytes(b"x")
    with pytest.raises(CorruptError, match="no checkpoint of revision .* is intact"):
        take(root)


def test_a_future_major_format_is_refused(root) -> None:
    path = newest(root) / "manifest.json"
    body = json.loads(path.read_bytes())["body"]
    path.write_bytes(seal(body | {"format": 2, "minReader": 2}))
    with pytest.raises(IncompatibleError, match="format 2"):
        take(root)


@pytest.mark.parametrize("kind", ["claim", "base"])
def test_a_damaged_fence_still_fences(root, kind) -> None:
    name = "0000000001" if kind == "claim" else "0000000001.base"
    (root / "fence" / name).write_bytes(b"torn")
    store, claimed = take(root)
    assert claimed.epoch == 2
    assert found(claimed) == 2
    store.close()


def test_damaged_owner_needs_a_person(root) -> None:
    (root / "OWNER").write_bytes(b"{}")
    with pytest.raises(CorruptError, match="OWNER"):
        take(root)
