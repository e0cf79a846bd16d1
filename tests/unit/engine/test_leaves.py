"""Between the run's carry and what the store keeps: every bit comes back, and nothing that is of another form."""

import hashlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flowapi.errors import IncompatibleError
from flowengine.run import leaves
from flowengine.store import Leaf

KEY = jax.random.key(7, impl="threefry2x32")
CARRY = {"x": jnp.arange(3.0), "k": jnp.asarray(5, jnp.int64), "key": KEY, "weak": jax.jit(lambda: 2.0)()}


def test_what_is_kept_comes_back_to_the_bit() -> None:
    kept = leaves.to_leaves(CARRY)
    assert {name: (leaf.kind, leaf.impl, leaf.weak_type) for name, leaf in kept.items()} == {
        "x": ("array", "", False), "k": ("array", "", False), "key": ("key", "threefry2x32", False),
        "weak": ("array", "", True),
    }  # fmt: skip
    back = leaves.to_carry(kept, CARRY)
    assert {name: (one.dtype, one.shape) for name, one in back.items()} == {
        name: (one.dtype, one.shape) for name, one in CARRY.items()
    }
    assert leaves.sha256(leaves.to_leaves(back)) == leaves.sha256(kept)
    assert jax.random.uniform(back["key"]) == jax.random.uniform(KEY)


OTHER = {
    "a name": ({"y": Leaf(np.arange(3.0))}, "has other arrays than this flow"),
    "a shape": ({"x": Leaf(np.arange(4.0))}, r"x is float64\(4,\) in the checkpoint, float64\(3,\) here"),
    "a type": ({"x": Leaf(np.arange(3.0, dtype=np.float32))}, "x is float32"),
    "an array for a key": ({"key": Leaf(np.zeros(2, np.uint32))}, "key is uint32"),
    "a key for an array": ({"x": Leaf(np.zeros(2, np.uint32), kind="key", impl="threefry2x32")}, "x is a random key"),
    "a key of another kind": ({"key": Leaf(np.zeros(4, np.uint32), kind="key", impl="rbg")}, "key is a random key of rbg"),
    "keys for a key": (
        {"key": Leaf(np.zeros((3, 2), np.uint32), kind="key", impl="threefry2x32")},
        "is a random key of threefry2x32 in the checkpoint",
    ),
    "no key": ({"key": Leaf(np.zeros(3, np.uint32), kind="key", impl="threefry2x32")}, "is no random key of 'threefry2x32'"),
    "an unknown kind": ({"key": Leaf(np.zeros(2, np.uint32), kind="key", impl="dice")}, "is no random key of 'dice'"),
}  # fmt: skip


@pytest.mark.parametrize("what", OTHER)
def test_what_has_another_form_is_refused(what) -> None:
    change, said = OTHER[what]
    with pytest.raises(IncompatibleError, match=said):
        leaves.to_carry(leaves.to_leaves(CARRY) | change, CARRY)


def test_a_digest_is_of_names_and_bytes_in_the_order_of_the_names() -> None:
    arrays = {"b": np.arange(4.0).reshape(2, 2).T, "a": np.asarray(3, np.int32)}
    wanted = hashlib.sha256(b"a\n" + arrays["a"].tobytes() + b"b\n" + arrays["b"].tobytes("C")).hexdigest()
    assert leaves.sha256({name: Leaf(array) for name, array in arrays.items()}) == wanted
