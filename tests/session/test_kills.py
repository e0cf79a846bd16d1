"""The second promise, through the real command: killed any number of times, the same bits."""

import random
import shutil
import subprocess

import pytest

from flowengine import capsule
from kit.manifests import EVERY_METHOD, write_flow
from kit.runs import CFLOW, kill_when, progress, run, same_end, saved, start, summary

thorough = pytest.mark.thorough
IN_SHORT = {"pd3o float64", "admm float32", "mala float32"}  # one by stencils, by Fourier transforms, by random numbers
EVERY_PATH = [
    pytest.param(method, dtype, marks=() if f"{method} {dtype}" in IN_SHORT else thorough)
    for method in EVERY_METHOD
    for dtype in ("float32", "float64")
]


@pytest.mark.parametrize(("method", "dtype"), EVERY_PATH)
def test_a_flow_killed_again_and_again_ends_with_the_same_bits(tmp_path, method, dtype) -> None:
    """Kills strictly between checkpoints lose iterations; none changes a bit of the results or of the final state."""
    template, limit = EVERY_METHOD[method]
    every = limit // 5
    manifest = write_flow(tmp_path / "flow", template, dtype=dtype, limit=limit, every=every)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run("run", manifest, "--root", whole, "--quiet")
    rng = random.Random(f"{method} {dtype}")
    lost = 0
    for _ in range(2):
        base, beyond = saved(cut), rng.randrange(every // 60, every // 4)
        process = start("run", manifest, "--root", cut, "--json")
        # past a checkpoint of its own and strictly before the next one
        kill_when(process, lambda base=base, beyond=beyond: progress(cut) > saved(cut) + beyond > base + beyond)
        lost += progress(cut) > saved(cut)
    assert lost > 0
    run("run", manifest, "--root", cut, "--quiet")
    same_end(cut, whole)
    assert summary(cut)["bitIdentical"] is True
    events = capsule.read((cut / "result").resolve().parent / "telemetry", "events")
    resumed = [event for event in events if event["event"] == "FLOW_RESUMED"]
    assert resumed
    assert any(event["lost"] > 0 for event in resumed)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize(
    "kills",
    [
        {"mkdir": (5,), "fsync": (6,), "rename": (9,)},
        pytest.param({"fsync": (2, 6, 9)}, marks=thorough),
        pytest.param({"rename": (3, 9)}, marks=thorough),
        pytest.param({"mkdir": (5, 9)}, marks=thorough),
    ],
    ids=" ".join,
)
def test_killed_by_the_kernel_at_a_system_call_of_the_engine(tmp_path, kills) -> None:
    """The numbers count in each thread by itself: the first ones are the claim's, later ones those of saves."""
    manifest = write_flow(tmp_path / "flow", limit=9_000, every=200)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run("run", manifest, "--root", whole, "--quiet")
    for call, number in ((call, number) for call, numbers in kills.items() for number in numbers):
        trace = ["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"]
        flow = [CFLOW, "run", manifest, "--root", cut, "--quiet"]
        done = subprocess.run(
            ["strace", "-f", "-qq", "-o", tmp_path / "log", *trace, *flow],
            check=False,
            capture_output=True,
            timeout=200,
        )
        assert done.returncode in {-9, 137}, (call, number)
    run("run", manifest, "--root", cut, "--quiet")
    same_end(cut, whole)
