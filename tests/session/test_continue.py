"""A new revision goes on from another one's checkpoint, once, where it can; and back."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from kit.manifests import BOUNDED, DENOISE, write_flow
from kit.pod import Pod


@pytest.mark.parametrize(
    ("template", "weight"),
    [pytest.param(DENOISE, "0.1", id="pd3o"), pytest.param(BOUNDED, "0.01", id="admm", marks=pytest.mark.thorough)],
)
def test_spec_rollback_and_continue(template, weight, tmp_path) -> None:
    """A → B (Continue) → A: B warm-starts from A's state once; A goes on from its own latest checkpoint."""
    pod = Pod(tmp_path, limit=600, template=template)
    manifest = tmp_path / "flow" / "flow.yaml"
    text = manifest.read_text()
    a = pod.edit(manifest)
    assert pod.run(1)[0] == 0
    pod.settings = pod.settings.replace("600", "900")
    manifest.write_text(text.replace(f"weight: {weight}", "weight: 0.3"))
    b = pod.edit(manifest)
    code, report = pod.run(2, "--start", f"{a}/latest", "--start-id", "j1", "--retain", f"{a},{b}")
    assert (code, report.revision) == (0, b)
    assert (report.restored_from.revision, report.restored_from.reason) == (a, "Continue")
    code, report = pod.run(3, "--start", f"{a}/latest", "--start-id", "j1", "--retain", f"{a},{b}")
    assert (code, report.restored_from.reason) == (0, "Resume")
    manifest.write_text(text)
    assert pod.edit(manifest) == a
    code, report = pod.run(4, "--retain", f"{a},{b}")
    assert (code, report.restored_from.revision, report.restored_from.iteration) == (0, a, 600)


def test_an_entry_point_continues_from_its_whole_state(tmp_path, monkeypatch) -> None:
    """Another number in its flow is another revision; the optimiser's memory goes along. Terms can't go on from it."""
    pod = Pod(tmp_path, limit=200)
    terms = pod.edit(tmp_path / "flow" / "flow.yaml")
    example = Path(__file__).parent.parent.parent / "examples" / "training"
    monkeypatch.setenv("PYTHONPATH", str(example))
    shutil.copy(example / "spirals.csv", tmp_path / "flow" / "in" / "spirals.csv")
    manifest = tmp_path / "flow" / "entry.yaml"
    text = (
        "apiVersion: computableflow.dev/v1alpha1\nkind: ComputableFlow\nmetadata: {name: denoise}\nspec:\n  flow:\n"
        "    data: {spirals: {csv: in/spirals.csv}}\n    entrypoint: training:build\n    params: {rate: 0.01}\n"
        "    stop: {maxIterations: 500}\n  inputs: [{name: in, configMapName: data}]\n"
    )
    manifest.write_text(text)
    a = pod.edit(manifest)
    code, first = pod.run(1)
    assert code == 0
    manifest.write_text(text.replace("0.01", "0.005"))
    b = pod.edit(manifest)
    code, report = pod.run(2, "--start", f"{a}/latest", "--start-id", "j1", "--retain", f"{a},{b}")
    assert (code, report.restored_from.reason) == (0, "Continue")
    assert report.result.energy < first.result.energy
    pod.edit(tmp_path / "flow" / "flow.yaml")
    code, report = pod.run(3, "--start", f"{b}/latest", "--start-id", "j2", "--retain", f"{a},{b},{terms}")
    assert (code, report.error.path, report.error.remedy) == (65, "spec.upgrade.mode", "Use Restart.")


def test_continue_leads_to_a_point_of_the_manifold_or_nowhere(tmp_path) -> None:
    pod = Pod(tmp_path, limit=50)
    manifest = tmp_path / "flow" / "flow.yaml"
    text = (
        "apiVersion: computableflow.dev/v1alpha1\nkind: ComputableFlow\nmetadata: {name: denoise}\nspec:\n  flow:\n"
        "    data: {g: {inline: [[1.5, 0], [0, -1]]}, h: {inline: [[1, 0], [0, 1]]}}\n"
        "    variables: {x: {like: g, init: g%s}}\n    terms: [{atom: quadratic, arg: x, data: h}]\n"
        "    stop: {maxIterations: 1}\n"
    )
    manifest.write_text((text % "").replace("data: h", "data: g"))
    a = pod.edit(manifest)
    assert pod.run(1)[0] == 0
    manifest.write_text((text % ", manifold: spd").replace("init: g", "init: h"))
    pod.edit(manifest)
    code, report = pod.run(2, "--start", f"{a}/latest", "--start-id", "j1", "--retain", a)
    assert (code, report.error.path, report.error.remedy) == (65, "spec.upgrade.mode", "Use Restart.")
    assert "manifold" in report.error.message
    manifest.write_text(text % ", manifold: stiefel")
    pod.edit(manifest)
    assert pod.run(3, "--start", f"{a}/latest", "--start-id", "j2", "--retain", a)[0] == 0
    found = np.load(next((pod.volume / "result").glob("x.npy")))
    assert np.abs(found.T @ found - np.eye(2)).max() < 1e-12


def test_continue_with_another_shape_is_incompatible(tmp_path) -> None:
    pod = Pod(tmp_path, limit=200)
    a = pod.edit(tmp_path / "flow" / "flow.yaml")
    assert pod.run(1)[0] == 0
    pod.edit(write_flow(tmp_path / "flow", DENOISE, size=32, limit=200, dtype="float32"))
    code, report = pod.run(2, "--start", f"{a}/latest", "--start-id", "j", "--retain", a)
    assert (code, report.error.reason, report.error.path) == (65, "IncompatibleCheckpoint", "spec.upgrade.mode")
