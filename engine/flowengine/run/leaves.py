"""Between the run's carry and what the store keeps: one named array a leaf."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from flowapi.errors import BEGIN_ANEW, IncompatibleError
from flowengine.loop import Carry
from flowengine.store import Leaf
from flowengine.xla import placed

T = TypeVar("T")

_REMEDY = "Start afresh with --fresh, or run the version that wrote it."
_ON_CLUSTER = f"Run the image that wrote it, or {BEGIN_ANEW}."


def to_leaves(carry: Carry) -> dict[str, Leaf]:
    """Every array of a carry by its path, such as `state/x`; on a CPU without copying."""
    found, _ = jax.tree_util.tree_flatten_with_path(carry)
    return {_name(path): _leaf(array) for path, array in found}


def to_carry(leaves: Mapping[str, Leaf], template: T) -> T:
    """A carry, or a part of one, of the template's form with these arrays.

    Raises:
        IncompatibleError: the checkpoint has other arrays than this flow.
    """
    found, form = jax.tree_util.tree_flatten_with_path(template)
    wanted = {_name(path): array for path, array in found}
    if set(wanted) != set(leaves):
        different = ", ".join(sorted(set(wanted) ^ set(leaves))[:6])
        raise IncompatibleError(
            f"the checkpoint has other arrays than this flow ({different})", remedy=_REMEDY, on_cluster=_ON_CLUSTER
        )
    arrays = jax.device_put([_array(name, leaves[name], wanted[name]) for name in wanted], may_alias=False)
    carry: T = jax.tree_util.tree_unflatten(form, arrays)
    return carry


def named(tree: Any, root: str) -> dict[str, jax.Array]:
    """Every array of a part of the carry by its path."""
    found, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {"/".join(filter(None, (root, _name(path)))): array for path, array in found}


def sha256(leaves: Mapping[str, Leaf]) -> str:
    """SHA-256 over names and raw bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(leaves):
        digest.update(f"{name}\n".encode())
        digest.update(np.ascontiguousarray(leaves[name].array).tobytes())
    return digest.hexdigest()


def _leaf(array: jax.Array) -> Leaf:
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        return Leaf(np.asarray(jax.random.key_data(array)), kind="key", impl=str(jax.random.key_impl(array)))
    return Leaf(np.asarray(array), weak_type=bool(array.weak_type))


def _array(name: str, leaf: Leaf, like: jax.Array) -> jax.Array | np.ndarray:
    if leaf.kind == "key":
        return _key(name, leaf, like)
    if leaf.array.shape != like.shape or leaf.array.dtype != like.dtype:
        raise IncompatibleError(
            f"{name} is {leaf.array.dtype}{leaf.array.shape} in the checkpoint, {like.dtype}{like.shape} here",
            remedy=_REMEDY,
            on_cluster=_ON_CLUSTER,
        )
    return leaf.array


def _key(name: str, leaf: Leaf, like: jax.Array) -> jax.Array:
    try:
        key: jax.Array = jax.random.wrap_key_data(placed(leaf.array), impl=leaf.impl)
    except (ValueError, TypeError) as error:
        raise IncompatibleError(
            f"{name} in the checkpoint is no random key of {leaf.impl!r}", remedy=_REMEDY, on_cluster=_ON_CLUSTER
        ) from error
    if (key.dtype, key.shape) != (like.dtype, like.shape):
        raise IncompatibleError(
            f"{name} is a random key of {leaf.impl} in the checkpoint, {like.dtype} here",
            remedy=_REMEDY,
            on_cluster=_ON_CLUSTER,
        )
    return key


def _name(path: tuple[object, ...]) -> str:
    return "/".join(str(getattr(part, "name", getattr(part, "idx", getattr(part, "key", part)))) for part in path)
