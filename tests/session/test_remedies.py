"""What to do about an error fits the place: commands on a laptop, keys of the resource on a cluster."""

import shutil
import signal

import pytest

from kit.manifests import write_flow
from kit.pod import Pod
from kit.runs import kill_when, progress, run, saved, start


def damage(root) -> None:
    for path in root.glob("revisions/*/ckpts/*/state.safetensors"):
        raw = bytearray(path.read_bytes())
        raw[-3] ^= 4
        path.write_bytes(raw)


def test_beginning_anew_is_an_option_on_a_laptop_and_an_edit_on_a_cluster(tmp_path) -> None:
    pod = Pod(tmp_path, limit=200)
    assert pod.run(1)[0] == 0
    damage(pod.volume)
    code, report = pod.run(2)
    assert (code, report.error.reason) == (65, "CheckpointsCorrupt")
    assert "upgrade.mode Restart" in report.error.remedy
    assert "--fresh" not in report.error.remedy

    manifest, root = tmp_path / "flow" / "flow.yaml", tmp_path / "root"
    run("run", manifest, "--root", root)
    damage(root)
    out = run("run", manifest, "--root", root, code=65)
    assert "--fresh" in out
    assert "upgrade" not in out


@pytest.mark.parametrize("what", ["moved", "fence removed"])
def test_a_run_whose_folder_is_taken_away_says_so_and_speaks_of_no_newer_attempt(tmp_path, what) -> None:
    manifest, root, other = write_flow(tmp_path / "flow", limit=10**9), tmp_path / "root", tmp_path / "other"
    process = start("run", manifest, "--root", root)

    def taken_away() -> bool:
        if progress(root) < 300 or not saved(root):
            return False
        root.rename(other) if what == "moved" else shutil.rmtree(root / "fence")
        return True

    out = kill_when(process, taken_away, signal.SIGCONT)
    assert process.returncode == 77, out
    assert f"is gone from {root}" in out
    assert "newer attempt" not in out
    assert "Traceback" not in out
    if what == "moved":
        assert saved(other) > 0
        assert "going on from iteration" in run(
            "run", manifest, "--root", other, "--until", str(saved(other) + 1), code=75
        )
