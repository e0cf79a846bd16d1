"""A volume that somebody prepared, every digest of it consistent: refused in a sentence, without following or allocating."""

import hashlib
import json
import os
import shutil
import struct
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowapi.errors import CorruptError, FlowError
from flowengine.store import IO, Leaf, Retention, list_checkpoints, read_checkpoint
from flowengine.store.layout import CheckpointId
from flowengine.store.manifest import seal
from kit.store.volume import A, meta, open_store, state, take

SLACK = 2 * 2**20  # for Python's own objects


@pytest.fixture
def checkpoint(tmp_path):
    store, _ = take(tmp_path)
    for k in (1, 2):
        ref = store.save(k, state(k), meta())
    store.close()
    return tmp_path / "revisions" / A / "ckpts" / ref.id


def forged(checkpoint, header: bytes, leaves: dict | None = None, data: bytes = b"") -> None:
    """Replace state and manifest so that all sizes and digests agree with this header."""
    head = struct.pack("<Q", len(header)) + header
    (checkpoint / "state.safetensors").write_bytes(head + data)
    body = json.loads((checkpoint / "manifest.json").read_bytes())["body"]
    body["files"] = {"state.safetensors": {"bytes": len(head + data), "headerSha256": hashlib.sha256(head).hexdigest()}}
    if leaves is not None:
        body["leaves"] = leaves
    (checkpoint / "manifest.json").write_bytes(seal(body))


def leaf(shape, dtype="float64") -> dict:
    return {"dtype": dtype, "stored": "F64", "shape": shape, "weakType": False, "kind": "array", "impl": "",
            "algo": "xxh3-128", "sum": "0" * 32}  # fmt: skip


def peak_of_reading(root) -> int:
    """Bytes that were allocated at most while the volume was listed, verified and claimed."""
    tracemalloc.start()
    try:
        list_checkpoints(root, deep=True)
        store, claimed = take(root)
        store.close()
        assert claimed.base.ref.iteration == 1
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


ONE = b'{"x":{"dtype":"F64","shape":[%s],"data_offsets":[%s]}}'
FORGED = {
    "not JSON": (b"{", None),
    "not a table": (b"[1,2]", None),
    "nested without end": (b"[" * 100_000, None),
    "a number of 100,000 digits": (b'{"x":{"data_offsets":[0,1' + b"0" * 100_000 + b"]}}", {"x": leaf([1])}),
    "no offsets": (b'{"x":{}}', {"x": leaf([1])}),
    "offsets of text": (ONE % (b"1", b'"0","8"'), {"x": leaf([1])}),
    "three offsets": (ONE % (b"1", b"0,8,16"), {"x": leaf([1])}),
    "a key twice": (b'{"x":{"data_offsets":[0,8]},"x":{"data_offsets":[0,0]}}', {"x": leaf([0])}),
    "a shape beyond the file": (ONE % (b"1", b"0,8"), {"x": leaf([2**40])}),
    "a shape that overflows": (ONE % (b"1", b"0,8"), {"x": leaf([2**33, 2**33])}),
    "an empty array beyond all bounds": (ONE % (b"1", b"0,0"), {"x": leaf([0, 2**40, 2**40])}),
    "a type of objects": (ONE % (b"1", b"0,8"), {"x": leaf([1], "object")}),
    "a negative shape": (ONE % (b"1", b"0,8"), {"x": leaf([-1])}),
    "sixty dimensions": (ONE % (b"1", b"0,8"), {"x": leaf([1] * 60)}),
    "other names": (ONE % (b"1", b"0,8"), {"y": leaf([1])}),
    "overlapping arrays": (
        b'{"x":{"data_offsets":[0,8]},"y":{"data_offsets":[0,8]}}', {"x": leaf([1]), "y": leaf([1])},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_state_is_passed_over_without_allocating(tmp_path, checkpoint, name) -> None:
    header, leaves = FORGED[name]
    forged(checkpoint, header, leaves, b"\0" * 8 if b"0,8" in header else b"")
    with pytest.raises(CorruptError):
        read_checkpoint(tmp_path, checkpoint.name)
    files = sum(one.stat().st_size for one in checkpoint.iterdir())
    assert peak_of_reading(tmp_path) < 16 * files + SLACK
    assert (checkpoint / "CORRUPT").exists()


REASONS = {
    "overlapping arrays": "lies elsewhere",
    "a key twice": "not that of a safetensors file",
    "other names": "different arrays",
    "a type of objects": "type 'object' is unknown",
}


@pytest.mark.parametrize("name", REASONS)
def test_each_check_names_its_own_reason(tmp_path, checkpoint, name) -> None:
    header, leaves = FORGED[name]
    forged(checkpoint, header, leaves, b"\0" * 8 if b"0,8" in header else b"")
    with pytest.raises(CorruptError, match=REASONS[name]):
        read_checkpoint(tmp_path, checkpoint.name)


def test_bytes_behind_the_last_array_are_refused(tmp_path, checkpoint) -> None:
    forged(checkpoint, ONE % (b"1", b"0,8"), {"x": leaf([1])}, b"\0" * 16)
    with pytest.raises(CorruptError, match="don't fill the file"):
        read_checkpoint(tmp_path, checkpoint.name)


def test_a_state_that_grew_is_refused(tmp_path, checkpoint) -> None:
    with (checkpoint / "state.safetensors").open("ab") as stream:
        stream.write(b"more")
    with pytest.raises(CorruptError, match=r"has \d+ bytes instead of"):
        read_checkpoint(tmp_path, checkpoint.name)


def test_a_manifest_without_its_state_is_refused(tmp_path, checkpoint) -> None:
    body = json.loads((checkpoint / "manifest.json").read_bytes())["body"]
    body["files"] = {}
    (checkpoint / "manifest.json").write_bytes(seal(body))
    with pytest.raises(CorruptError, match="doesn't name the state"):
        read_checkpoint(tmp_path, checkpoint.name)


def test_a_copied_checkpoint_is_not_another_one(tmp_path, checkpoint) -> None:
    copied = checkpoint.with_name(str(CheckpointId.new(9, 1)))
    shutil.copytree(checkpoint, copied)
    with pytest.raises(CorruptError, match="belongs to another checkpoint"):
        read_checkpoint(tmp_path, copied.name)


def test_a_state_that_shrinks_while_it_is_read_is_refused_and_nothing_leaks(tmp_path, checkpoint) -> None:
    class Shrinking(IO):
        def read_into(self, descriptor, view):
            return super().read_into(descriptor, view) - (len(view) == 7 * 5 * 8)

    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(CorruptError, match="is cut short"):
        read_checkpoint(tmp_path, checkpoint.name, io=Shrinking())
    read_checkpoint(tmp_path, checkpoint.name)
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_state_that_claims_a_header_as_large_as_memory_is_refused(tmp_path, checkpoint) -> None:
    path = checkpoint / "state.safetensors"
    for length in (2**62, path.stat().st_size, 2**24 + 1):
        path.write_bytes(struct.pack("<Q", length) + path.read_bytes()[8:])
        with pytest.raises(CorruptError):
            read_checkpoint(tmp_path, checkpoint.name)
    assert peak_of_reading(tmp_path) < SLACK


@pytest.mark.parametrize(
    "data",
    [
        b'{"body":{"a":1,"a":2},"sha256":"0"}', b'{"body":' + b"[" * 100_000, b"null", b"[]", b"\xff\xfe",
        b'{"body":1' + b"0" * 10_000 + b"}", b" " * (9 * 2**20), seal({"format": "one"}), seal({"minReader": 1}),
        seal([1]), b"",
    ],
    ids=["twice", "nested", "null", "list", "not utf-8", "digits", "nine megabytes", "text", "little", "array", "empty"],
)  # fmt: skip
def test_a_forged_manifest_is_passed_over(tmp_path, checkpoint, data) -> None:
    (checkpoint / "manifest.json").write_bytes(data)
    with pytest.raises(CorruptError):
        read_checkpoint(tmp_path, checkpoint.name)
    assert peak_of_reading(tmp_path) < SLACK


@pytest.mark.parametrize("part", ["state.safetensors", "manifest.json", "."])
def test_links_are_not_followed_and_their_targets_not_touched(tmp_path, checkpoint, part) -> None:
    target = tmp_path / "elsewhere"
    (checkpoint / part).rename(target) if part != "." else checkpoint.rename(target)
    (checkpoint / part if part != "." else checkpoint).symlink_to(target)
    with pytest.raises(FlowError):
        read_checkpoint(tmp_path, checkpoint.name)
    before = {one.name: one.read_bytes() for one in target.iterdir()} if target.is_dir() else target.read_bytes()
    store, claimed = take(tmp_path)
    assert claimed.base.ref.iteration == 1
    for k in (5, 6):
        store.save(k, state(k), meta())
    store.collect(Retention(A, keep=1))
    store.close()
    assert before == (
        {one.name: one.read_bytes() for one in target.iterdir()} if target.is_dir() else target.read_bytes()
    )


@pytest.mark.parametrize("part", ["revisions", "fence", "revisions/" + A, "revisions/" + A + "/ckpts"])
def test_a_folder_that_is_a_link_stops_the_start(tmp_path, part) -> None:
    root, target = tmp_path / "root", tmp_path / "elsewhere"
    target.mkdir()
    (root / part).parent.mkdir(parents=True)
    (root / part).symlink_to(target)
    with pytest.raises(FlowError, match="something else stands where a folder belongs"):
        take(root)
    assert list(target.iterdir()) == []
    assert list_checkpoints(root) == []


@pytest.mark.parametrize("part", ["OWNER", "fence/0000000001", "fence/0000000001.base"])
@pytest.mark.parametrize("kind", ["link", "pipe", "huge", "list"])
def test_forged_records_do_no_harm(tmp_path, checkpoint, part, kind) -> None:
    path = tmp_path / part
    path.unlink()
    match kind:
        case "link":
            (tmp_path / "elsewhere").write_bytes(b"{}")
            path.symlink_to(tmp_path / "elsewhere")
        case "pipe":
            os.mkfifo(path)
        case "huge":
            path.write_bytes(b"x" * 2**20)
        case "list":
            path.write_bytes(seal([1]))
    try:
        store, claimed = take(tmp_path)
    except FlowError as error:
        assert part == "OWNER"
        assert error.code in {65, 74}
    else:
        assert (claimed.epoch, claimed.base.ref.iteration) == (2, 2)
        store.close()


def test_a_base_that_points_out_of_the_volume_names_nothing(tmp_path, checkpoint) -> None:
    (tmp_path / "fence" / "0000000001.base").write_bytes(seal({"base": "../../../etc/passwd"}))
    store, claimed = take(tmp_path)
    assert claimed.base.ref.iteration == 2
    store.close()


def test_names_that_are_none_of_ours_are_not_looked_at(tmp_path, checkpoint) -> None:
    for name in ("..%2f", "AAAAAAAAAA", "0123456789ab", ".hidden"):
        (tmp_path / "revisions" / name / "ckpts").mkdir(parents=True)
    (checkpoint.parent / "000000000009-e000001-zzzzzz").mkdir()
    (tmp_path / "fence" / "not-a-claim").write_bytes(b"")
    assert [one.ref.iteration for one in list_checkpoints(tmp_path)] == [2, 1]
    with pytest.raises(ValueError, match="is not a revision's hash"):
        open_store(tmp_path).layout.revision("../x")


def sealed_by_hand(body: dict) -> bytes:
    """As `seal`, also for what it refuses to write."""
    try:
        return seal(body)
    except (ValueError, FlowError):
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        return f'{{"body":{text},"sha256":"{hashlib.sha256(text.encode()).hexdigest()}"}}\n'.encode()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_header_or_manifest_does_more_than_be_refused(tmp_path, checkpoint, data) -> None:
    """Any JSON as the header, and any change to any field of the manifest, with consistent digests."""
    saved = {one.name: one.read_bytes() for one in checkpoint.iterdir()}
    try:
        if data.draw(st.booleans()):
            forged(checkpoint, json.dumps(data.draw(json_values)).encode())
        else:
            body = json.loads(saved["manifest.json"])["body"]
            place = data.draw(st.sampled_from(sorted(body)))
            inner = body[place] if isinstance(body[place], dict) and body[place] else body
            key = data.draw(st.sampled_from(sorted(inner))) if inner is not body else place
            inner[key] = data.draw(json_values)
            (checkpoint / "manifest.json").write_bytes(sealed_by_hand(body))
        try:
            restored = read_checkpoint(tmp_path, checkpoint.name)
        except FlowError:
            pass
        else:
            assert isinstance(next(iter(restored.leaves.values())), Leaf)
    finally:
        for name, raw in saved.items():
            (checkpoint / name).write_bytes(raw)
