"""The second promise, through the real command: killed any number of times, the same bits."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess

import numpy as np
import pytest
from flows import (
    CFLOW,
    DEBLUR,
    EVERY_METHOD,
    EXACT,
    final_state,
    kill_when,
    progress,
    run,
    saved,
    start,
    summary,
    wait_until,
    write_flow,
)

from flowengine import capsule
from flowengine.store import list_checkpoints
from kit.mounts import mounted


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", EVERY_METHOD)
def test_every_method_killed_again_and_again_ends_with_the_same_bits(tmp_path, method, dtype) -> None:
    """Kills strictly between checkpoints lose iterations; none changes a bit of the results or of the final state."""
    template, limit = EVERY_METHOD[method]
    every = limit // 10
    manifest = write_flow(tmp_path / "flow", template, dtype=dtype, limit=limit, every=every)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run("run", manifest, "--root", whole, "--quiet")
    rng = random.Random(f"{method} {dtype}")
    lost = 0
    for _ in range(2):
        base, beyond = saved(cut), rng.randrange(every // 60, every // 2)
        process = start("run", manifest, "--root", cut, "--json")
        # past a checkpoint of its own and strictly before the next one
        kill_when(process, lambda base=base, beyond=beyond: progress(cut) > saved(cut) + beyond > base + beyond)
        lost += progress(cut) > saved(cut)
    assert lost > 0
    run("run", manifest, "--root", cut, "--quiet")
    assert summary(cut)["sha256"] == summary(whole)["sha256"]
    assert final_state(cut) == final_state(whole)
    assert summary(cut)["bitIdentical"] is True
    events = capsule.read((cut / "result").resolve().parent / "telemetry", "events")
    resumed = [event for event in events if event["event"] == "FLOW_RESUMED"]
    assert resumed
    assert any(int(event["detail"].split(", ")[1].split()[0]) > 0 for event in resumed)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize(("call", "numbers"), [("fsync", (2, 6, 9)), ("rename", (3, 9)), ("mkdir", (5, 9))])
def test_killed_by_the_kernel_at_a_system_call_of_the_engine(tmp_path, call, numbers) -> None:
    """The numbers count in each thread by itself: the first ones are the claim's, later ones those of saves."""
    manifest = write_flow(tmp_path / "flow", limit=3_000, every=200, size=32)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run("run", manifest, "--root", whole, "--quiet")
    killed = 0
    for number in numbers:
        inject = ["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"]
        command = [
            "strace",
            "-f",
            "-qq",
            "-o",
            tmp_path / "log",
            *inject,
            CFLOW,
            "run",
            manifest,
            "--root",
            cut,
            "--quiet",
        ]
        killed += subprocess.run(command, check=False, capture_output=True, timeout=200).returncode in {-9, 137}
    assert killed == len(numbers)
    run("run", manifest, "--root", cut, "--quiet")
    assert summary(cut)["sha256"] == summary(whole)["sha256"]
    assert final_state(cut) == final_state(whole)


def bits_on_cores(manifest, folder, counts) -> set:
    """The different results and final states of fresh runs, each on so many cores."""
    cores, found = sorted(os.sched_getaffinity(0)), set()
    for number, count in enumerate(counts):
        root, taken = folder / str(number), ",".join(map(str, cores[:count]))
        subprocess.run(["taskset", "-c", taken, CFLOW, "run", manifest, "--root", root, "--quiet"], check=True)
        found.add((*sorted(summary(root)["sha256"].items()), *sorted(final_state(root).items())))
    return found


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core")
@pytest.mark.parametrize("template", [EXACT, DEBLUR], ids=["admm", "pd3o"])
def test_fourier_transforms_give_the_same_bits_again_and_again_on_one_core_and_on_two(tmp_path, template) -> None:
    manifest = write_flow(tmp_path / "flow", template, dtype="float32", limit=200, size=512)
    assert len(bits_on_cores(manifest, tmp_path, [1, 2] * 10)) == 1


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core")
@pytest.mark.parametrize("method", EVERY_METHOD)
def test_every_method_gives_the_same_bits_on_one_core_and_on_two(tmp_path, method) -> None:
    """With arrays so large that XLA divides its loops between cores: then other entries end up in vectors."""
    template = EVERY_METHOD[method][0].replace("[64", "[512")
    manifest = write_flow(tmp_path / "flow", template, dtype="float32", limit=110, size=512)
    assert len(bits_on_cores(manifest, tmp_path, [1, 2])) == 1


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core")
@pytest.mark.parametrize(
    ("shape", "term"),
    [((300, 1000), "{atom: affine, arg: x, matrix: A, data: b}"), ((200, 200), "{atom: semidefinite, arg: x}")],
    ids=["pseudo-inverse", "eigenvalues"],
)
def test_linear_algebra_gives_the_same_bits_on_one_core_and_on_two(tmp_path, shape, term) -> None:
    """LAPACK's own threads: of the set-up on the host, and of what the loop calls."""
    rng, folder = np.random.default_rng(7), tmp_path / "flow"
    folder.mkdir()
    matrix = rng.standard_normal(shape)
    target = rng.standard_normal(1000) if "affine" in term else matrix
    for name, array in (("A", matrix), ("b", rng.standard_normal(shape[0])), ("c", target)):
        np.save(folder / f"{name}.npy", array)
    used = "A: {npy: A.npy}, b: {npy: b.npy}, " if "affine" in term else ""
    manifest = folder / "flow.yaml"
    manifest.write_text(
        f"flow: {{data: {{{used}c: {{npy: c.npy}}}}, variables: {{x: {{like: c, init: 0}}}}, terms: "
        f"[{{atom: quadratic, arg: x, data: c}}, {{atom: l1, arg: x, weight: 0.1}}, {term}], stop: {{maxIterations: 40}}}}"
    )
    assert len(bits_on_cores(manifest, tmp_path, [1, 2])) == 1


def test_sigterm_loses_nothing_and_exits_75(tmp_path) -> None:
    manifest = write_flow(tmp_path / "flow", limit=40_000, every=100_000)
    root = tmp_path / "root"
    process = start("run", manifest, "--root", root)
    out = kill_when(process, lambda: progress(root) > 1_000, signal.SIGTERM)
    assert process.returncode == 75
    assert "the same command goes on" in out
    stopped = saved(root)
    assert stopped > 1_000
    assert json.loads((root / "fence" / "0000000001.progress").read_bytes())["lastIteration"] == stopped
    out = run("run", manifest, "--root", root)
    assert f"going on from iteration {stopped}" in out
    assert "lost" not in out
    whole = tmp_path / "whole"
    run("run", manifest, "--root", whole, "--quiet")
    assert summary(root)["sha256"] == summary(whole)["sha256"]
    assert final_state(root) == final_state(whole)


def test_until_pauses_and_more_iterations_continue(tmp_path) -> None:
    manifest = write_flow(tmp_path / "flow", limit=400)
    root, whole = tmp_path / "root", tmp_path / "whole"
    run("run", manifest, "--root", root, "--until", "130", code=75)
    assert saved(root) == 130
    run("run", manifest, "--root", root)
    assert summary(root)["iterations"] == 400
    longer = write_flow(tmp_path / "flow", limit=900)
    run("run", longer, "--root", root)
    run("run", longer, "--root", whole)
    assert summary(root)["iterations"] == 900
    assert summary(root)["sha256"] == summary(whole)["sha256"]
    assert final_state(root) == final_state(whole)


def test_a_finished_flow_reprints_its_result_and_computes_nothing(tmp_path) -> None:
    manifest = write_flow(tmp_path / "flow", limit=200)
    root = tmp_path / "root"
    first = run("run", manifest, "--root", root)
    before = final_state(root), summary(root)
    again = run("run", manifest, "--root", root)
    assert first.splitlines()[-1] == again.splitlines()[-1]
    assert (final_state(root), summary(root)) == before


def test_edit_and_revert_resume_the_first_revision_where_it_was(tmp_path) -> None:
    """A → B → A on a laptop: the revert goes on from A's own checkpoint, and ends with A's bits."""
    folder = tmp_path / "flow"
    manifest = write_flow(folder, limit=900)
    original = manifest.read_text()
    root, whole = tmp_path / "root", tmp_path / "whole"
    run("run", manifest, "--root", whole)
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
    ids = [line.split()[1] for line in run("checkpoints", "list", root).splitlines() if "000000000300-" in line]
    out = run("resume", root, "--from", ids[-1])
    assert f"going on from iteration {int(ids[-1].split('-')[0])}" in out
    assert summary(root)["sha256"] == digest
    assert "starting" in run("run", manifest, "--root", root, "--fresh")
    assert summary(root)["sha256"] == digest


def test_a_corrupt_newest_checkpoint_is_passed_over_and_said(tmp_path) -> None:
    manifest = write_flow(tmp_path / "flow", limit=900)
    root = tmp_path / "root"
    run("run", manifest, "--root", root, "--until", "400", code=75)
    run("run", manifest, "--root", root, "--until", "500", code=75)
    newest = max((root / "revisions").glob("*/ckpts/*/state.safetensors"))
    raw = bytearray(newest.read_bytes())
    raw[-3] ^= 4
    newest.write_bytes(raw)
    run("checkpoints", "verify", root)
    assert "damaged" in run("checkpoints", "verify", root, "--deep", code=65)
    out = run("run", manifest, "--root", root)
    assert "is corrupt" in out
    assert "going on from iteration 400" in out
    run("run", manifest, "--root", tmp_path / "whole")
    assert summary(root)["sha256"] == summary(tmp_path / "whole")["sha256"]


@pytest.mark.parametrize("before", [300, 0])
def test_a_wall_time_stops_and_says_that_bits_depend_on_it(tmp_path, before) -> None:
    """With certificates behind it, and before its first one."""
    manifest = write_flow(tmp_path / "flow", limit=10_000_000)
    root = tmp_path / "root"
    if before:
        run("run", manifest, "--root", root, "--until", before, code=75)
    manifest.write_text(manifest.read_text().replace("maxIterations: 10000000", "wallTime: 0.001"))
    run("run", manifest, "--root", root)
    ended = summary(root)
    assert (ended["reason"], ended["bitIdentical"], ended["iterations"]) == ("TimeLimit", False, before)
    assert (ended["energy"] is None) == (before == 0)


def test_a_full_disk_is_said_and_the_run_goes_on_to_its_end(tmp_path) -> None:
    """No file may grow beyond 64 KiB: no checkpoint can be written. Periodic ones are warnings, the last one is 74."""
    manifest = write_flow(tmp_path / "flow", limit=2_000)
    root = tmp_path / "root"
    small = ["bash", "-c", f"ulimit -f 64; exec {CFLOW} run {manifest} --root {root}"]
    done = subprocess.run(small, capture_output=True, text=True, check=False)
    assert done.returncode == 74, done.stdout + done.stderr
    assert "WriteFailed" in done.stderr
    assert "the checkpoint at iteration 2000 could not be written" in done.stderr
    assert saved(root) == 0
    assert not list((root / "revisions").glob("*/ckpts/*"))
    run("run", manifest, "--root", root)
    assert summary(root)["iterations"] == 2_000


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_saving_resumes_when_there_is_room_again(tmp_path) -> None:
    """A real full volume: the run goes on without saving, says so, and saves as soon as it can."""
    manifest = write_flow(tmp_path / "flow", limit=10**9, every=500)
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=8m", "tmpfs") as volume:
        root = volume / "root"
        process = start("run", manifest, "--root", root)
        wait_until(process, lambda: saved(root) > 0)
        filler = volume / "somebody else's"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        said = next(line for line in process.stderr if "WriteFailed" in line)
        assert "Make room on the volume" in said
        stuck = saved(root)
        assert [one.problem for one in list_checkpoints(root, deep=True)] == [
            ""
        ]  # of the old ones only the newest stays
        filler.unlink()
        wait_until(process, lambda: saved(root) > stuck)
        out = kill_when(process, lambda: True, signal.SIGTERM)
        assert process.returncode == 75, out
        assert "going on from iteration" in run("run", manifest, "--root", root, "--until", str(saved(root)), code=75)
