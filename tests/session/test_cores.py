"""The same bits on one core and on two; each run compiles for itself."""

import os
import subprocess

import numpy as np
import pytest

from kit.manifests import DEBLUR, EVERY_METHOD, EXACT, write_flow
from kit.runs import CFLOW, final_state, summary


def bits_on_cores(manifest, folder, counts) -> set:
    """The different results and final states of fresh runs, each on so many cores, and compiled on as many."""
    cores, found = sorted(os.sched_getaffinity(0)), set()
    for number, count in enumerate(counts):
        root, taken = folder / str(number), ",".join(map(str, cores[:count]))
        subprocess.run(["taskset", "-c", taken, CFLOW, "run", manifest, "--root", root, "--quiet"], check=True)
        found.add((*sorted(summary(root)["sha256"].items()), *sorted(final_state(root).items())))
    return found


thorough = pytest.mark.thorough
two_cores = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core")


@two_cores
@thorough
@pytest.mark.parametrize("template", [EXACT, DEBLUR], ids=["admm", "pd3o"])
def test_fourier_transforms_give_the_same_bits_again_and_again(tmp_path, template, own_programs) -> None:
    manifest = write_flow(tmp_path / "flow", template, dtype="float32", limit=200, size=512)
    assert len(bits_on_cores(manifest, tmp_path, [1, 2] * 10)) == 1


@two_cores
@pytest.mark.parametrize("method", [pytest.param(one, marks=() if one == "admm" else thorough) for one in EVERY_METHOD])
def test_every_method_gives_the_same_bits_on_one_core_and_on_two(tmp_path, method, own_programs) -> None:
    """With arrays so large that XLA divides its loops between cores: then other entries end up in vectors."""
    template = EVERY_METHOD[method][0].replace("[64", "[512")
    manifest = write_flow(tmp_path / "flow", template, dtype="float32", limit=110, size=512)
    assert len(bits_on_cores(manifest, tmp_path, [1, 2])) == 1


@two_cores
@pytest.mark.parametrize(
    ("shape", "term"),
    [
        pytest.param((300, 1000), "{atom: affine, arg: x, matrix: A, data: b}", id="pseudo-inverse"),
        pytest.param((200, 200), "{atom: semidefinite, arg: x}", id="eigenvalues", marks=thorough),
    ],
)
def test_linear_algebra_gives_the_same_bits_on_one_core_and_on_two(tmp_path, shape, term, own_programs) -> None:
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
