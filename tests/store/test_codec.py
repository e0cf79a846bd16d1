"""Every type that JAX has, there and back; stock safetensors reads the file; hostile files are refused."""

import json
import struct
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load_file

from flowapi.errors import CorruptError
from flowengine.store import IO, CheckpointStore, Layout, Leaf, list_checkpoints
from flowengine.store.codec import _STORED, decode, dtype_of, encode
from flowengine.store.io import put_files
from flowengine.store.manifest import Lineage, Manifest
from kit.store.volume import A, meta, take


def manifest_for(encoded, sums) -> Manifest:
    return Manifest(
        id="x", epoch=1, iteration=1, lineage=Lineage(revision=A, attempt=1),
        files={"state.safetensors": encoded.file}, leaves=encoded.records(sums),
    )  # fmt: skip


def roundtrip(folder, leaves):
    encoded, sums = encode(leaves), {}
    path = folder / "state.safetensors"
    path.unlink(missing_ok=True)
    put_files(IO(), iter([(path, encoded.stream(sums))]))
    assert path.stat().st_size == encoded.size
    manifest = manifest_for(encoded, sums)
    assert Manifest.unseal(manifest.seal()) == manifest
    return path, manifest, decode(IO(), path, manifest)


@pytest.mark.parametrize("name", sorted(_STORED))
def test_every_type_comes_back_bit_by_bit(tmp_path, name) -> None:
    dtype = dtype_of(name)
    raw = np.random.default_rng(3).integers(0, 2, size=(3, 4)).astype(dtype)
    leaves = {"a": Leaf(raw), "scalar": Leaf(raw[0, 0].reshape(()), weak_type=True), "none": Leaf(raw[:0])}
    _, _, back = roundtrip(tmp_path, leaves)
    for key, leaf in leaves.items():
        assert back[key].array.dtype == dtype
        assert back[key].array.shape == leaf.array.shape
        assert back[key].array.tobytes() == leaf.array.tobytes()
        assert back[key].weak_type == leaf.weak_type


def test_keys_keep_their_generator(tmp_path) -> None:
    leaf = Leaf(np.asarray([1, 2], np.uint32), kind="key", impl="threefry2x32")
    _, _, back = roundtrip(tmp_path, {"key": leaf})
    assert (back["key"].kind, back["key"].impl) == ("key", "threefry2x32")


def test_stock_safetensors_reads_it_and_data_are_aligned(tmp_path) -> None:
    arrays = {"b": np.arange(3, dtype=np.int8), "a": np.linspace(0, 1, 7), "c": np.asarray([1 + 2j])}
    path, _, _ = roundtrip(tmp_path, {name: Leaf(array) for name, array in arrays.items()})
    back = load_file(path)
    assert np.array_equal(back["a"], arrays["a"])
    assert np.array_equal(back["b"], arrays["b"])
    assert np.array_equal(back["c"], [[1.0, 2.0]])
    assert (8 + struct.unpack("<Q", path.read_bytes()[:8])[0]) % 64 == 0


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=12),
        hnp.arrays(st.sampled_from([np.float32, np.float64, np.int16, np.bool_]), hnp.array_shapes(max_side=4)),
        max_size=5,
    )
)
def test_any_tree_comes_back(tmp_path_factory, arrays) -> None:
    leaves = {name: Leaf(array) for name, array in arrays.items()}
    _, _, back = roundtrip(tmp_path_factory.mktemp("tree"), leaves)
    assert {name: leaf.array.tobytes() for name, leaf in back.items()} == {
        name: array.tobytes() for name, array in arrays.items()
    }


def test_unknown_types_are_refused_before_anything_is_written(tmp_path) -> None:
    with pytest.raises(TypeError, match="can't be stored"):
        encode({"a": Leaf(np.asarray(["text"]))})


@pytest.mark.parametrize(
    "change",
    [
        {"shape": (2**40, 2**40)},
        {"shape": (6,)},
        {"dtype": "object"},
        {"dtype": "float16"},
    ],
    ids=["huge", "longer", "object", "narrower"],
)
def test_a_manifest_that_claims_other_arrays_is_refused_without_allocating(tmp_path, change) -> None:
    path, manifest, _ = roundtrip(tmp_path, {"a": Leaf(np.zeros(5))})
    lying = manifest.model_copy(update={"leaves": {"a": manifest.leaves["a"].model_copy(update=change)}})
    with pytest.raises(CorruptError):
        decode(IO(), path, lying)


def test_a_huge_header_length_is_refused(tmp_path) -> None:
    path, manifest, _ = roundtrip(tmp_path, {"a": Leaf(np.zeros(5))})
    raw = bytearray(path.read_bytes())
    raw[:8] = struct.pack("<Q", 2**62)
    path.write_bytes(raw)
    with pytest.raises(CorruptError, match="beyond the file"):
        decode(IO(), path, manifest)


def test_links_are_not_followed(tmp_path) -> None:
    path, manifest, _ = roundtrip(tmp_path, {"a": Leaf(np.zeros(5))})
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises((CorruptError, OSError)):
        decode(IO(), path, manifest)


def test_golden_format_one(tmp_path) -> None:
    """A checkpoint written by the first version: every later one must read it."""
    golden = Path(__file__).parent.parent / "fixtures" / "format-1"
    (one,) = list_checkpoints(golden, deep=True)
    assert (one.problem, one.ref.iteration, one.ref.digest) == ("", 40, (golden / "digest").read_text().strip())
    store = CheckpointStore(IO(), Layout(golden), None, 1, adopted=False)
    leaves = store.reader.newest(A, []).leaves
    assert json.loads((golden / "values.json").read_text()) == {
        name: leaf.array.astype(np.float64).tolist() for name, leaf in leaves.items() if leaf.array.dtype.kind != "c"
    }
    assert leaves["bf16"].array.dtype == ml_dtypes.bfloat16


def write_golden(root) -> None:
    """How the golden files were made."""
    store, _ = take(root)
    leaves = {
        "x": Leaf(np.linspace(-1, 1, 12).reshape(3, 4)),
        "bf16": Leaf(np.asarray([0.5, -2], ml_dtypes.bfloat16)),
        "k": Leaf(np.asarray(40, np.int64)),
        "flag": Leaf(np.asarray([True, False])),
        "z": Leaf(np.asarray([1 + 2j, -1j])),
    }
    ref = store.save(40, leaves, meta())
    store.close()
    values = {n: leaf.array.astype(np.float64).tolist() for n, leaf in leaves.items() if leaf.array.dtype.kind != "c"}
    (root / "values.json").write_text(json.dumps(values))
    (root / "digest").write_text(ref.digest)
