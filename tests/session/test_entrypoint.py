"""The example with an entry point: a network trained by Optax, killed and resumed, ends with the same bits."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from kit.runs import here, kill_when, progress, run, same_end, saved, start, summary

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "training"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The example in a folder of its own, longer and with checkpoints."""
    copy = tmp_path / "training"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    text = (copy / "training.yaml").read_text().split("flow:\n")[1].replace("4000, residual: 2.0e-4", "40000")
    text = text.replace("spirals.csv", "in/spirals.csv").replace("  name: training\n", "")
    (copy / "in").mkdir()
    (copy / "spirals.csv").rename(copy / "in" / "spirals.csv")
    (copy / "flow.yaml").write_text(
        "apiVersion: computableflow.dev/v1alpha1\nkind: ComputableFlow\nmetadata: {name: training}\nspec:\n  flow:\n"
        + "".join(f"  {line}\n" for line in text.splitlines())
        + "  inputs: [{name: in, configMapName: data}]\n  checkpoint: {everyIterations: 4000, everySeconds: 0}\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(copy))
    return copy


def test_training_killed_again_and_again_ends_with_the_same_bits(folder, tmp_path) -> None:
    manifest, whole, cut = folder / "flow.yaml", tmp_path / "whole", tmp_path / "cut"
    run("run", manifest, "--root", whole, "--quiet")
    for _ in range(2):
        base = saved(cut)
        process = start("run", manifest, "--root", cut, "--json")
        kill_when(process, lambda base=base: progress(cut) > saved(cut) + 300 > base + 300)
    run("run", manifest, "--root", cut, "--quiet")
    same_end(cut, whole)
    assert summary(cut)["certificate"] == "GREEN"
    assert summary(cut)["guarantee"] == "local"
    table = np.loadtxt(folder / "in" / "spirals.csv", delimiter=",")
    hidden, output = (np.load(cut / "result" / f"{name}.npy") for name in ("hidden", "output"))
    scores = np.tanh(np.c_[table[:, :2], np.ones(len(table))] @ hidden) @ output
    assert (np.sign(scores) == table[:, 2]).all()


def test_another_module_does_not_go_on_from_the_old_ones_checkpoint(folder, tmp_path) -> None:
    manifest, root = folder / "flow.yaml", tmp_path / "root"
    run("run", manifest, "--root", root, "--until", "4000", code=75)
    module = folder / "training.py"
    module.write_text(module.read_text().replace("1e-4 *", "1e-3 *"))
    assert "--fresh" in run("run", manifest, "--root", root, code=65)
    assert "starting" in run("run", manifest, "--root", root, "--fresh", "--until", "4000", code=75)


def test_without_the_module_the_remedy_is_named(folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.fspath(tmp_path / "nowhere"))
    out = here("lint", folder / "flow.yaml", code=64)
    assert "spec.flow.entrypoint" in out
    assert "PYTHONPATH" in out
    assert "Traceback" not in out


FAILS = """
import jax
import jax.numpy as jnp
import numpy as np

def bad(k):
    if k > 250:
        raise ValueError("out of reach")
    return k

class Steps:
    def init(self, key):
        return {"w": jnp.zeros(3), "k": jnp.zeros((), jnp.int32)}
    def step(self, state):
        k = jax.pure_callback(bad, jax.ShapeDtypeStruct((), np.int32), state["k"])
        return {"w": state["w"] + 1, "k": k + 1}
    def residual(self, state):
        return jnp.ones(())
    def point(self, state):
        return {"w": state["w"]}

def build(data, params):
    return Steps()
"""


def test_what_xla_fails_at_is_one_sentence_with_a_code(tmp_path, monkeypatch) -> None:
    (tmp_path / "fails.py").write_text(FAILS)
    (tmp_path / "flow.yaml").write_text("flow: {name: f, entrypoint: 'fails:build', stop: {maxIterations: 1000}}")
    monkeypatch.setenv("PYTHONPATH", os.fspath(tmp_path))
    out = run("run", tmp_path / "flow.yaml", "--root", tmp_path / "root", "--quiet", code=70)
    said = [line for line in out.splitlines() if line.startswith("cflow: ")]
    assert len(said) == 1
    assert "XLA can't compile or run this flow" in said[0]
    assert "Please report it, with the manifest." in said[0]
    assert "ValueError: out of reach" in said[0]
    assert "engine/flowengine/cli" not in out  # no traceback of the engine's


def test_a_stop_that_can_not_hold_is_said(tmp_path, monkeypatch) -> None:
    (tmp_path / "fails.py").write_text(FAILS)
    stop = "{maxIterations: 100, relativeChange: 1.0e-6}"
    (tmp_path / "flow.yaml").write_text(f"flow: {{name: f, entrypoint: 'fails:build', stop: {stop}}}")
    monkeypatch.setenv("PYTHONPATH", os.fspath(tmp_path))
    run("run", tmp_path / "flow.yaml", "--root", tmp_path / "root", "--quiet")
    (said,) = summary(tmp_path / "root")["warnings"]
    assert said.startswith("ended by its limit, for flow.stop.relativeChange can't hold: the energy is infinite")
    assert "`residual`" in said
