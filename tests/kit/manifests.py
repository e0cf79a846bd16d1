"""Small flows, one or more for every method, and how they are written as a manifest with data."""

from pathlib import Path

import numpy as np

DENOISE = """
flow:
  name: denoise
  dtype: {dtype}
  data: {{b: {{npy: b.npy}}}}
  variables: {{x: {{like: b, init: b}}}}
  operators: {{D: {{gradient: {{}}}}}}
  terms:
  - {{atom: quadratic, arg: x, data: b}}
  - {{atom: norm_l21, arg: D x, weight: 0.1}}
  stop: {{maxIterations: {limit}}}
"""
DEBLUR = """
flow:
  name: deblur
  dtype: {dtype}
  data: {{b: {{npy: b.npy}}, k: {{inline: [[0.1, 0.1, 0.1], [0.1, 0.2, 0.1], [0.1, 0.1, 0.1]]}}}}
  variables: {{x: {{like: b, init: b}}}}
  operators: {{K: {{conv: {{kernel: k}}}}, D: {{gradient: {{boundary: periodic}}}}}}
  terms:
  - {{atom: quadratic, arg: K x, data: b}}
  - {{atom: norm_l21, arg: D x, weight: 0.01}}
  - {{atom: box, arg: x, lo: 0, hi: 1}}
  stop: {{maxIterations: {limit}}}
"""
BOUNDED = DEBLUR.replace("  stop:", "  policy: {{family: accelerated}}\n  stop:")
SPARSE = """
flow:
  name: sparse
  dtype: {dtype}
  data: {{b: {{npy: b.npy}}, k: {{inline: [[0.1, 0.1, 0.1], [0.1, 0.2, 0.1], [0.1, 0.1, 0.1]]}}}}
  variables: {{x: {{like: b}}}}
  operators: {{K: {{conv: {{kernel: k}}}}}}
  terms:
  - {{atom: huber, arg: K x, data: b, delta: 0.2}}
  - {{atom: l1, arg: x, weight: 0.001}}
  policy: {{family: accelerated, step: backtracking}}
  stop: {{maxIterations: {limit}}}
"""
EXACT = """
flow:
  name: exact
  dtype: {dtype}
  data: {{b: {{npy: b.npy}}, k: {{inline: [[0.1, 0.1, 0.1], [0.1, 0.2, 0.1], [0.1, 0.1, 0.1]]}}}}
  variables: {{x: {{like: b, init: b}}}}
  operators: {{K: {{conv: {{kernel: k}}}}}}
  terms:
  - {{atom: quadratic, arg: K x, data: b}}
  - {{atom: tv, arg: x, weight: 0.01, boundary: periodic}}
  policy: {{algorithm: admm}}
  stop: {{maxIterations: {limit}}}
"""
SAMPLE = """
flow:
  name: sample
  seed: 3
  dtype: {dtype}
  data: {{b: {{npy: b.npy}}}}
  variables: {{x: {{like: b, init: b, chains: 2}}}}
  terms:
  - {{atom: huber, arg: x, data: b, weight: 4, delta: 0.2}}
  - {{atom: gradient, arg: x, weight: 2}}
  policy: {{family: langevin, metropolis: true}}
  outputs: [{{mean: x, burn: 50}}, {{var: x, burn: 50}}, {{quantiles: x, keep: 20, thin: 5}}]
  stop: {{maxIterations: {limit}}}
"""

FACTORS = """
flow:
  name: factors
  dtype: {dtype}
  data: {{b: {{npy: b.npy}}}}
  variables: {{u: {{shape: [64, 3], init: 0.5, spread: 0.1}}, v: {{shape: [64, 3], init: 0.5, spread: 0.1}}}}
  terms:
  - {{atom: low_rank, arg: u, with: v, data: b}}
  - {{atom: nonnegative, arg: u}}
  - {{atom: l1, arg: v, weight: 0.01}}
  stop: {{maxIterations: {limit}}}
"""
CURVED = """
flow:
  name: curved
  dtype: {dtype}
  data: {{b: {{npy: b.npy}}}}
  variables: {{u: {{shape: [64, 3], manifold: stiefel, spread: 1}}, v: {{shape: [64, 3], spread: 1}}}}
  terms:
  - {{atom: low_rank, arg: u, with: v, data: b}}
  stop: {{maxIterations: {limit}}}
"""
PROGRAM = """
flow:
  name: program
  dtype: {dtype}
  data: {{b: {{npy: b.npy}}}}
  variables: {{x: {{shape: [64]}}}}
  operators: {{A: {{matrix: b}}}}
  terms:
  - {{atom: l1, arg: x}}
  - {{atom: box, arg: A x, lo: 1, hi: 2}}
  stop: {{maxIterations: {limit}}}
"""
SPLIT_PROGRAM = PROGRAM.replace("name: program", "name: split-program\n  policy: {{algorithm: pd3o}}")
COSINES = DENOISE.replace("name: denoise", "name: cosines\n  policy: {{algorithm: admm}}")
QUADRATIC = PROGRAM.replace("atom: l1", "atom: tikhonov").replace("name: program", "name: quadratic")
PLAIN = SPARSE.replace("family: accelerated, step: backtracking", "algorithm: pg").replace(
    "name: sparse", "name: plain"
)
MOMENTUM = PLAIN.replace("algorithm: pg", "algorithm: fista").replace("name: plain", "name: momentum")
SMOOTHED = SAMPLE.replace("family: langevin, metropolis: true", "algorithm: myula").replace(
    "{{atom: gradient, arg: x, weight: 2}}", "{{atom: tv, arg: x, weight: 2}}"
)


def sampler(policy: str) -> str:
    return SAMPLE.replace("family: langevin, metropolis: true", policy)


EVERY_METHOD = {
    "pg": (PLAIN, 40_000), "fista": (MOMENTUM, 40_000), "pd3o": (DENOISE, 60_000), "pd3o with f": (DEBLUR, 40_000),
    "fista, searched": (SPARSE, 40_000), "admm": (EXACT, 20_000),
    "admm by eigenvectors": (QUADRATIC, 150_000), "admm anchored": (PROGRAM, 150_000), "pd3o anchored": (SPLIT_PROGRAM, 150_000),
    "admm by cosines": (COSINES, 20_000), "palm": (FACTORS, 30_000),
    "rgd": (CURVED, 20_000),
    "ula": (sampler("algorithm: ula"), 20_000), "mala": (SAMPLE, 5_000), "myula": (SMOOTHED, 6_000),
    "leapfrog": (sampler("algorithm: leapfrog"), 20_000), "hmc": (sampler("algorithm: hmc, trajectory: 4"), 6_000),
}  # fmt: skip


def write_flow(
    folder: Path,
    template: str = DENOISE,
    *,
    dtype: str = "float64",
    limit: int = 3000,
    size: int = 64,
    every: int = 100,
    seconds: float = 0,
) -> Path:
    """A ComputableFlow manifest with its data in a folder."""
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "in").mkdir(exist_ok=True)
    np.save(folder / "in" / "b.npy", np.random.default_rng(5).random((size, size)).astype(dtype))
    flow = template.format(dtype=dtype, limit=limit).replace("b.npy", "in/b.npy").strip().replace("\n", "\n  ")
    name = flow.split("name: ")[1].split("\n")[0]
    body = flow.replace(f"    name: {name}\n", "")
    text = (
        f"apiVersion: computableflow.dev/v1alpha1\nkind: ComputableFlow\nmetadata: {{name: {name}}}\nspec:\n  {body}\n"
        f"  inputs: [{{name: in, configMapName: data}}]\n"
        f"  checkpoint: {{everyIterations: {every}, everySeconds: {seconds}}}\n"
    )
    path = folder / "flow.yaml"
    path.write_text(text)
    return path
