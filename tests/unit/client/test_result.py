"""`cflow result`: every array, whole, in other programs' formats; of a flow that has not ended its newest checkpoint."""

import hashlib
import json

import numpy as np
import pytest
import tifffile
from PIL import Image
from safetensors.numpy import load_file

from flowapi.errors import CorruptError
from flowclient.results import safe_names
from kit import folders
from kit.runs import here


def test_the_result_of_a_flow_that_ended(tmp_path) -> None:
    folders.ended(tmp_path / "flow")
    out = tmp_path / "out"
    said = here(
        "result", tmp_path / "flow", "-o", out, "-f", "npy", "-f", "csv", "-f", "tif", "-f", "npz", "-f", "safetensors"
    )
    assert "denoise at iteration 60 (Converged)" in said
    assert "s is not written as tiff" in said
    summary = json.loads((out / "summary.json").read_text())
    for name, digest in summary["sha256"].items():
        assert hashlib.sha256((out / f"{name}.npy").read_bytes()).hexdigest() == digest
    x = folders.picture(60)
    assert np.array_equal(np.loadtxt(out / "x.csv", delimiter=","), x)
    assert np.array_equal(tifffile.imread(out / "x.tiff"), x)
    assert np.array_equal(np.load(out / "result.npz")["x"], x)
    assert np.array_equal(load_file(out / "result.safetensors")["x"], x)
    assert "is there already" in here("result", tmp_path / "flow", "-o", out, code=65)


def test_of_a_flow_that_goes_on_the_newest_checkpoint_marked_as_such(tmp_path) -> None:
    folders.interrupted(tmp_path / "flow")
    out = tmp_path / "out"
    assert "the flow has not ended" in here("result", tmp_path / "flow", "-o", out)
    assert np.array_equal(np.load(out / "x.npy"), folders.picture(60))
    assert np.asarray(Image.open(out / "x.png")).shape == (12, 16)
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["provisional"], summary["iterations"]) == (True, 60)
    assert sorted(one.name for one in out.iterdir()) == [
        "events.parquet", "report.html", "report.png", "summary.json", "telemetry.parquet", "x.npy", "x.png",
    ]  # fmt: skip


def test_a_result_that_rots_is_not_taken(tmp_path) -> None:
    revision = folders.ended(tmp_path / "flow")
    (tmp_path / "flow/revisions" / revision / "result/x.npy").write_bytes(b"rot")
    assert "is not what was written" in here("result", tmp_path / "flow", "-o", tmp_path / "out", code=65)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/b", "", "x\n"])
def test_no_name_from_a_volume_leaves_the_folder(name) -> None:
    with pytest.raises(CorruptError):
        safe_names([name])


def test_a_folder_without_a_flow_and_an_unknown_format_are_said(tmp_path) -> None:
    assert "holds no flow" in here("result", tmp_path, code=65)
    assert "Known: npy" in here("result", tmp_path, "-f", "bmp", code=64)
