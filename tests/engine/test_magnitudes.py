"""Numbers whose squares are beyond the flow's precision are named before anything is computed with them."""

import pytest

from flowapi.errors import DataError
from kit.solving import compiled, document, solve

FIT = {"atom": "quadratic", "arg": "A x", "data": "b"}
SPARSE = {"atom": "l1", "arg": "x"}


def flow(b=(1.0, 2.0), A=((1.0, 2.0), (3.0, 4.0)), terms=(FIT, SPARSE), init=0.0, **parts):
    limits = {"maxIterations": 3_000} | ({} if parts.get("policy") else {"residual": 1e-6})
    return document(
        {"b": b, "A": A}, variables={"x": {"shape": [2], "init": init}}, operators={"A": {"matrix": "A"}},
        terms=list(terms), stop=limits, **parts,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "path"),
    [
        ({"b": (1e200, 2e200)}, "flow.data.b"),
        ({"b": (1e200, 2e200), "terms": (FIT,)}, "flow.data.b"),
        ({"b": (1e200, 2e200), "terms": (FIT, {"atom": "tv", "arg": "x"})}, "flow.data.b"),
        ({"b": (1e30, 2e30), "dtype": "float32"}, "flow.data.b"),
        ({"b": (1e80, 2e80), "A": ((1e90, 0.0), (0.0, 1e90))}, "flow.data.A"),
        ({"A": ((1e200, 2.0), (3.0, 4e200))}, "flow.data.A"),
        ({"A": ((1e200, 2.0), (3.0, 4e200)), "terms": (FIT, {"atom": "tv", "arg": "x"})}, "flow.data.A"),
        ({"terms": (FIT | {"weight": 1e200}, SPARSE)}, "flow.terms[0].weight"),
        ({"terms": (FIT | {"weight": 1e308}, SPARSE)}, "flow.terms[0].weight"),
        ({"terms": (FIT | {"weight": "w"}, SPARSE), "params": {"w": {"value": 1e200}}}, "flow.params.w"),
        ({"init": 1e200}, "flow.variables.x.init"),
        ({"init": 1e200, "policy": {"family": "langevin"}, "terms": (FIT,)}, "flow.variables.x.init"),
    ],
)
def test_a_gradient_that_overflows_is_blamed_on_the_largest_number(parts, path) -> None:
    with pytest.raises(DataError, match=r"the gradient overflows .* numbers up to \S+ are beyond float") as caught:
        compiled(flow(**parts))
    assert caught.value.path == path


@pytest.mark.parametrize(
    "terms", [(FIT, SPARSE | {"weight": 1e200}), (FIT, {"atom": "tv", "arg": "x", "weight": 1e200}), (FIT, {"atom": "box", "arg": "x", "lo": -1e300, "hi": 1e300})]
)  # fmt: skip
def test_large_numbers_whose_squares_nobody_needs_are_none_of_its_business(terms) -> None:
    _, end, _ = solve(flow(terms=terms))
    assert end.reason == "Converged"
