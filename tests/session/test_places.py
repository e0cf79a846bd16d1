"""Where a run's files lie: roots that are no folders, names of any bytes, volumes that fill at any write, copies, pipes."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from flowengine.store import Layout, list_checkpoints
from kit.manifests import write_flow
from kit.mounts import mounted
from kit.runs import CFLOW, kill_when, progress, run, saved, start, summary

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> tuple[Path, dict]:
    """A flow that ends soon, and its digests."""
    folder = tmp_path_factory.mktemp("small")
    manifest = write_flow(folder / "flow", limit=200, size=16)
    run("run", manifest, "--root", folder / "root")
    return manifest, summary(folder / "root")["sha256"]


def refused(code: int, *arguments: object) -> str:
    """One line that says why."""
    out = run(*arguments, code=code)
    assert "Traceback" not in out
    assert "UserWarning" not in out  # of a library, about programs that can't be kept there
    said = [line for line in out.splitlines() if line.startswith("cflow: ") and "warning" not in line]
    assert len(said) == 1, out
    return said[0]


@pytest.mark.usefixtures("own_programs")
@pytest.mark.parametrize("kind", ["long", "file"])
def test_a_root_that_is_no_folder_is_74(tmp_path, small, kind) -> None:
    root = tmp_path / ("x" * 300) if kind == "long" else tmp_path / "file"
    if kind == "file":
        root.write_text("")
    out = refused(74, "run", small[0], "--root", root)
    assert ("File name too long" if kind == "long" else "Not a directory") in out


@needs_root
def test_a_root_that_can_not_be_written_is_74(tmp_path, small) -> None:
    with mounted(tmp_path / "view", "-t", "tmpfs", "-o", "ro", "tmpfs") as volume:
        assert "Read-only file system" in refused(74, "run", small[0], "--root", volume / "root")
        assert "Read-only file system" in refused(74, "run", small[0], "--root", volume)
    with mounted(tmp_path / "full", "-t", "tmpfs", "-o", "size=4k", "tmpfs") as volume:
        (volume / "other").write_bytes(bytes(4096))
        assert "Make room" in refused(74, "run", small[0], "--root", volume)


NAMES = {
    "a newline and λ": "two\nlines λ –".encode(),
    "no UTF-8": b"caf\xe9 \xff",
    "like an option": b"-r --rf",
}


@pytest.mark.parametrize("name", NAMES)
def test_any_bytes_are_a_place(tmp_path, small, name) -> None:
    """Also for the flow itself, in any locale; and `resume` finds both again."""
    place = tmp_path / os.fsdecode(NAMES[name])
    shutil.copytree(small[0].parent, place)
    environment = {**os.environ, "LC_ALL": "C"}
    command = [CFLOW, "run", place / "flow.yaml", "--root", place / "root", "--until", "100"]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 75, done.stderr
    done = subprocess.run([CFLOW, "resume", place / "root"], env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert summary(place / "root")["sha256"] == small[1]


def test_a_link_is_as_good_as_what_it_points_at(tmp_path, small) -> None:
    (tmp_path / "link").symlink_to("there/deep")
    run("run", small[0], "--root", tmp_path / "link", "--until", "100", code=75)
    assert "100" in run("checkpoints", "list", tmp_path / "link")
    assert "going on from iteration 100" in run("run", small[0], "--root", tmp_path / "there" / "deep")
    assert summary(tmp_path / "link")["sha256"] == small[1]


FAULTS = """
import errno, os
from flowengine.store.io import IO
create = IO.create
def full(self, path):
    if os.environ["FULL"] in path.name:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    return create(self, path)
IO.create = full
"""


@pytest.fixture
def full(tmp_path, monkeypatch):
    """Makes the volume full for files whose names contain this."""
    (tmp_path / "stub").mkdir()
    (tmp_path / "stub" / "sitecustomize.py").write_text(FAULTS)

    def set_(name: str) -> None:
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "stub"))
        monkeypatch.setenv("FULL", name)

    return set_


@pytest.mark.parametrize("name", ["x.npy", "summary.json", "SHA256SUMS"])
def test_a_volume_that_fills_at_the_result_is_74_and_the_next_start_makes_it(
    tmp_path, small, full, monkeypatch, name
) -> None:
    manifest, root = small[0], tmp_path / "root"
    full(name)
    out = refused(74, "run", manifest, "--root", root)
    assert "the result could not be written; the last checkpoint was" in out
    assert f"No space left on device: {Layout(root).revisions}" in out
    assert "Make room" in out
    assert saved(root) == 200
    monkeypatch.setenv("FULL", "nothing")
    run("run", manifest, "--root", root)
    assert summary(root)["sha256"] == small[1]
    assert not list(root.rglob(".*.tmp"))


@pytest.mark.parametrize(
    ("name", "said"),
    [("telemetry", "telemetry could not be written (No space"), ("local.json", "`cflow resume` won't find")],
)
def test_what_only_goes_along_is_missed_with_a_warning(tmp_path, small, full, name, said) -> None:
    full(name)
    out = run("run", small[0], "--root", tmp_path / "root")
    assert said in out
    assert "Traceback" not in out
    assert summary(tmp_path / "root")["sha256"] == small[1]


def test_a_copy_that_followed_links_shows_the_result_where_it_is(tmp_path, small) -> None:
    """`cp -rL` makes a real folder of the link `result`: what stands there is the old result, and stays."""
    manifest, root = write_flow(tmp_path / "flow", limit=200, size=16), tmp_path / "copy"
    run("run", manifest, "--root", tmp_path / "root")
    subprocess.run(["cp", "-rL", tmp_path / "root", root], check=True)
    before = (root / "result" / "x.npy").read_bytes()
    manifest.write_text(manifest.read_text().replace("maxIterations: 200", "maxIterations: 300"))
    out = run("run", manifest, "--root", root)
    (folder,) = root.glob("revisions/*/result")
    assert f"  {folder}/x.npy  sha256 " in out
    assert f"{root}/result is not the link that it was" in out
    assert (root / "result" / "x.npy").read_bytes() == before != (folder / "x.npy").read_bytes()
    assert json.loads(run("run", manifest, "--root", root, "--json").splitlines()[-1])["iterations"] == 300


@pytest.mark.usefixtures("own_programs")
@pytest.mark.parametrize("kind", ["pipes", "a file", "a link to nowhere", "folders", "rot"])
def test_whatever_lies_in_the_cache_is_no_obstacle(tmp_path, small, kind) -> None:
    root = tmp_path / "root"
    run("run", small[0], "--root", root, "--until", "100", code=75)
    programs = [one for one in (root / "cache").rglob("*") if one.is_file()]
    assert programs
    for one in programs:
        match kind:
            case "pipes":
                one.unlink()
                os.mkfifo(one)
            case "folders":
                one.unlink()
                one.mkdir()
            case "rot":
                raw = bytearray(one.read_bytes())
                raw[len(raw) // 2] ^= 8
                one.write_bytes(raw)
    if kind in ("a file", "a link to nowhere"):
        shutil.rmtree(root / "cache")
        (root / "cache").symlink_to("nowhere/at/all") if kind != "a file" else (root / "cache").write_text("")
    process = start("run", small[0], "--root", root)
    err = process.communicate(timeout=100)[1]
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert summary(root)["sha256"] == small[1]


def test_a_run_that_is_refused_leaves_what_resume_needs(tmp_path, small) -> None:
    manifest, root = write_flow(tmp_path / "flow", limit=10**9, size=16), tmp_path / "root"
    other = write_flow(tmp_path / "other", limit=100, size=16)
    other.write_text(other.read_text().replace("weight: 0.1", "weight: 0.7"))
    process = start("run", manifest, "--root", root)

    def running() -> bool:
        if progress(root) < 100:
            return False
        assert "another process runs" in run("run", other, "--root", root, code=77)
        return True

    kill_when(process, running, signal.SIGTERM)
    other.write_text(other.read_text().replace("name: denoise", "name: different"))
    assert "belongs to the flow" in run("run", other, "--root", root, code=65)
    reached = saved(root)
    manifest.write_text("gone")
    resumed = start("resume", root)
    out = kill_when(resumed, lambda: saved(root) > reached, signal.SIGTERM)
    assert f"going on from iteration {reached}" in out


@pytest.mark.parametrize("lost", ["local.json", "revisions/*/local.json", "revisions/*/revision.json"])
@pytest.mark.parametrize("how", ["empty", "flipped", "gone"])
def test_what_resume_needs_is_there_twice(tmp_path, small, lost, how) -> None:
    root = tmp_path / "root"
    shutil.copytree(small[0].parent.parent / "root", root, symlinks=True)
    (path,) = root.glob(lost)
    match how:
        case "empty":
            path.write_bytes(b"")
        case "flipped":
            path.write_bytes(path.read_bytes().replace(b"200", b"900"))
        case "gone":
            path.unlink()
    assert "IterationLimit at iteration 200" in run("resume", root)


def test_without_any_of_it_the_remedy_is_named(tmp_path, small) -> None:
    root = tmp_path / "root"
    shutil.copytree(small[0].parent.parent / "root", root, symlinks=True)
    for path in root.rglob("local.json"):
        path.write_bytes(b"")
    assert "run `cflow run FILE --root` again" in refused(65, "resume", root)
    assert "IterationLimit at iteration 200" in run("run", small[0], "--root", root)
    assert "IterationLimit at iteration 200" in run("resume", root)


def back(out: str) -> list[str]:
    """What a fresh start says goes back."""
    return next(line for line in out.splitlines() if "cflow resume" in line).split()[1:]


def test_fresh_by_mistake_can_be_undone(tmp_path) -> None:
    """Also when the fresh run has saved, until the next one that is asked for."""
    manifest, root = write_flow(tmp_path / "flow", limit=500, size=16), tmp_path / "root"
    run("run", manifest, "--root", root, "--until", "300", code=75)
    out = run("run", manifest, "--root", root, "--fresh", "--until", "50", code=75)
    assert "--fresh leaves " in out
    assert "the newest at iteration 300" in out
    assert saved(root) == 300
    assert "going on from iteration 300" in run(*back(out))
    again = run("run", manifest, "--root", root, "--fresh", "--until", "50", code=75)
    assert "the newest at iteration 500" in again
    assert "there is no checkpoint" in run(*back(out), code=65)
    assert "going on from iteration 500" in run(*back(again))


def test_fresh_by_mistake_can_be_undone_before_it_has_saved(tmp_path) -> None:
    manifest, root = write_flow(tmp_path / "flow", limit=500, size=16), tmp_path / "root"
    run("run", manifest, "--root", root, "--until", "300", code=75)
    process = start("run", manifest, "--root", root, "--fresh")
    out = kill_when(process, lambda: len(list((root / "fence").glob("*.base"))) > 1)  # it has claimed, and not saved
    assert "going on from iteration 300" in run(*back(out))


@pytest.mark.parametrize(("answer", "code"), [("n", 75), ("", 75), ("y", 0), ("--yes", 0)])
def test_on_a_terminal_fresh_asks(tmp_path, small, answer, code) -> None:
    import pty

    root = tmp_path / "root"
    shutil.copytree(small[0].parent.parent / "root", root, symlinks=True)
    newest = saved(root)
    ours, theirs = pty.openpty()
    more = [answer] if answer.startswith("-") else []
    command = [CFLOW, "run", small[0], "--root", root, "--fresh", "--until", "150", "--quiet", *more]
    process = subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, start_new_session=True)
    os.close(theirs)
    said = b""
    while not more and b"[y/N]" not in said:
        said += os.read(ours, 1000)
    os.write(ours, f"{answer}\n".encode())
    process.communicate(timeout=60)
    os.close(ours)
    visible = [one.ref.iteration for one in list_checkpoints(root) if one.visible]
    assert (process.returncode, visible[0]) == (75, newest if code else 150)
