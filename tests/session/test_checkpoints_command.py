"""`cflow checkpoints`: list, verify, pin, gc, export, as a person would use them."""

import json
import os
import re
import shutil
import subprocess

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import orbax.checkpoint as ocp
import pytest
from safetensors.numpy import load_file

from flowengine.cli.export import export
from flowengine.store import CheckpointStore, Latest, Leaf, Lineage, Owner, SaveMeta
from flowengine.store.reader import Restored
from kit.manifests import write_flow
from kit.runs import CFLOW, here, run, saved, summary

REVISION = "a" * 10
ARRAYS = {
    "state/x": np.linspace(0, 1, 12).reshape(3, 4),
    "state/z": np.asarray([1 + 2j, -1j]),
    "half": np.asarray([0.5, -2], ml_dtypes.bfloat16),
    "k": np.asarray(7, np.int64),
}


@pytest.fixture
def root(tmp_path):
    store = CheckpointStore.open(tmp_path / "flow", Owner(namespace="n", name="f", uid="u"))
    store.claim(REVISION, b"{}", Latest())
    for iteration in (100, 200, 300):
        leaves = {name: Leaf(array + iteration) for name, array in ARRAYS.items()}
        store.save(iteration, leaves, SaveMeta(Lineage(revision=REVISION, attempt=1)))
    store.close()
    return tmp_path / "flow"


def listed(root) -> list[dict]:
    return json.loads(here("checkpoints", "list", root, "--json"))


def test_pinned_ones_outlive_gc_and_a_dry_run_removes_nothing(root) -> None:
    oldest = listed(root)[-1]["ref"]["id"]
    assert "is pinned" in here("checkpoints", "pin", root, oldest)
    assert "good, pinned" in here("checkpoints", "list", root)
    out = here("checkpoints", "gc", root, "--keep", "1", "--dry-run")
    assert out.splitlines()[-1] == "1 checkpoints would go"
    assert len(listed(root)) == 3
    gone = json.loads(here("checkpoints", "gc", root, "--keep", "1", "--json"))["removed"]
    assert [one["id"][:12] for one in gone] == ["000000000200"]
    here("checkpoints", "pin", root, oldest, "--remove")
    here("checkpoints", "gc", root, "--keep", "1")
    assert [one["ref"]["iteration"] for one in listed(root)] == [300]


def test_exports_hold_the_same_numbers(root, tmp_path) -> None:
    first = listed(root)[-1]["ref"]["id"]
    out = here("checkpoints", "export", root, tmp_path / "s.npz", "--checkpoint", first)
    assert "half is bfloat16 in the checkpoint, float32 in npz (every value is exact)" in out
    assert f"s.npz: arrays of {first}" in out
    with np.load(tmp_path / "s.npz", allow_pickle=False) as back:
        assert {name: back[name].tolist() for name in back} == {n: (a + 100).tolist() for n, a in ARRAYS.items()}
    here("checkpoints", "export", root, tmp_path / "s.safetensors")
    back = load_file(tmp_path / "s.safetensors")
    assert np.array_equal(back["state/x"], ARRAYS["state/x"] + 300)
    assert np.array_equal(back["state/z"].view(np.complex128)[:, 0], ARRAYS["state/z"] + 300)
    here("checkpoints", "export", root, tmp_path / "s.orbax")
    with ocp.StandardCheckpointer() as checkpointer:
        tree = checkpointer.restore((tmp_path / "s.orbax").absolute())
    assert np.array_equal(tree["state"]["x"], ARRAYS["state/x"] + 300)
    assert np.array_equal(tree["state"]["z"], ARRAYS["state/z"] + 300)
    assert jnp.asarray(tree["half"]).tolist() == (ARRAYS["half"] + 300).tolist()
    assert int(tree["k"]) == 307


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("export", "{root}", "{tmp}/a.bin"), 64, "the format of .* is unclear. Add --format"),
        (("export", "{root}", "{root}/OWNER", "--format", "npz"), 65, "is there already"),
        (("export", "{root}", "{tmp}/no/where.npz"), 74, "could not be written"),
        (("export", "{root}", "{tmp}/a.npz", "--checkpoint", "../etc"), 65, "there is no checkpoint"),
        (("export", "{tmp}", "{tmp}/a.npz"), 65, "has no good checkpoint yet"),
        (("pin", "{root}", "none"), 65, "there is no checkpoint 'none'"),
        (("gc", "{tmp}"), 65, "holds no flow"),
        (("list", "{tmp}"), 65, "holds no flow"),
    ],
)
def test_mistakes_are_said_in_a_sentence(root, tmp_path, arguments, code, sentence) -> None:
    words = [one.format(root=root, tmp=tmp_path) for one in arguments]
    out = here("checkpoints", *words, code=code)
    assert re.search(sentence, out), out
    assert len(out.splitlines()) == 1


def test_a_damaged_checkpoint_is_not_exported(root, tmp_path) -> None:
    path = root / "revisions" / REVISION / "ckpts" / listed(root)[0]["ref"]["id"] / "state.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    out = here("checkpoints", "export", root, tmp_path / "a.npz", "--checkpoint", path.parent.name, code=65)
    assert "does not have its digest" in out
    assert not (tmp_path / "a.npz").exists()


def test_a_pinned_checkpoint_can_be_gone_back_to(tmp_path) -> None:
    manifest = write_flow(tmp_path / "flow", limit=900)
    root = tmp_path / "root"
    run("run", manifest, "--root", root, "--until", "200", code=75)
    first = listed(root)[0]["ref"]["id"]
    run("checkpoints", "pin", root, first)
    for until in (400, 500, 600, 700):
        run("run", manifest, "--root", root, "--until", str(until), code=75)
    run("run", manifest, "--root", root)
    digest = summary(root)["sha256"]
    assert first in {one["ref"]["id"] for one in listed(root)}
    assert "going on from iteration 200" in run("resume", root, "--from", first)
    assert summary(root)["sha256"] == digest
    assert saved(root) == 900


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_verify_looks_at_every_checkpoint_where_one_can_not_be_read(root) -> None:
    """An EIO of the kernel's own, as a file system with checksums gives it."""
    ids = [one["ref"]["id"] for one in listed(root)]
    path = root / "revisions" / REVISION / "ckpts" / ids[1] / "state.safetensors"
    faulty = ["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=readv", "-e", "inject=readv:error=EIO", "-P", path]

    def run_there(*arguments: object) -> subprocess.CompletedProcess:
        return subprocess.run([*faulty, CFLOW, "checkpoints", *arguments], capture_output=True, text=True, check=False)

    done = run_there("verify", root, "--deep")
    assert (done.returncode, done.stderr) == (65, "")
    assert "2 of 3 checkpoints are intact (every byte)" in done.stdout
    found = json.loads(run_there("verify", root, "--deep", "--json").stdout)
    assert [f"Input/output error: {path}" in one["problem"] for one in found] == [False, True, False]
    assert run_there("export", root, root / "a.npz").returncode == 0  # the newest one is intact


def test_variables_are_exported_by_their_names_whatever_the_method_keeps(tmp_path) -> None:
    manifest, root = write_flow(tmp_path / "flow", limit=100), tmp_path / "root"
    run("run", manifest, "--root", root)
    here("checkpoints", "export", root, tmp_path / "s.npz")
    with np.load(tmp_path / "s.npz", allow_pickle=False) as back:
        assert np.array_equal(back["x"], np.load(root / "result" / "x.npy"))
        assert "k" in back


def test_a_variable_has_its_name_before_what_the_run_keeps(tmp_path) -> None:
    leaves = {name: Leaf(array) for name, array in ARRAYS.items()}
    checkpoint = Restored(None, leaves, None)
    notes = export(checkpoint, ["k"], tmp_path / "s.npz", None)
    assert notes[0] == "k of the run is left out: a variable has its name"
    with np.load(tmp_path / "s.npz") as back:
        assert np.array_equal(back["k"], ARRAYS["state/x"])
