"""The result comes first, is what `sha256sum` says, and is made again from the last checkpoint when a byte of it rots."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from flowengine import capsule
from flowengine.store import Files
from kit.manifests import write_flow
from kit.pod import Pod
from kit.runs import run, summary


def checked(folder) -> str:
    """What `sha256sum -c` says of a result."""
    command = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def sha256sum(path) -> str:
    return subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout.split()[0]


def test_digests_are_those_of_the_files(tmp_path) -> None:
    pod = Pod(tmp_path, limit=300)
    _, report = pod.run(1)
    folder = pod.volume / report.result.path
    assert report.result.sha256 == summary(pod.volume)["sha256"] == {"x": sha256sum(folder / "x.npy")}
    assert checked(folder) == "x.npy: OK\nsummary.json: OK\n"
    out = run("run", tmp_path / "flow" / "flow.yaml", "--root", tmp_path / "root")
    assert re.search(rf"result/x.npy  sha256 {sha256sum(tmp_path / 'root' / 'result' / 'x.npy')}$", out, re.MULTILINE)


@pytest.mark.parametrize(
    "array", [np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.float64(2), np.ones((0, 3)), np.ones(3, "c8")]
)
def test_every_array_is_read_back_as_it_was(tmp_path, array) -> None:
    digest = capsule.digest(array)
    capsule.write_result(Files(), tmp_path / "result", {"x": array}, {"sha256": {"x": digest}})
    back = np.load(tmp_path / "result" / "x.npy", allow_pickle=False)
    assert (back.shape, back.dtype) == (np.shape(array), array.dtype)
    assert np.array_equal(back, array)
    assert sha256sum(tmp_path / "result" / "x.npy") == digest
    checked(tmp_path / "result")


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """A flow that has ended: its manifest, its folder, what it printed."""
    folder = tmp_path_factory.mktemp("ended")
    manifest = write_flow(folder / "flow", limit=400)
    run("run", manifest, "--root", folder / "root", "--until", "200", code=75)
    out = run("run", manifest, "--root", folder / "root")
    return manifest, folder / "root", out


def flip(path, at: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)


ROT = {
    "the array is cut to nothing": lambda folder: (folder / "x.npy").write_bytes(b""),
    "a bit of the array": lambda folder: flip(folder / "x.npy", -9),
    "a bit of the array's header": lambda folder: flip(folder / "x.npy", 20),
    "a bit of its magic": lambda folder: flip(folder / "x.npy", 0),
    "no array": lambda folder: (folder / "x.npy").unlink(),
    "a folder for an array": lambda folder: ((folder / "x.npy").unlink(), (folder / "x.npy").mkdir()),
    "the summary is cut": lambda folder: (folder / "summary.json").write_bytes(b"{"),
    "no summary": lambda folder: (folder / "summary.json").unlink(),
    "a digit of the summary": lambda folder: (folder / "summary.json").write_text(
        re.sub(r'"energy": 1', '"energy": 9', (folder / "summary.json").read_text())
    ),
    "a bit of the digests": lambda folder: flip(folder / "SHA256SUMS", 5),
    "the digests are cut": lambda folder: (folder / "SHA256SUMS").write_bytes(b""),
    "no digests": lambda folder: (folder / "SHA256SUMS").unlink(),
    "nothing at all": shutil.rmtree,
}  # fmt: skip


@pytest.mark.parametrize("rot", ROT)
def test_a_result_that_rots_is_made_again(tmp_path, ended, rot) -> None:
    manifest, old, out = ended
    root = tmp_path / "root"
    shutil.copytree(old, root, symlinks=True)
    before = summary(root)
    ROT[rot]((root / "result").resolve())
    if rot == "a folder for an array":
        assert "the result could not be written" in run("run", manifest, "--root", root, code=74)
        (root / "result" / "x.npy").rmdir()
    again = run("run", manifest, "--root", root)
    assert again.splitlines()[-2] == out.splitlines()[-2]
    assert summary(root)["sha256"] == before["sha256"]
    assert summary(root)["energy"] == before["energy"]
    checked(root / "result")


def test_a_whole_result_is_said_again_and_not_touched(tmp_path, ended) -> None:
    manifest, root, out = ended
    before = {one: one.stat().st_mtime_ns for one in (root / "result").iterdir()}
    assert run("run", manifest, "--root", root).splitlines()[-2:] == out.splitlines()[-2:]
    assert {one: one.stat().st_mtime_ns for one in (root / "result").iterdir()} == before
    assert json.loads(run("run", manifest, "--root", root, "--json").splitlines()[-1]) == summary(root)


@pytest.mark.parametrize("how", ["cut", "flipped", "not Parquet", "unreadable"])
def test_telemetry_that_rots_is_passed_over_and_said(tmp_path, how) -> None:
    manifest, root = write_flow(tmp_path / "flow", limit=400), tmp_path / "root"
    run("run", manifest, "--root", root, "--until", "200", code=75)
    (part, *_) = sorted(root.glob("revisions/*/telemetry/telemetry-*"))
    match how:
        case "cut":
            part.write_bytes(b"")
        case "flipped":
            rows, at = capsule.read(part.parent, "telemetry"), part.stat().st_size // 3
            flip(part, at)
            while capsule.read(part.parent, "telemetry") == rows:  # some bits of Parquet's headers mean nothing
                flip(part, at)
                at += 1
                flip(part, at)
        case "not Parquet":
            part.write_bytes(b"hello" * 100)
        case "unreadable":
            part.unlink()
            part.mkdir()
    out = run("run", manifest, "--root", root)
    assert "IterationLimit at iteration 400" in out
    assert "Traceback" not in out
    assert f"telemetry that is damaged was passed over and set aside ({part.name})" in out
    assert (part.parent / f"{part.name}.damaged").exists()
    rows = capsule.read(part.parent, "telemetry")
    assert rows[-1]["iter"] == 400
    run("run", write_flow(tmp_path / "flow", limit=400), "--root", tmp_path / "whole")
    assert summary(root)["sha256"] == summary(tmp_path / "whole")["sha256"]


def test_a_flip_of_any_bit_of_telemetry_is_seen(tmp_path) -> None:
    kept = capsule.Capsule(tmp_path, {"run_id": "r", "flow_name": "f", "revision": "a", "epoch": 1}, Files())
    for k in range(3):
        kept.row(iter=k, t_wall_ms=k, E=1.0 / (k + 1), controller="GREEN")
    kept.flush(2)
    (part,) = tmp_path.glob("*.parquet")
    raw, rows = part.read_bytes(), capsule.read(tmp_path, "telemetry")
    assert len(rows) == 3
    for at in range(len(raw)):
        data = bytearray(raw)
        data[at] ^= 1 << at % 8
        part.write_bytes(data)
        assert capsule.read(tmp_path, "telemetry") in (rows, []), at


def test_parts_that_a_kill_left_beside_what_they_were_put_together_to_are_not_counted_twice(tmp_path) -> None:
    kept = capsule.Capsule(tmp_path, {"run_id": "r", "flow_name": "f", "revision": "a", "epoch": 1}, Files())
    for k in (10, 20):
        kept.row(iter=k, t_wall_ms=k)
        kept.flush(k)
    parts = {one: one.read_bytes() for one in tmp_path.iterdir()}
    kept.compact()
    for path, data in parts.items():
        path.write_bytes(data)
    assert [row["iter"] for row in capsule.read(tmp_path, "telemetry")] == [10, 20]
    kept.compact()
    assert [one.name for one in tmp_path.glob("*.parquet")] == ["telemetry.parquet"]
    assert [row["iter"] for row in capsule.read(tmp_path, "telemetry")] == [10, 20]
