"""Back to an earlier revision or checkpoint, or past a damaged one: the bits are those of a run without detours."""

import errno
import os

from flowengine.store import IO, list_checkpoints
from kit.manifests import write_flow
from kit.runs import here, run, same_end, saved, summary
from kit.sessions import run_here


def test_edit_and_revert_resume_the_first_revision_where_it_was(tmp_path, whole) -> None:
    """A → B → A on a laptop: the revert goes on from A's own checkpoint, and ends with A's bits."""
    folder = tmp_path / "flow"
    manifest = write_flow(folder, limit=900)
    original = manifest.read_text()
    root = tmp_path / "root"
    run("run", manifest, "--root", root, "--until", "300", code=75)
    manifest.write_text(original.replace("weight: 0.1", "weight: 0.2"))
    assert "starting" in run("run", manifest, "--root", root, "--until", "200", code=75)
    manifest.write_text(original)
    assert "going on from iteration 300" in run("run", manifest, "--root", root)
    assert summary(root)["sha256"] == summary(whole)["sha256"]


def test_fresh_starts_over_and_resume_goes_back(tmp_path) -> None:
    manifest = write_flow(tmp_path / "flow", limit=500)
    root = tmp_path / "root"
    run("run", manifest, "--root", root, "--until", "300", code=75)
    run("run", manifest, "--root", root)
    digest = summary(root)["sha256"]
    ids = [line.split()[1] for line in here("checkpoints", "list", root).splitlines() if "000000000300-" in line]
    out = run("resume", root, "--from", ids[-1])
    assert f"going on from iteration {int(ids[-1].split('-')[0])}" in out
    assert summary(root)["sha256"] == digest
    assert "starting" in run("run", manifest, "--root", root, "--fresh")
    assert summary(root)["sha256"] == digest


def test_a_pinned_checkpoint_can_be_gone_back_to(tmp_path, whole) -> None:
    manifest = write_flow(tmp_path / "flow", limit=900)
    root = tmp_path / "root"
    run("run", manifest, "--root", root, "--until", "200", code=75)
    first = list_checkpoints(root)[0].ref.id
    assert "is pinned" in run("checkpoints", "pin", root, first)
    run("run", manifest, "--root", root)
    same_end(root, whole)
    here("checkpoints", "gc", root, "--keep", "1")
    assert [one.ref.iteration for one in list_checkpoints(root)] == [900, 200]
    assert "going on from iteration 200" in run("resume", root, "--from", first)
    same_end(root, whole)
    assert saved(root) == 900


def test_a_corrupt_newest_checkpoint_is_passed_over_and_said(tmp_path, whole) -> None:
    manifest = write_flow(tmp_path / "flow", limit=900)
    root = tmp_path / "root"
    run("run", manifest, "--root", root, "--until", "400", code=75)
    run("run", manifest, "--root", root, "--until", "500", code=75)
    newest = max((root / "revisions").glob("*/ckpts/*/state.safetensors"))
    raw = bytearray(newest.read_bytes())
    raw[-3] ^= 4
    newest.write_bytes(raw)
    here("checkpoints", "verify", root)
    assert "damaged" in here("checkpoints", "verify", root, "--deep", code=65)
    out = run("run", manifest, "--root", root)
    assert "is corrupt" in out
    assert "going on from iteration 400" in out
    same_end(root, whole)


class Rotten(IO):
    """A medium that can't give back some states."""

    def __init__(self, *ids: str) -> None:
        self._ids = ids

    def open_read(self, path):
        if path.name == "state.safetensors" and path.parent.name in self._ids:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return super().open_read(path)


def test_a_checkpoint_that_the_medium_can_not_give_back_is_passed_over_and_said(tmp_path, whole, monkeypatch) -> None:
    """Where it can give back none, that is the volume's fault, and nothing is begun anew."""
    monkeypatch.setattr("flowengine.store.io.RETRY_SECONDS", (0, 0))
    manifest = write_flow(tmp_path / "flow", limit=900)
    root = tmp_path / "root"
    run("run", manifest, "--root", root, "--until", "400", code=75)
    run("run", manifest, "--root", root, "--until", "500", code=75)
    ids = [one.ref.id for one in list_checkpoints(root)]
    (state,) = root.glob(f"revisions/*/ckpts/{ids[0]}/state.safetensors")
    ended = run_here(Rotten(*ids), "run", manifest, "--root", root)
    assert (ended.code, ended.said.count("Traceback")) == (74, 0)
    assert f"cflow: the volume can't be read (Input/output error: {state}). Check the volume." in ended.said
    ended = run_here(Rotten(ids[0]), "run", manifest, "--root", root)
    assert ended.code == 0
    assert (
        f"warning: checkpoint {ids[0]} is unreadable (the volume can't be read (Input/output error: {state}))"
        in ended.said
    )
    assert "going on from iteration 400" in ended.said
    same_end(root, whole)
