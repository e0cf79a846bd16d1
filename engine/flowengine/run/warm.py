"""Where a new revision starts that continues from another one's checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from flowapi.errors import DataError, IncompatibleError
from flowapi.revision import RevisionFile
from flowengine.loop import Carry
from flowengine.problem import Problem, Tree
from flowengine.run import leaves, points
from flowengine.steps import MANIFOLDS
from flowengine.store import CheckpointStore, Restored

STATE = "state"


def flow_of(store: CheckpointStore, warm: Restored) -> Mapping[str, Any]:
    """The flow of the checkpoint's revision."""
    try:
        data = store.layout.revision_file(warm.ref.revision).read_bytes()
        return RevisionFile.model_validate_json(data).tuple.flow
    except (OSError, ValueError) as error:
        raise DataError(
            f"revision {warm.ref.revision} has no readable revision.json",
            path="spec.upgrade.mode",
            remedy="Use Restart.",
        ) from error


def warm_state(warm: Restored, old: Mapping[str, Any], form: Carry) -> Tree:
    """The whole state of an entry point's iteration, where the old one's has the same arrays."""
    if "entrypoint" not in old:
        raise _incompatible(warm, "is not an entry point's")
    mine = {name: leaf for name, leaf in warm.leaves.items() if name.split("/")[0] == STATE}
    try:
        return leaves.to_carry(mine, {STATE: form.state})[STATE]
    except IncompatibleError as error:
        raise _incompatible(warm, f"has another state: {error.message}") from error


def warm_point(warm: Restored, old: Mapping[str, Any], problem: Problem) -> Tree:
    """The variables, where names, shapes and types are the same, on the manifolds of now."""
    mine = ", ".join(f"`{one.name}`" for one in problem.unknowns)
    lacks = f"has not the variables {mine} of these shapes and types"
    if set(old.get("variables", {})) != {one.name for one in problem.unknowns}:
        raise _incompatible(warm, lacks)
    arrays = []
    for one, (path, array) in zip(problem.unknowns, leaves.named(problem.init, points.POINT).items(), strict=True):
        value = points.variable(warm.leaves, path)
        if value is None or value.shape != array.shape or value.dtype != array.dtype:
            raise _incompatible(warm, lacks)
        point = MANIFOLDS[one.manifold].nearest(jnp.array(value))
        if one.curved and not bool(jnp.all(jnp.isfinite(point))):
            raise _incompatible(warm, f"leads to no point of the manifold of `{one.name}`")
        arrays.append(point)
    return jax.tree.unflatten(jax.tree.structure(problem.init), arrays)


def _incompatible(warm: Restored, why: str) -> IncompatibleError:
    return IncompatibleError(f"revision {warm.ref.revision} {why}", path="spec.upgrade.mode", remedy="Use Restart.")
