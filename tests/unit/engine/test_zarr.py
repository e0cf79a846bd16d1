"""Zarr arrays as data: both formats, and what may not be read."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr
from numcodecs import Blosc, Delta, GZip

from flowapi.errors import DataError
from flowapi.flow import FlowDocument
from flowengine.compiler.load import load_data

VALUES = np.arange(35.0).reshape(5, 7)


def source(folder: Path, path: str) -> np.ndarray:
    document = FlowDocument.parse({
        "data": {"a": {"zarr": path}}, "variables": {"x": {"like": "a"}},
        "terms": [{"atom": "quadratic", "arg": "x", "data": "a"}], "stop": {"maxIterations": 1},
    })  # fmt: skip
    return load_data(document, folder, "flow")["a"]


FORMS = {
    "3": {},
    "3, plain": {"compressors": None},
    "3, shards": {"shards": (4, 4)},
    "2": {"zarr_format": 2},
    "2, blosc": {"zarr_format": 2, "compressors": Blosc(cname="lz4")},
    "2, filters": {"zarr_format": 2, "filters": [Delta(dtype="<f8")], "compressors": GZip()},
}


@pytest.mark.parametrize("form", FORMS)
def test_both_formats(tmp_path, form) -> None:
    array = zarr.create_array(tmp_path / "a", shape=VALUES.shape, chunks=(2, 2), dtype="<f8", **FORMS[form])
    array[...] = VALUES
    assert np.array_equal(source(tmp_path, "a"), VALUES)


def test_an_array_of_a_group_has_a_folder_of_its_own(tmp_path) -> None:
    zarr.open_group(tmp_path / "g", mode="w").create_array("inner", data=VALUES.astype(np.uint16))
    assert np.array_equal(source(tmp_path, "g/inner"), VALUES)
    with pytest.raises(DataError, match="not a Zarr array; below it there is: inner"):
        source(tmp_path, "g")


def test_what_is_no_array(tmp_path) -> None:
    (tmp_path / "a.npy").write_bytes(b"")
    with pytest.raises(DataError, match="not a folder") as caught:
        source(tmp_path, "a.npy")
    assert caught.value.path == "flow.data.a.zarr"
    assert "a.npy" in caught.value.remedy
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="not a Zarr array"):
        source(tmp_path, "empty")


def _written(folder: Path, form: int, **change: object) -> Path:
    zarr.create_array(folder, shape=(4,), chunks=(4,), dtype="<f8", zarr_format=form)[...] = np.ones(4)
    file = folder / ("zarr.json" if form == 3 else ".zarray")
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    return folder


class Planted:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


def test_no_pickle_is_opened(tmp_path) -> None:
    folder = _written(tmp_path / "a", 2, filters=[{"id": "pickle", "protocol": 5}], compressor=None)
    (folder / "0").write_bytes(pickle.dumps(Planted(tmp_path / "run")))
    with pytest.raises(DataError, match="the codec 'pickle' is not one of"):
        source(tmp_path, "a")
    disguised = _written(tmp_path / "c", 2, filters=[{"id": "pickle", "name": "bytes"}], compressor=None)
    (disguised / "0").write_bytes(pickle.dumps(Planted(tmp_path / "run")))
    with pytest.raises(DataError, match="the codec 'pickle' is not one of"):
        source(tmp_path, "c")
    nested = {"codecs": [{"name": "numcodecs.pickle"}], "chunk_shape": [2]}
    _written(tmp_path / "b", 3, codecs=[{"name": "sharding_indexed", "configuration": nested}])
    with pytest.raises(DataError, match="numcodecs.pickle"):
        source(tmp_path, "b")
    assert not (tmp_path / "run").exists()


DAMAGED = {
    "far too large": ({"shape": [10**13]}, "has more than"),
    "objects": ({"dtype": "|O"}, "can't be read"),
    "text": ({"dtype": "<U2"}, "Numbers are needed|can't be read"),
    "no shape": ({"shape": "many"}, "can't be read"),
    "a list for a shape": ({"shape": [[4]]}, "can.t be read"),
    "no codec": ({"compressor": 7}, "the codec '7'"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_metadata(tmp_path, name) -> None:
    change, message = DAMAGED[name]
    _written(tmp_path / "a", 2, **change)
    with pytest.raises(DataError, match=message):
        source(tmp_path, "a")


def test_a_damaged_chunk(tmp_path) -> None:
    (_written(tmp_path / "a", 3) / "c" / "0").write_bytes(b"not a chunk")
    with pytest.raises(DataError, match="can't be read"):
        source(tmp_path, "a")


def test_nothing_outside_the_inputs(tmp_path) -> None:
    _written(tmp_path / "outside", 3)
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    (inputs / "a").symlink_to(tmp_path / "outside")
    with pytest.raises(DataError, match="leads out of"):
        source(inputs, "a")
    shutil.copytree(tmp_path / "outside", inputs / "b")
    (inputs / "b" / "c" / "0").unlink()
    (inputs / "b" / "c" / "0").symlink_to(tmp_path / "outside" / "c" / "0")
    with pytest.raises(DataError, match="leads out of"):
        source(inputs, "b")
