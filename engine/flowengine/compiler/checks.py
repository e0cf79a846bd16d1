"""What arrays and axes must be, before anything is built from them."""

from __future__ import annotations

import numpy as np

from flowapi.errors import DataError, DocumentError


def build_axes(axes: tuple[int, ...] | None, ndim: int, place: str) -> tuple[int, ...]:
    """The axes that these keys name, counted from 0."""
    if ndim == 0:
        raise DocumentError("the variable has no axes", path=place, remedy="Give it a shape.")
    chosen = tuple(range(ndim)) if axes is None else tuple(axis + ndim if axis < 0 else axis for axis in axes)
    if len(set(chosen)) != len(chosen) or not all(0 <= axis < ndim for axis in chosen) or not chosen:
        raise DocumentError(f"{axes} are not axes of {ndim} dimensions", path=place, remedy=f"Use 0 to {ndim - 1}.")
    return chosen


def positions(array: np.ndarray, count: int, place: str) -> np.ndarray:
    """Whole numbers from 0 to count − 1.

    Raises:
        DataError: a number is none.
    """
    whole = array.astype(np.int64)
    if (whole != array).any() or (array.size and not (whole.min() >= 0 and whole.max() < count)):
        raise DataError(
            f"whole numbers from 0 to {count - 1} are needed",
            path=place,
            remedy=f"They are from {array.min():g} to {array.max():g}.",
        )
    return whole


def nonnegative(array: np.ndarray, place: str) -> np.ndarray:
    """The array.

    Raises:
        DataError: a number is below 0.
    """
    if (array < 0).any():
        raise DataError(f"the least number is {array.min():g}", path=place, remedy="Numbers from 0 are needed here.")
    return array


def check_shape(array: np.ndarray, wanted: tuple[int, ...], place: str, what: str = "the data") -> None:
    """See that an array has the shape that is needed.

    Raises:
        DataError: it hasn't.
    """
    if array.shape != wanted:
        raise DataError(
            f"the shape of {what} is {array.shape}, {wanted} is needed", path=place, remedy="Make the shapes equal."
        )
