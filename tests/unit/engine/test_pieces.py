"""The small pure parts of a run: cadence, pace, retention, loaders, the compiler's choice of roles."""

import io
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors.numpy import save_file

from flowapi.errors import DataError
from flowapi.flow import FlowDocument
from flowengine.compiler.load import load_data


def source(spec, tmp_path, dtype="float64"):
    document = FlowDocument.parse({
        "dtype": dtype, "data": {"a": spec}, "variables": {"x": {"like": "a"}},
        "terms": [{"atom": "quadratic", "arg": "x", "data": "a"}], "stop": {"maxIterations": 1},
    })  # fmt: skip
    return load_data(document, tmp_path, "flow")["a"]


def test_sources(tmp_path) -> None:
    values = np.arange(6.0).reshape(2, 3)
    np.save(tmp_path / "a.npy", np.asfortranarray(values))
    np.savez(tmp_path / "a.npz", first=values, second=values + 1)
    np.savez_compressed(tmp_path / "c.npz", first=values)
    (tmp_path / "a.csv").write_text("u,v,w\n0,1,2\n3,4,5\n")
    (tmp_path / "b.csv").write_text("1\n2\n")
    assert np.array_equal(source({"npy": "a.npy"}, tmp_path), values)
    assert np.array_equal(source({"npz": "a.npz", "key": "second"}, tmp_path), values + 1)
    assert np.array_equal(source({"npz": "c.npz", "key": "first"}, tmp_path), values)
    assert np.array_equal(source({"csv": "a.csv"}, tmp_path), values)
    assert np.array_equal(source({"csv": "b.csv"}, tmp_path), [1, 2])
    save_file({"first": values}, tmp_path / "a.safetensors")
    assert np.array_equal(source({"safetensors": "a.safetensors", "key": "first"}, tmp_path), values)
    pq.write_table(pa.table({"u": [0, 3], "v": [1.0, 4.0], "w": [2.0, 5.0]}), tmp_path / "a.parquet")
    assert np.array_equal(source({"parquet": "a.parquet"}, tmp_path), values)
    assert np.array_equal(source({"parquet": "a.parquet", "columns": ["w", "u"]}, tmp_path), values[:, [2, 0]])
    assert np.array_equal(source({"parquet": "a.parquet", "columns": ["v"]}, tmp_path), [1, 4])
    assert np.array_equal(source({"inline": [[1, 2]]}, tmp_path, "float32"), np.asarray([[1, 2]], np.float32))


@pytest.mark.parametrize(("dtype", "most"), [(np.uint8, 255), (np.uint16, 65535)])
def test_pictures_are_scaled_by_their_depth(tmp_path, dtype, most) -> None:
    picture = np.asarray([[0, most], [most // 5, most]], dtype)
    Image.fromarray(picture).save(tmp_path / "a.png")
    assert np.allclose(source({"image": "a.png"}, tmp_path), picture / most)


def test_a_picture_in_colour_is_read_as_it_is_asked_for_and_never_made_grey_in_silence(tmp_path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (3, 4, 3), np.uint8)
    Image.fromarray(colours).save(tmp_path / "a.png")
    Image.fromarray(colours).convert("RGBA").save(tmp_path / "b.png")
    Image.fromarray(colours[..., 0]).save(tmp_path / "grey.png")
    Image.fromarray(np.repeat(colours[..., :1], 3, axis=-1)).save(tmp_path / "saved as colour.png")
    for name in ("a.png", "b.png"):
        with pytest.raises(DataError, match=r"it is in colour. Write `mode: colour` beside it"):
            source({"image": name}, tmp_path)
        assert np.allclose(source({"image": name, "mode": "colour"}, tmp_path), colours / 255)
        grey = colours @ [0.299, 0.587, 0.114] / 255
        assert np.abs(source({"image": name, "mode": "grey"}, tmp_path) - grey).max() < 1 / 255
    for name in ("grey.png", "saved as colour.png"):
        assert np.allclose(source({"image": name}, tmp_path), colours[..., 0] / 255)
    whole = source({"image": "grey.png", "mode": "colour"}, tmp_path)
    assert np.allclose(whole, np.repeat(colours[..., :1], 3, axis=-1) / 255)


def bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (4 * 10**7,)})
        archive.writestr("a.npy", head.getvalue() + bytes(32 * 10**7))
    return buffer.getvalue()


def npy(header: str, body: bytes = b"") -> bytes:
    raw = header.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(raw).to_bytes(2, "little") + raw + body


HOSTILE = {
    "not npy": (b"hello world, this is text", "not an .npy"),
    "huge shape": (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}", b"12345678"), "needs"),
    "negative shape": (
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}", b"12345678"),
        "shape is damaged",
    ),
    "code in the header": (npy("__import__('os').system('true')"), "can't be read"),
    "objects": (npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"12345678"), "Python objects"),
    "text": (npy("{'descr': '<U2', 'fortran_order': False, 'shape': (1,)}", b"12345678"), "Numbers are needed"),
    "cut short": (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2,)}", b"12345678"), "needs 2"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_npy(tmp_path, name) -> None:
    data, message = HOSTILE[name]
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(DataError, match=message) as caught:
        source({"npy": "a.npy"}, tmp_path)
    assert caught.value.path.startswith("flow.data.a")


def test_other_hostile_files(tmp_path) -> None:
    (tmp_path / "bomb.npz").write_bytes(bomb())
    with pytest.raises(DataError, match="bomb"):
        source({"npz": "bomb.npz", "key": "a"}, tmp_path)
    for kind, key in (("safetensors", {"key": "a"}), ("parquet", {})):
        (tmp_path / "broken").write_bytes(b"\xff" * 40)
        with pytest.raises(DataError, match="can't be read"):
            source({kind: "broken", **key}, tmp_path)
    pq.write_table(pa.table({"u": [1.0, None]}), tmp_path / "gap.parquet")
    with pytest.raises(DataError, match="NaN"):
        source({"parquet": "gap.parquet"}, tmp_path)
    with pytest.raises(DataError, match="no column 'z'"):
        source({"parquet": "gap.parquet", "columns": ["z"]}, tmp_path)
    save_file({"b": np.ones(2)}, tmp_path / "a.safetensors")
    with pytest.raises(DataError, match="no array 'a', only b"):
        source({"safetensors": "a.safetensors", "key": "a"}, tmp_path)
    inside, outside = tmp_path / "inputs", tmp_path / "secret.npy"
    inside.mkdir()
    np.save(outside, np.zeros(2))
    (inside / "link.npy").symlink_to(outside)
    with pytest.raises(DataError, match="leads out"):
        source({"npy": "link.npy"}, inside)
    (inside / "folder.npy").mkdir()
    with pytest.raises(DataError):
        source({"npy": "folder.npy"}, inside)
    with pytest.raises(DataError, match="There is no folder"):
        source({"npy": "none/a.npy"}, inside)


def test_config_maps_own_links_are_followed(tmp_path) -> None:
    """Kubernetes mounts a config map's files as links to ..data/, itself a link."""
    (tmp_path / "..2026").mkdir()
    np.save(tmp_path / "..2026" / "a.npy", np.ones(2))
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "a.npy").symlink_to("..data/a.npy")
    assert np.array_equal(source({"npy": "a.npy"}, tmp_path), [1, 1])
