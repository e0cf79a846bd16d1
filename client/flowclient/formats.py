"""Arrays as files that other programs open."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Literal, get_args

import numpy as np

from flowapi.errors import DocumentError

Format = Literal["npy", "npz", "csv", "png", "tiff", "safetensors"]
FORMATS: tuple[Format, ...] = get_args(Format)
LEAST_SIDE = 8  # of what is worth looking at as a picture
MOST_TEXT = 10**6  # numbers in a CSV file


def usual(array: np.ndarray) -> tuple[Format, ...]:
    """The formats that an array is written in when nobody asks for others."""
    if is_picture(array):
        return ("npy", "png")
    return ("npy", "csv") if array.ndim == 1 and array.size <= MOST_TEXT and array.dtype.kind in "fiub" else ("npy",)


def is_picture(array: np.ndarray) -> bool:
    """A grey picture, or one in colour: (height, width) or (height, width, 3)."""
    flat = array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)
    return flat and array.dtype.kind in "fiub" and min(array.shape[:2]) >= LEAST_SIDE


def files_of(arrays: Mapping[str, np.ndarray], formats: tuple[Format, ...]) -> tuple[dict[str, bytes], list[str]]:
    """Every array in the formats asked for, or in the usual ones.

    Returns:
        The bytes by the file's name, and sentences about what had to change or was left out.
    """
    made: dict[str, bytes] = {}
    notes: list[str] = []
    for name, array in arrays.items():
        for form in formats or usual(array):
            if form in _OF_ONE:
                _add(made, notes, name, array, form)
    if "npz" in formats:
        made["result.npz"] = _npz(arrays)
    if "safetensors" in formats:
        made["result.safetensors"] = _safetensors(arrays, notes)
    return made, notes


def _add(made: dict[str, bytes], notes: list[str], name: str, array: np.ndarray, form: Format) -> None:
    try:
        data, note = _OF_ONE[form](array)
    except ValueError as error:
        notes.append(f"{name} is not written as {form}: {error}")
        return
    made[f"{name}.{form}"] = data
    if note:
        notes.append(f"{name}.{form}: {note}")


def npy(array: np.ndarray) -> bytes:
    """The bytes of a .npy file in C order, as the result's digest has them."""
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array, order="C"), version=(1, 0), allow_pickle=False)
    return file.getvalue()


def png(array: np.ndarray) -> tuple[bytes, str]:
    """A picture of 8 bits: values between 0 and 1 as they are, others from the least to the largest."""
    from PIL import Image  # noqa: PLC0415 - only where a picture is made

    if not is_picture(array):
        raise ValueError("a picture is (height, width) or (height, width, 3)")
    values = array.astype(float)
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    note = ""
    if low < 0 or high > 1:
        note = f"grey values run from {low:.6g} to {high:.6g}"
    else:
        low, high = 0.0, 1.0
    span = high - low or 1.0
    grey = np.clip(np.nan_to_num((values - low) / span), 0, 1)
    file = io.BytesIO()
    Image.fromarray(np.round(grey * 255).astype(np.uint8)).save(file, "PNG", optimize=True)
    return file.getvalue(), note


def _csv(array: np.ndarray) -> tuple[bytes, str]:
    if array.ndim not in (1, 2) or array.dtype.kind not in "fiub":
        raise ValueError("a table has one or two axes of real numbers")
    if array.size > MOST_TEXT:
        raise ValueError(f"{array.size} numbers are too many for text")
    rows = np.atleast_2d(array.T).T.tolist()
    return "".join(",".join(map(repr, row)) + "\n" for row in rows).encode(), ""


def _tiff(array: np.ndarray) -> tuple[bytes, str]:
    import tifffile  # noqa: PLC0415 - only where a picture is made

    if array.ndim not in (2, 3) or array.dtype.kind not in "fiu":
        raise ValueError("a TIFF has two axes, or three of a volume or colours, of real numbers")
    file = io.BytesIO()
    kind: Literal["rgb", "minisblack"] = "rgb" if array.ndim == 3 and is_picture(array) else "minisblack"
    tifffile.imwrite(file, np.ascontiguousarray(array), photometric=kind)
    return file.getvalue(), ""


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **dict(arrays))
    return file.getvalue()


def _safetensors(arrays: Mapping[str, np.ndarray], notes: list[str]) -> bytes:
    from safetensors.numpy import save  # noqa: PLC0415 - only where it is asked for

    plain = {}
    for name, array in arrays.items():
        plain[name] = np.ascontiguousarray(array)
        if array.dtype.kind == "c":
            plain[name] = np.stack([array.real, array.imag], axis=-1)
            notes.append(f"{name} is complex: safetensors holds (real, imaginary) in a last axis of length 2")
    return save(plain)


_OF_ONE: dict[Format, Callable[[np.ndarray], tuple[bytes, str]]] = {
    "npy": lambda array: (npy(array), ""), "csv": _csv, "png": png, "tiff": _tiff,
}  # fmt: skip


def known_formats(words: list[str]) -> tuple[Format, ...]:
    """Formats by their names, `tif` and a leading dot allowed.

    Raises:
        DocumentError: there is no such format.
    """
    found = []
    for word in words:
        name = {"tif": "tiff"}.get(word.lower().lstrip("."), word.lower().lstrip("."))
        if name not in FORMATS:
            raise DocumentError(f"unknown format `{word}`", path="--format", remedy=f"Known: {', '.join(FORMATS)}.")
        found.append(name)
    return tuple(one for one in FORMATS if one in found)
