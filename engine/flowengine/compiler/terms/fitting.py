"""What an atom asks of its argument's shape, and data that are taken off it."""

from __future__ import annotations

from typing import TypeVar

from flowapi.errors import DocumentError
from flowengine import atoms
from flowengine.compiler.site import Site

S = TypeVar("S")


def shifted(atom: S, data: str | None, site: Site) -> S | atoms.Shifted:
    """The atom of the argument less these data."""
    return atom if data is None else atoms.Shifted(atom, site.target(data))


def check_square(site: Site) -> None:
    """See that the argument is a square matrix."""
    if len(site.plain) != 2 or site.shape[0] != site.shape[1]:
        raise DocumentError(
            f"a square matrix is needed, the argument has the shape {site.shape}",
            path=site.path("arg"),
            remedy="`reshape` it.",
        )


def block_axes(axis: int | tuple[int, ...], site: Site) -> tuple[int, ...]:
    """The axes of the argument that an `axis` key names, from 0 and in order."""
    ndim = len(site.shape)
    axes = axis if isinstance(axis, tuple) else (axis,)
    chosen = tuple(sorted(one + ndim if one < 0 else one for one in axes))
    if not chosen or len(set(chosen)) != len(chosen) or not all(0 <= one < ndim for one in chosen):
        raise DocumentError(
            f"{axis} is no axis of an argument with {ndim} dimensions",
            path=site.path("axis"),
            remedy=f"Use 0 to {ndim - 1}." if ndim else "Give the variable a shape.",
        )
    return chosen
