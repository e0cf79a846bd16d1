"""`cflow init`: a commented manifest to start from, and small made-up data with which it runs at once."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path

import numpy as np

from flowapi.errors import DataError, DocumentError
from flowapi.forms import LABEL
from flowclient.formats import npy, png
from flowclient.taking import put_file

LONGEST = 40
Made = Mapping[str, bytes]


def starters() -> dict[str, str]:
    """The starting points and what each is: the first line of its file."""
    manifests = [one for one in files("flowclient").joinpath("starters").iterdir() if one.name.endswith(".yaml")]
    texts = {one.name.removesuffix(".yaml"): one.read_text(encoding="utf-8") for one in manifests}
    return {name: text.splitlines()[0].removeprefix("# ") for name, text in sorted(texts.items())}


def manifest(name: str, start: str) -> str:
    """The manifest of a flow of this name.

    Raises:
        DocumentError: there is no such starting point, or a flow can't have this name.
    """
    if start not in starters():
        raise DocumentError(f"there is no starting point `{start}`", remedy=f"Known: {', '.join(starters())}.")
    if not re.fullmatch(LABEL, name) or len(name) > LONGEST:
        raise DocumentError(
            f"`{name}` is no name of a flow", remedy=f"Lower-case letters, digits and hyphens, at most {LONGEST}."
        )
    text = files("flowclient").joinpath("starters", f"{start}.yaml").read_text(encoding="utf-8")
    return text.replace("NAME", name).replace("MODULE", _module(name))


def code(name: str, start: str) -> dict[str, str]:
    """The Python module of a starting point with an entry point, by its file's name; empty of the others."""
    text = files("flowclient").joinpath("starters", f"{start}.py.txt")
    return {f"{_module(name)}.py": text.read_text(encoding="utf-8")} if text.is_file() else {}


def _module(name: str) -> str:
    """A name that Python can import, and that no installed package is likely to have."""
    return "flow_" + name.replace("-", "_")


def begin(name: str, start: str, folder: Path, *, data: bool) -> list[Path]:
    """Write the manifest and its code, and where wanted the data beside them; the files that were written.

    Raises:
        DataError: one of them is there already.
        DocumentError: as `manifest`.
        VolumeError: one can't be written.
    """
    made: dict[Path, bytes] = {folder / f"{name}.yaml": manifest(name, start).encode()}
    made |= {folder / file: text.encode() for file, text in code(name, start).items()}
    if data:
        made |= {folder / "data" / file: content for file, content in DATA[start]().items()}
    for path in made:
        if path.exists():
            raise DataError(f"{path} is there already", remedy="Give another name or folder; nothing is overwritten.")
    for path, content in made.items():
        put_file(path, content)
    return list(made)


def _steps(side: int) -> np.ndarray:
    return np.kron(np.random.default_rng(7).uniform(0.1, 0.9, (6, 6)), np.ones((side // 6, side // 6)))


def _denoise() -> Made:
    noise = 0.08 * np.random.default_rng(1).normal(size=(96, 96))
    return {"noisy.png": png(np.clip(_steps(96) + noise, 0, 1))[0]}


def _deblur() -> Made:
    kernel = np.outer(*(2 * [np.exp(-((np.arange(9) - 4.0) ** 2) / 4)]))
    kernel /= kernel.sum()
    picture = _steps(96)
    wide = np.zeros_like(picture)
    wide[:9, :9] = kernel
    spectrum = np.fft.fft2(np.roll(wide, (-4, -4), (0, 1)))
    blurred = np.fft.ifft2(spectrum * np.fft.fft2(picture)).real
    return {"blurred.png": png(np.clip(blurred, 0, 1))[0], "kernel.npy": npy(kernel)}


def _regression(features: int = 20, kept: int = 4) -> Made:
    rng = np.random.default_rng(3)
    matrix = rng.normal(size=(60, features))
    response = matrix[:, :kept] @ rng.normal(2, 0.5, kept) + 0.1 * rng.normal(size=60)
    return {"features.csv": _csv(matrix), "response.csv": _csv(response)}


def _completion() -> Made:
    rng = np.random.default_rng(4)
    whole, mask = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 30)), rng.random((40, 30)) < 0.4
    return {"known.npy": npy(np.where(mask, whole, 0)), "mask.npy": npy(mask.astype(float))}


def _tomography(side: int = 64, angles: int = 24) -> Made:
    """Rays by the nearest pixel, as a CSR file of SciPy's."""
    steps = np.linspace(-1, 1, 2 * side)
    rows: list[np.ndarray] = []
    for angle in np.pi * np.arange(angles) / angles:
        for offset in np.linspace(-0.95, 0.95, side):
            x, y = offset * np.cos(angle) - steps * np.sin(angle), offset * np.sin(angle) + steps * np.cos(angle)
            inside = (np.abs(x) < 1) & (np.abs(y) < 1)
            i, j = ((y[inside] + 1) / 2 * side).astype(int), ((x[inside] + 1) / 2 * side).astype(int)
            rows.append(np.unique(i * side + j).astype(np.int32))
    ends = np.cumsum([0, *map(len, rows)]).astype(np.int32)
    columns = np.concatenate(rows)
    grid = np.linspace(-1, 1, side)
    slice_ = ((grid[:, None] ** 2 + grid**2) < 0.6) * 1.0 + (((grid[:, None] - 0.2) ** 2 + grid**2) < 0.1) * 0.5
    sinogram = np.add.reduceat(slice_.ravel()[columns], ends[:-1]) if (np.diff(ends) > 0).all() else np.zeros(len(rows))
    file = io.BytesIO()
    shape = np.array([len(rows), side * side])
    np.savez(
        file, allow_pickle=False, indices=columns, indptr=ends, format=np.array(b"csr"), shape=shape,
        data=np.ones(len(columns)),
    )  # fmt: skip
    return {"system.npz": file.getvalue(), "sinogram.npy": npy(sinogram)}


def _program() -> Made:
    rng = np.random.default_rng(5)
    matrix = rng.uniform(0, 1, (5, 12))
    return {
        "constraints.csv": _csv(matrix), "amounts.csv": _csv(matrix @ rng.uniform(0, 1, 12)),
        "costs.csv": _csv(rng.uniform(1, 2, 12)),
    }  # fmt: skip


def _points() -> Made:
    """Two half moons."""
    rng, angle = np.random.default_rng(6), np.linspace(0, np.pi, 40)
    upper = np.c_[np.cos(angle), np.sin(angle), np.ones(40)]
    lower = np.c_[1 - np.cos(angle), 0.4 - np.sin(angle), -np.ones(40)]
    noise = 0.1 * np.c_[rng.normal(size=(80, 2)), np.zeros(80)]
    return {"points.csv": _csv(np.vstack([upper, lower]) + noise)}


def _csv(array: np.ndarray) -> bytes:
    file = io.StringIO()
    np.savetxt(file, array, fmt="%.6f", delimiter=",")
    return file.getvalue().encode()


DATA: Mapping[str, Callable[[], Made]] = {
    "denoise": _denoise, "deblur": _deblur, "regression": _regression, "completion": _completion,
    "tomography": _tomography, "posterior": lambda: _regression(3, 3), "linear-program": _program,
    "training": _points,
}  # fmt: skip
