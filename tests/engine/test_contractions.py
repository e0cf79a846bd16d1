"""Products of a matrix with a vector run along the matrix's rows in memory, in every operator, method and certificate.

Aᵀr as `A.T @ r` has XLA's compiler for CPUs copy A in every iteration, or walk down its columns; `r @ A` does neither.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params

from flowengine.compiler import stops_of
from flowengine.loop import advance
from kit.kinds import KINDS, flow_of
from kit.operators import OPERATORS, shape_of
from kit.solving import carry_of, compiled, document

FIT = {"atom": "quadratic", "arg": "A x", "data": "b"}
L1 = {"atom": "l1", "arg": "x"}


def turned(jaxpr: Any) -> Iterator[str]:
    """Every product with a vector whose matrix is a transposed one."""
    transposed = {
        one.outvars[0] for one in jaxpr.eqns
        if one.primitive.name == "transpose" and min(one.invars[0].aval.shape[-2:], default=0) > 1
    }  # fmt: skip
    for one in jaxpr.eqns:
        if one.primitive.name == "dot_general":
            shapes = [operand.aval.shape for operand in one.invars]
            (contracted, _), (batches, _) = one.params["dimension_numbers"]
            inner = np.prod([shapes[0][axis] for axis in (*contracted, *batches)])
            column = any(np.prod(shape) == inner for shape in shapes)
            if column and any(operand in transposed for operand in one.invars if not hasattr(operand, "val")):
                yield str(one)
        for inner in jaxprs_in_params(one.params):
            yield from turned(inner)


def products(program: Any, *args: Any) -> list[str]:
    """Those of a program that isn't run."""
    return list(turned(jax.make_jaxpr(program)(*args).jaxpr))


def test_a_product_with_a_transposed_matrix_is_seen() -> None:
    A, r = jnp.ones((5, 3)), jnp.ones(5)
    slow = lambda A, r: A.T @ r, lambda A, r: A.T @ r[:, None], lambda A, r: jax.lax.map(lambda _: A.T @ r, r)
    fast = lambda A, r: r @ A, lambda A, r: A @ r[:3], lambda A, r: A.T @ jnp.outer(r, r)
    assert [len(products(one, A, r)) for one in (*slow, *fast)] == [1, 1, 1, 0, 0, 0]


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_multiply_vectors_along_the_rows_of_matrices(name) -> None:
    operator, x = OPERATORS[name], jax.ShapeDtypeStruct(shape_of(name), jnp.float64)
    assert products(operator.apply, x) == products(operator.gram, x) == []
    assert products(operator.adjoint, jax.eval_shape(operator.apply, x)) == []


FLOWS = {
    "fista": [FIT, L1],
    "fista, logistic": [{"atom": "logistic", "arg": "A x", "data": "y"}, L1],
    "pd3o": [FIT, {"atom": "l1", "arg": "W x"}],
    "admm": [FIT, {"atom": "l1", "arg": "W x"}],
    "admm, both losses": [{"atom": "l1", "arg": "A x", "data": "b"}, {"atom": "l1", "arg": "W x"}, {"atom": "box", "arg": "x", "lo": -1}],
    "fista, form": [{"atom": "quadratic_form", "arg": "x", "matrix": "P"}, L1],
    "fista, affine": [FIT, {"atom": "affine", "arg": "x", "matrix": "E", "data": "w"}],
    "pd3o, affine": [FIT, {"atom": "affine", "arg": "D x", "matrix": "V", "data": "w"}, L1],
    "mala": [FIT, {"atom": "tikhonov", "arg": "x"}],
    "hmc": [FIT, {"atom": "tikhonov", "arg": "x"}],
}  # fmt: skip


@pytest.mark.parametrize("rows", [9, 60])
@pytest.mark.parametrize("name", FLOWS)
def test_methods_and_certificates_multiply_vectors_along_the_rows_of_matrices(name, rows) -> None:
    rng, n = np.random.default_rng(0), 20
    data = {
        "A": rng.standard_normal((rows, n)), "b": rng.standard_normal(rows), "y": np.sign(rng.standard_normal(rows)),
        "W": rng.standard_normal((n - 4, n)), "w": np.zeros(4), "E": rng.standard_normal((4, n)), "P": np.eye(n) + 1, "V": rng.standard_normal((4, n)),
    }  # fmt: skip
    method = name.split(",")[0]
    chains = {"chains": 3} if method in ("mala", "hmc") else {}
    sees(compiled(document(
        data, variables={"x": {"shape": [n], **chains}}, terms=FLOWS[name], policy={"algorithm": method},
        operators={"A": {"matrix": "A"}, "W": {"matrix": "W"}, "D": {"gradient": {}}}, stop={"maxIterations": 10},
    )))  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_step_multiplies_vectors_along_the_rows_of_matrices(kind) -> None:
    sees(flow_of(kind))


def sees(flow) -> None:
    program = partial(advance.__wrapped__, method=flow.choice.method, settings=flow.settings)
    stops, until = stops_of(flow.document.stop, flow.problem.dtype), jnp.asarray(5)
    assert products(program, flow.problem, carry_of(flow), stops, until) == []
