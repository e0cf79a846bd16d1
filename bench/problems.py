"""The problems of the bench: data, and the energy by which every solver is judged. numpy alone: peers import it too."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Problem:
    """One problem with its data.

    Attributes:
        name: In the JSON and in the picture.
        kind: `tv-denoise`, `huber-denoise`, `tv-deblur`, `lasso` or `logistic`.
        arrays: By name.
        numbers: Weights, and the steps that loops of the same iteration share.
    """

    name: str
    kind: str
    arrays: dict[str, Array]
    numbers: dict[str, float] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Leave it where another process finds it."""
        about = json.dumps({"name": self.name, "kind": self.kind, "numbers": self.numbers})
        np.savez(path, about=np.array(about), **self.arrays)  # type: ignore[arg-type]

    @staticmethod
    def load(path: Path) -> Problem:
        """What `save` left."""
        with np.load(path) as file:
            about = json.loads(str(file["about"]))
            arrays = {name: file[name] for name in file.files if name != "about"}
        return Problem(about["name"], about["kind"], arrays, about["numbers"])

    def energy(self, x: Array) -> float:
        """The energy at a point, in float64 whatever the solver used."""
        return ENERGIES[self.kind](self, np.asarray(x, np.float64))


def differences(x: Array, *, periodic: bool) -> tuple[Array, Array]:
    """Forward differences along both axes; without `periodic` the last one is 0."""
    dx, dy = np.roll(x, -1, 0) - x, np.roll(x, -1, 1) - x
    if not periodic:
        dx[-1], dy[:, -1] = 0, 0
    return dx, dy


def blur_spectrum(problem: Problem) -> Array:
    """The kernel's transform on the grid of `rfft2`, its centre at the origin."""
    kernel, b = problem.arrays["k"], problem.arrays["b"]
    grid = np.zeros(b.shape)
    grid[: kernel.shape[0], : kernel.shape[1]] = kernel
    grid = np.roll(grid, [-(n // 2) for n in kernel.shape], (0, 1))
    return np.fft.rfft2(grid)


def total_variation(x: Array, *, periodic: bool) -> float:
    """Σ‖(Dx)ᵢ‖₂."""
    return float(np.sum(np.hypot(*differences(x, periodic=periodic))))


def _squares(x: Array) -> float:
    return 0.5 * float(np.sum(x * x))


def _tv_denoise(problem: Problem, x: Array) -> float:
    return _squares(x - problem.arrays["b"]) + problem.numbers["weight"] * total_variation(x, periodic=False)


def _huber_denoise(problem: Problem, x: Array) -> float:
    delta, total = problem.numbers["delta"], 0.0
    for one in differences(x, periodic=False):
        inner = np.minimum(np.abs(one), delta)
        total += float(np.sum(inner * (np.abs(one) - 0.5 * inner)))
    return _squares(x - problem.arrays["b"]) + problem.numbers["weight"] * total


def _tv_deblur(problem: Problem, x: Array) -> float:
    blurred = np.fft.irfft2(np.fft.rfft2(x) * blur_spectrum(problem), x.shape)
    return _squares(blurred - problem.arrays["b"]) + problem.numbers["weight"] * total_variation(x, periodic=True)


def _lasso(problem: Problem, x: Array) -> float:
    misfit = problem.arrays["A"] @ x - problem.arrays["b"]
    return _squares(misfit) + problem.numbers["weight"] * float(np.sum(np.abs(x)))


def _logistic(problem: Problem, x: Array) -> float:
    margins = problem.arrays["b"] * (problem.arrays["A"] @ x)
    return float(np.sum(np.logaddexp(0, -margins))) + problem.numbers["weight"] * float(np.sum(np.abs(x)))


ENERGIES: dict[str, Callable[[Problem, Array], float]] = {
    "tv-denoise": _tv_denoise,
    "huber-denoise": _huber_denoise,
    "tv-deblur": _tv_deblur,
    "lasso": _lasso,
    "logistic": _logistic,
}


def picture(size: int) -> Array:
    """Steps and noise."""
    axis = np.arange(size)
    steps = np.add.outer(axis > size // 2, axis > size // 3) * 0.5
    noise = 0.1 * np.random.default_rng(0).standard_normal((size, size))
    return (steps + noise).astype(np.float32)


def phantom(size: int) -> Array:
    """Discs and bars between 0 and 1."""
    rows, columns = np.meshgrid(*2 * (np.linspace(-1, 1, size, endpoint=False),), indexing="ij")
    x = 0.2 * (np.hypot(rows, columns) < 0.85)
    for at, radius, value in (((-0.3, -0.2), 0.25, 0.5), ((0.35, 0.3), 0.3, 0.7), ((0.4, -0.4), 0.12, 0.3)):
        x = x + value * (np.hypot(rows - at[0], columns - at[1]) < radius)
    return x + 0.4 * ((np.abs(rows + 0.55) < 0.04) & (np.abs(columns - 0.3) < 0.4))


def tv_denoise(size: int, dtype: str = "float32") -> Problem:
    """½‖x − b‖² + 0.1 Σ‖(Dx)ᵢ‖₂, Neumann boundary."""
    name = f"TV denoising {size}x{size} {dtype}"
    return Problem(name, "tv-denoise", {"b": picture(size).astype(dtype)}, {"weight": 0.1})


def huber_denoise(size: int) -> Problem:
    """½‖x − b‖² + 0.5 Σ h(Dx) over [0, 1], h Huber's function with δ = 0.05 of every difference."""
    numbers = {"weight": 0.5, "delta": 0.05}
    return Problem(f"Huber-TV denoising {size}x{size} float32", "huber-denoise", {"b": picture(size)}, numbers)


def tv_deblur(size: int) -> Problem:
    """½‖Kx − b‖² + 0.002 Σ‖(Dx)ᵢ‖₂, all periodic, K a Gaussian blur of 13 by 13."""
    axis = np.exp(-0.5 * (np.arange(-6, 7) / 2.0) ** 2)
    kernel = np.outer(axis, axis) / axis.sum() ** 2
    clean = Problem("", "tv-deblur", {"k": kernel, "b": phantom(size)})
    b = np.fft.irfft2(np.fft.rfft2(clean.arrays["b"]) * blur_spectrum(clean), (size, size))
    b = b + 0.01 * np.random.default_rng(1).standard_normal((size, size))
    return Problem(f"TV deblurring {size}x{size} float64", "tv-deblur", {"k": kernel, "b": b}, {"weight": 0.002})


def lasso() -> Problem:
    """½‖Ax − b‖² + 5‖x‖₁, A Gaussian of 100 by 300, ten entries of x in truth."""
    random = np.random.default_rng(2)
    a, x = random.standard_normal((100, 300)), np.zeros(300)
    x[:10] = random.standard_normal(10)
    b = a @ x + 0.1 * random.standard_normal(100)
    return Problem("lasso 100x300", "lasso", {"A": a, "b": b}, {"weight": 5.0})


def logistic() -> Problem:
    """Σ log(1 + exp(−bᵢ(Ax)ᵢ)) + 2‖x‖₁, A Gaussian of 400 by 60."""
    random = np.random.default_rng(3)
    a, x = random.standard_normal((400, 60)), np.zeros(60)
    x[:8] = random.standard_normal(8)
    b = np.where(a @ x + random.standard_normal(400) > 0, 1.0, -1.0)
    return Problem("L1-logistic 400x60", "logistic", {"A": a, "b": b}, {"weight": 2.0})
