"""Where a method keeps its point, by the names of a checkpoint's arrays; without jax, for commands that only read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from flowengine.store import Leaf

POINT = "state/x"
COPY = "state/z/0"  # of `admm`, where it is the point
PAIRS = ("state/pair", "state/points")  # of `fista`, of `pd3o`


def variable(leaves: Mapping[str, Leaf], path: str) -> np.ndarray | None:
    """A variable of whatever method's state: by itself, first of a pair (see `storage.paired`), or a copy.

    Args:
        leaves: Of a checkpoint.
        path: Where it would be by itself: `state/x`, or `state/x/NAME` of several.
    """
    copy, *pairs = (place + path.removeprefix(POINT) for place in (COPY, *PAIRS))
    for place in (path, copy, *(f"{pair}/components/0" for pair in pairs)):
        if (leaf := leaves.get(place)) is not None:
            return leaf.array
    packed = (leaves.get(f"{pair}/packed") for pair in pairs)
    return next((leaf.array.real for leaf in packed if leaf is not None), None)


def variables(leaves: Mapping[str, Leaf], names: Iterable[str]) -> dict[str, np.ndarray]:
    """All variables of a flow by their names, as far as its method keeps them; a sampler's with its chains."""
    known = list(names)
    found = {name: variable(leaves, POINT if len(known) == 1 else f"{POINT}/{name}") for name in known}
    return {name: array for name, array in found.items() if array is not None}
