"""Which method is chosen, and what is said where one cannot work; nothing is run."""

import numpy as np
import pytest
from scipy import sparse

from flowapi.errors import DocumentError
from flowapi.flow import FlowDocument
from flowengine.methods import PD3O, AnchoredPD3O
from kit.solving import FILES, compiled, document

HUBER = {"atom": "huber", "arg": "A x", "data": "b"}


def small(**changes):
    rng = np.random.default_rng(40)
    terms = [{"atom": "quadratic", "arg": "A x", "data": "b"}, {"atom": "l1", "arg": "D x", "weight": 0.1}]
    return document(
        {"A": rng.standard_normal((8, 20)), "b": rng.standard_normal(8)},
        **({
            "variables": {"x": {"shape": [20]}}, "operators": {"A": {"matrix": "A"}, "D": {"gradient": {}}},
            "terms": terms, "stop": {"maxIterations": 5},
        } | changes),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "method"),
    [
        ({}, "admm"),
        ({"policy": {"step": 0.01}}, "pd3o"),  # a τ of pd3o's
        ({"policy": {"algorithm": "pd3o"}}, "pd3o"),
        ({"dtype": "complex128"}, "pd3o"),
        ({"terms": [HUBER, {"atom": "l1", "arg": "D x"}]}, "admm"),
        ({"terms": [HUBER, {"atom": "l1", "arg": "D x"}], "dtype": "float32"}, "pd3o"),  # whose rounding is less
        ({"terms": [HUBER | {"as": "smooth"}, {"atom": "l1", "arg": "D x"}]}, "pd3o"),
        ({"terms": [{"atom": "l1", "arg": "D x"}]}, "pd3o"),  # a constant is in no term
    ],
)
def test_when_a_variable_is_solved_for_directly(changes, method) -> None:
    assert compiled(small(**changes)).choice.method.name == method


def signal(*shape: int, **stop):
    terms = [{"atom": "quadratic", "arg": "x", "data": "b"}, {"atom": "tv", "arg": "x", "weight": 0.1}]
    return compiled(document({"b": np.ones(shape)}, variables={"x": {"like": "b"}}, terms=terms, stop={"maxIterations": 5, **stop}))  # fmt: skip


def test_stencils_of_pictures_of_many_entries_stay_with_cheap_steps() -> None:
    """Those of a series are solved for at about the price of a step."""
    shapes = (10, 20), (15, 20), (300,)
    assert [signal(*shape).choice.method.name for shape in shapes] == ["admm", "pd3o", "admm"]


def test_a_gap_that_the_quick_steps_can_show_makes_them_the_choice() -> None:
    """Quadratics leave the prox to be solved for, and with them goes the dual's finite value."""
    assert signal(200, gap=1e-6).choice.method.name == "pd3o"
    assert signal(200, residual=1e-6).choice.method.name == "admm"


def test_a_tall_sparse_matrix_stays_with_cheap_steps() -> None:
    """Written out, its rows would fill the memory."""
    rows, columns = 100_000, 200
    A = sparse.csr_array((np.ones(rows), (np.arange(rows), np.arange(rows) % columns)), (rows, columns))
    sparse.save_npz(f"{FILES.name}/tall.npz", A)
    doc = FlowDocument.parse({
        "data": {"A": {"csr": "tall.npz"}}, "variables": {"x": {"shape": [columns]}}, "operators": {"A": {"matrix": "A"}},
        "terms": [{"atom": "l1", "arg": "A x"}, {"atom": "box", "arg": "x", "lo": 1}], "stop": {"maxIterations": 5},
    })  # fmt: skip
    assert compiled(doc).choice.method.name == "pd3o"


@pytest.mark.parametrize(
    ("operator", "method"), [({"gradient": {}}, "admm"), ({"laplacian": {}}, "admm"), ({"conv": {"kernel": "k"}}, "pd3o")]
)  # fmt: skip
def test_transforms_are_for_differences(operator, method) -> None:
    """They stretch short waves far more than long ones."""
    flow = compiled(document(
        {"b": np.zeros(2_000), "k": [0.5, 0.5]}, variables={"x": {"like": "b"}}, operators={"W": operator},
        terms=[{"atom": "quadratic", "arg": "x", "data": "b"}, {"atom": "l1", "arg": "W x"}], stop={"maxIterations": 9},
    ))  # fmt: skip
    assert flow.choice.method.name == method


def test_bounds_beside_a_periodic_convolution_leave_it_to_be_solved_for_by_fourier() -> None:
    flow = compiled(document(
        {"b": np.ones((12, 10)), "k": np.full((3, 3), 1 / 9)}, variables={"x": {"like": "b"}}, operators={"K": {"conv": {"kernel": "k"}}},
        terms=[
            {"atom": "quadratic", "arg": "K x", "data": "b"}, {"atom": "tv", "arg": "x", "weight": 0.05, "boundary": "periodic"},
            {"atom": "box", "arg": "x", "lo": 0, "hi": 1},
        ],
        policy={"family": "accelerated"}, stop={"maxIterations": 9},
    ))  # fmt: skip
    assert flow.choice.method.name == "admm"


PICTURES = {
    "piecewise linear": [{"atom": "l1", "arg": "x", "data": "b"}, {"atom": "l1", "arg": "D x", "weight": 0.8}],
    "isotropic": [{"atom": "l1", "arg": "x", "data": "b"}, {"atom": "norm_l21", "arg": "D x", "weight": 0.8}],
    "strongly convex": [{"atom": "quadratic", "arg": "x", "data": "b"}, {"atom": "l1", "arg": "D x", "weight": 0.8}],
}


@pytest.mark.parametrize(
    ("terms", "dtype", "method"),
    [
        ("piecewise linear", "float64", AnchoredPD3O), ("piecewise linear", "float32", PD3O),
        ("isotropic", "float64", PD3O), ("strongly convex", "float64", PD3O),
    ],
)  # fmt: skip
def test_the_iteration_is_restarted_where_all_terms_are_piecewise_linear(terms, dtype, method) -> None:
    flow = compiled(document(
        {"b": np.random.default_rng(2).random((40, 40))}, dtype=dtype, variables={"x": {"like": "b"}},
        operators={"D": {"gradient": {}}}, terms=PICTURES[terms], policy={"algorithm": "pd3o"}, stop={"maxIterations": 10},
    ))  # fmt: skip
    assert isinstance(flow.choice.method, method)


@pytest.mark.parametrize(("arg", "role"), [("x", "PROX"), ("A x", "DUAL")])
def test_forced_admm_takes_a_loss_by_its_prox_unless_told_not_to(arg, role) -> None:
    def fit(**more):
        return document(
            {"A": np.eye(3)[:2] + 0.1, "b": np.arange(2 if arg != "x" else 3)},
            variables={"x": {"shape": [3]}}, operators={"A": {"matrix": "A"}},
            terms=[{"atom": "huber", "arg": arg, "data": "b", **more}, {"atom": "tv", "arg": "x"}],
            policy={"algorithm": "admm"}, stop={"maxIterations": 10},
        )  # fmt: skip

    flow = compiled(fit())
    assert (flow.choice.method.name, flow.roles[0].role.name) == ("admm", role)
    with pytest.raises(DocumentError, match=r"not quadratic\. .*; or leave `as: smooth` out of flow\.terms\[0\]\.$"):
        compiled(fit(**{"as": "smooth"}))


def test_a_loss_with_a_simple_penalty_keeps_the_cheap_steps() -> None:
    rng = np.random.default_rng(62)
    flow = compiled(document(
        {"X": rng.standard_normal((40, 8)) * np.geomspace(1, 1e4, 8), "y": rng.choice([-1.0, 1.0], 40)},
        variables={"x": {"shape": [8]}}, operators={"X": {"matrix": "X"}},
        terms=[{"atom": "logistic", "arg": "X x", "data": "y"}, {"atom": "l1", "arg": "x", "weight": 0.1}],
        stop={"maxIterations": 10},
    ))  # fmt: skip
    assert flow.choice.method.name == "fista"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"operators": {"K": {"conv": {"kernel": "k", "boundary": "zero"}}, "D": {"gradient": {}}}}, "would take too long"),
        ({"terms": [{"atom": "huber", "arg": "K x", "data": "b", "as": "smooth"}, {"atom": "tv", "arg": "x"}]}, "not quadratic"),
        ({"terms": [{"atom": "quadratic", "arg": "K x", "data": "b"}]}, "no term has a prox"),
        ({"terms": [{"atom": "tv", "arg": "x", "boundary": "periodic"}]}, "without any term"),
    ],
)  # fmt: skip
def test_admm_where_it_cannot_work_says_why(change, why) -> None:
    doc = document(
        {"b": np.ones((100, 100)), "k": np.ones((1, 1))},
        **({
            "variables": {"x": {"like": "b"}},
            "operators": {"K": {"conv": {"kernel": "k"}}, "D": {"gradient": {"boundary": "periodic"}}},
            "terms": [{"atom": "quadratic", "arg": "K x", "data": "b"}, {"atom": "norm_l21", "arg": "D x"}],
            "policy": {"algorithm": "admm"}, "stop": {"maxIterations": 5},
        } | change),
    )  # fmt: skip
    with pytest.raises(DocumentError, match=why) as caught:
        compiled(doc)
    assert caught.value.path == "flow.policy.algorithm"


def test_no_gap_beside_a_second_constraint_names_it() -> None:
    terms = [
        {"atom": "l2_ball", "arg": "x", "data": "b", "radius": 0.2}, {"atom": "norm_l21", "arg": "D x"},
        {"atom": "box", "arg": "x", "lo": 0, "hi": 1},
    ]  # fmt: skip
    one = document(
        {"b": np.eye(4)}, variables={"x": {"like": "b"}}, operators={"D": {"gradient": {}}}, terms=terms,
        stop={"maxIterations": 10, "gap": 1e-3},
    )  # fmt: skip
    with pytest.raises(DocumentError, match=r"flow\.stop\.gap: flow\.terms\[2\], a constraint"):
        compiled(one)
