"""The point in a checkpoint: by the names of its arrays, whatever the method keeps."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flowengine.run.leaves import named
from flowengine.run.points import variables
from flowengine.store import Leaf
from kit.kinds import KINDS, flow_of
from kit.solving import carry_of, compiled, document


def scattered(tree):
    """The same form with other numbers in every array."""
    rng = np.random.default_rng(0)

    def other(leaf):
        if not jnp.issubdtype(leaf.dtype, jnp.inexact):
            return jnp.zeros(leaf.shape, jnp.int32)
        values = rng.standard_normal((2, *leaf.shape))
        return jnp.asarray(
            values[0] + 1j * values[1] if jnp.issubdtype(leaf.dtype, jnp.complexfloating) else values[0], leaf.dtype
        )

    return jax.tree.map(other, tree)


def same_point(flow) -> None:
    form = jax.eval_shape(partial(carry_of, flow))  # nothing is compiled
    state = scattered(form.state)
    point, names = flow.choice.method.point(state), [one.name for one in flow.problem.unknowns]
    found = variables({f"state/{name}": Leaf(np.asarray(one)) for name, one in named(state, "").items()}, names)
    assert list(found) == names
    wanted = point if isinstance(point, dict) else {names[0]: point}
    for name, array in found.items():
        assert np.array_equal(array, wanted[name]), name


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_found_in_every_methods_state(kind) -> None:
    same_point(flow_of(kind))


@pytest.mark.parametrize("size", [8, 200])
def test_it_is_found_where_arrays_are_packed_and_of_several_variables(size) -> None:
    same_point(compiled(document(
        {"b": np.random.default_rng(0).random((size, size))}, variables={"u": {"like": "b"}, "v": {"like": "b"}},
        operators={"D": {"gradient": {}}},
        terms=[{"atom": "quadratic", "arg": [{"var": "u"}, {"var": "v"}], "data": "b"}, {"atom": "norm_l21", "arg": "D u", "weight": 0.1}],
        policy={"algorithm": "pd3o"}, stop={"maxIterations": 10},
    )))  # fmt: skip
