"""Problems in units of their own, against the solvers of others: linear and quadratic programs, machines, trends."""

import cvxpy as cp
import numpy as np
import pytest
from scipy.optimize import linprog, nnls

from kit.solving import compiled, document, solve

TIGHT = {"solver": "CLARABEL", "tol_gap_abs": 1e-11, "tol_gap_rel": 1e-11, "tol_feas": 1e-11}
EXACTLY = {"maxIterations": 20_000, "residual": 1e-8}


def rule(flow) -> tuple[str, str]:
    return flow.choice.method.name, getattr(flow.choice.method, "rule", "")


def test_a_diet_in_calories_and_milligrams_against_highs() -> None:
    """Stigler, Journal of Farm Economics 27, 1945: rows differ by five orders of magnitude."""
    rng = np.random.default_rng(20)
    units = np.array([2000, 50, 1000, 5, 60, 0.02, 2, 15, 70])
    K = rng.random((9, 30)) * (rng.random((9, 30)) < 0.7) * units[:, None] / 10
    cost, least = rng.random(30) + 0.2, units * 1.0
    x, end, flow = solve(document(
        {"c": cost, "K": K, "least": least, "most": 2 * least}, variables={"x": {"shape": [30]}},
        operators={"K": {"matrix": "K"}},
        terms=[
            {"atom": "linear", "arg": "x", "costs": "c"}, {"atom": "nonnegative", "arg": "x"},
            {"atom": "box", "arg": "K x", "data": "least", "lo": 0}, {"atom": "box", "arg": "K x", "data": "most", "hi": 0},
        ],
        stop=EXACTLY,
    ))  # fmt: skip
    best = linprog(cost, A_ub=np.vstack([-K, K]), b_ub=np.concatenate([-least, 2 * least]))
    assert rule(flow) == ("admm", "anchor")
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    assert end.iteration < 3_000  # not there after 20,000 iterations of pd3o
    assert abs(end.energy - best.fun) / best.fun < 1e-5
    assert x.min() == 0  # the point obeys g to the last bit


def test_a_trend_of_a_quantile_against_cvxpy() -> None:
    """Kim, Koh, Boyd and Gorinevsky, SIAM Review 51, 2009, with Koenker's loss: not there after 20,000 of pd3o."""
    rng = np.random.default_rng(21)
    b = np.interp(np.linspace(0, 1, 80), [0, 0.3, 0.7, 1], [0, 6, -2, 5]) + rng.standard_normal(80)
    second = np.diff(np.eye(80), 2, axis=0)
    _, end, flow = solve(document(
        {"b": b, "S": second}, variables={"x": {"like": "b"}}, operators={"S": {"matrix": "S"}},
        terms=[
            {"atom": "pinball", "arg": "x", "data": "b", "quantile": 0.8}, {"atom": "l1", "arg": "S x", "weight": 10.0},
        ],
        stop=EXACTLY,
    ))  # fmt: skip
    z = cp.Variable(80)
    loss = cp.sum(cp.maximum(0.8 * (b - z), -0.2 * (b - z))) + 10 * cp.norm1(second @ z)
    best = cp.Problem(cp.Minimize(loss)).solve(**TIGHT)
    assert rule(flow) == ("admm", "anchor")
    assert end.reason == "Converged"
    assert abs(end.energy - best) / best < 1e-6


@pytest.mark.parametrize(("n", "k", "seed"), [(150, 3, 31), (64, 2, 2), (60, 1, 4)])
def test_bounds_on_few_entries_of_a_ball_against_cvxpy(n, k, seed) -> None:
    """A prox that couples all entries takes one step for all, whose scale the rows of a few of them must not blow up."""
    cost = np.random.default_rng(seed).standard_normal(n)
    x, end, flow = solve(document(
        {"c": cost, "few": np.arange(k)}, variables={"x": {"shape": [n]}}, operators={"S": {"select": {"indices": "few"}}},
        terms=[
            {"atom": "linear", "arg": "x", "costs": "c"}, {"atom": "l2_ball", "arg": "x", "radius": 1.0},
            {"atom": "box", "arg": "S x", "lo": 0.2},
        ],
        stop=EXACTLY,
    ))  # fmt: skip
    z = cp.Variable(n)
    best = cp.Problem(cp.Minimize(cost @ z), [cp.norm(z) <= 1, z[:k] >= 0.2]).solve(solver="CLARABEL")
    assert flow.choice.method.name == "admm"
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    assert abs(end.energy - best) < 1e-5 * abs(best)
    assert x[:k].min() > 0.2 - 1e-6


def test_the_largest_cut_of_a_ring_relaxed() -> None:
    """Goemans and Williamson, Journal of the ACM 42, 1995: min ⟨W, X⟩, diag X = 1, X ⪰ 0; a ring of 8 is cut whole."""
    ring = np.roll(np.eye(8), 1, axis=1)
    X, end, _ = solve(document(
        {"W": ring + ring.T, "d": 9 * np.arange(8)}, variables={"X": {"shape": [8, 8]}},
        operators={"d": {"select": {"indices": "d"}}},
        terms=[
            {"atom": "linear", "arg": "X", "costs": "W"}, {"atom": "semidefinite", "arg": "X"},
            {"atom": "box", "arg": "d X", "lo": 1, "hi": 1},
        ],
        stop={"maxIterations": 5_000, "residual": 1e-7},
    ))  # fmt: skip
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    assert abs(end.energy + 16) < 1e-4
    assert np.abs(np.diag(X) - 1).max() < 1e-5


def test_a_quadratic_form_of_many_numbers_pays_for_eigenvectors() -> None:
    """The dual of a support vector regression, Smola and Schölkopf, Statistics and Computing 14, 2004."""
    rng, n = np.random.default_rng(28), 300
    points = rng.random((n, 2))
    kernel = np.exp(-8 * ((points[:, None] - points) ** 2).sum(-1))
    y = np.sin(6 * points[:, 0]) + 0.1 * rng.standard_normal(n)
    _, end, flow = solve(document(
        {"K": kernel, "y": -y, "one": np.ones((1, n))}, variables={"a": {"shape": [n]}}, operators={"O": {"matrix": "one"}},
        terms=[
            {"atom": "quadratic_form", "arg": "a", "matrix": "K"}, {"atom": "linear", "arg": "a", "costs": "y"},
            {"atom": "l1", "arg": "a", "weight": 0.1}, {"atom": "box", "arg": "a", "lo": -5, "hi": 5},
            {"atom": "box", "arg": "O a", "lo": 0, "hi": 0},
        ],
        stop={"maxIterations": 20_000, "residual": 1e-6},
    ))  # fmt: skip
    z = cp.Variable(n)
    loss = 0.5 * cp.quad_form(z, cp.psd_wrap(kernel)) - y @ z + 0.1 * cp.norm1(z)
    best = cp.Problem(cp.Minimize(loss), [cp.abs(z) <= 5, cp.sum(z) == 0]).solve(solver="CLARABEL")
    assert flow.choice.method.name == "admm"
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    assert abs(end.energy - best) < 1e-4 * abs(best)


def test_a_machine_on_features_as_they_were_measured_against_cvxpy() -> None:
    """Cortes and Vapnik, Machine Learning 20, 1995, with a bias that nothing shrinks; columns of 0.01 to 1,000."""
    rng = np.random.default_rng(22)
    X = np.exp(rng.standard_normal((200, 8))) * 10.0 ** np.array([0, 1, 2, 3, -1, -2, 0, 1])
    y = np.sign((X / X.std(0) - (X / X.std(0)).mean(0)) @ rng.standard_normal(8) + 0.3 * rng.standard_normal(200))
    point, end, flow = solve(document(
        {"X": X, "y": y, "one": np.ones((200, 1))}, variables={"w": {"shape": [8]}, "bias": {"shape": [1]}},
        operators={"X": {"matrix": "X"}, "O": {"matrix": "one"}},
        terms=[
            {"atom": "tikhonov", "arg": "w"},
            {"atom": "hinge", "arg": [{"op": "X", "var": "w"}, {"op": "O", "var": "bias"}], "data": "y"},
        ],
        stop=EXACTLY,
    ))  # fmt: skip
    w, bias = cp.Variable(8), cp.Variable()
    loss = 0.5 * cp.sum_squares(w) + cp.sum(cp.pos(1 - cp.multiply(y, X @ w + bias)))
    best = cp.Problem(cp.Minimize(loss)).solve(**TIGHT)
    assert rule(flow) == ("admm", "anchor")
    assert end.reason == "Converged"
    assert abs(end.energy - best) / best < 1e-5
    assert np.abs(point["w"] - w.value).max() < 1e-2


@pytest.mark.parametrize("most", [None, 0.1])
def test_a_portfolio_against_cvxpy(most) -> None:
    """Markowitz, Journal of Finance 7, 1952: x on the simplex, with no more than `most` in one place."""
    rng = np.random.default_rng(23)
    F = rng.standard_normal((50, 5))
    S, mean = 0.01 * (F @ F.T + np.diag(rng.random(50))), 0.01 * rng.random(50)
    terms = [
        {"atom": "quadratic_form", "arg": "x", "matrix": "S", "weight": 5.0}, {"atom": "simplex", "arg": "x"},
        {"atom": "linear", "arg": "x", "costs": "m"}, *([{"atom": "box", "arg": "x", "hi": most}] if most else []),
    ]  # fmt: skip
    x, end, flow = solve(document({"S": S, "m": -mean}, variables={"x": {"shape": [50]}}, terms=terms, stop=EXACTLY))
    z = cp.Variable(50)
    held = [z >= 0, cp.sum(z) == 1, *([z <= most] if most else [])]
    best = cp.Problem(cp.Minimize(2.5 * cp.quad_form(z, cp.psd_wrap(S)) - mean @ z), held).solve(**TIGHT)
    assert rule(flow) == (("admm", "residuals") if most else ("pg", ""))
    assert end.reason == "Converged"
    assert abs(end.energy - best) < 1e-8
    assert np.abs(x - z.value).max() < 1e-4


def test_bounds_on_rows_that_differ_by_six_orders_of_magnitude_against_cvxpy() -> None:
    rng = np.random.default_rng(24)
    A, b = rng.standard_normal((40, 10)), rng.standard_normal(40)
    K = rng.standard_normal((15, 10)) * 10.0 ** rng.uniform(-3, 3, 15)[:, None]
    size = np.linalg.norm(K, axis=1)
    most = K @ rng.standard_normal(10) + 0.1 * size
    x, end, flow = solve(document(
        {"A": A, "b": b, "K": K, "most": most}, variables={"x": {"shape": [10]}},
        operators={"A": {"matrix": "A"}, "K": {"matrix": "K"}},
        terms=[{"atom": "quadratic", "arg": "A x", "data": "b"}, {"atom": "box", "arg": "K x", "data": "most", "hi": 0}],
        stop=EXACTLY,
    ))  # fmt: skip
    z = cp.Variable(10)
    held = [(K / size[:, None]) @ z <= most / size]
    best = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(A @ z - b)), held).solve(**TIGHT)
    assert rule(flow) == ("admm", "residuals")
    assert end.reason == "Converged"
    assert abs(end.energy - best) / best < 1e-6
    assert np.abs(x - z.value).max() < 1e-5


def test_a_long_trend_takes_few_iterations() -> None:
    """Second differences of 300 points have a condition of 1e9; 12,500 iterations of pd3o."""
    rng = np.random.default_rng(25)
    b = np.cumsum(rng.standard_normal(300))
    second = np.diff(np.eye(300), 2, axis=0)
    x, end, flow = solve(document(
        {"b": b, "S": second}, variables={"x": {"like": "b"}}, operators={"S": {"matrix": "S"}},
        terms=[{"atom": "quadratic", "arg": "x", "data": "b"}, {"atom": "l1", "arg": "S x", "weight": 100.0}],
        stop=EXACTLY,
    ))  # fmt: skip
    z = cp.Variable(300)
    cp.Problem(cp.Minimize(0.5 * cp.sum_squares(z - b) + 100 * cp.norm1(second @ z))).solve(**TIGHT)
    assert rule(flow) == ("admm", "residuals")
    assert (end.reason, end.iteration < 5_000) == ("Converged", True)
    assert np.abs(x - z.value).max() < 1e-4


@pytest.mark.parametrize("seed", [1, 2])
def test_a_trend_that_is_a_straight_line(seed) -> None:
    """All second differences are 0 at the solution: the ratio of rounding to rounding is no reason to move τ."""
    rng = np.random.default_rng(seed + 100)
    b, second = np.cumsum(rng.standard_normal(200)), np.diff(np.eye(200), 2, axis=0)
    x, end, flow = solve(document(
        {"b": b, "S": second}, variables={"x": {"like": "b"}}, operators={"S": {"matrix": "S"}},
        terms=[{"atom": "quadratic", "arg": "x", "data": "b"}, {"atom": "l1", "arg": "S x", "weight": 1e4}],
        stop=EXACTLY,
    ))  # fmt: skip
    line = np.polyval(np.polyfit(np.arange(200), b, 1), np.arange(200))
    assert rule(flow) == ("admm", "residuals")
    assert (end.reason, end.iteration < 1_000) == ("Converged", True)
    assert np.abs(x - line).max() < 1e-3


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
def test_when_a_variable_is_solved_for_exactly(changes, method) -> None:
    assert compiled(small(**changes)).choice.method.name == method


def test_stencils_of_many_entries_stay_with_cheap_steps() -> None:
    def plain(size):
        terms = [{"atom": "quadratic", "arg": "x", "data": "b"}, {"atom": "tv", "arg": "x"}]
        return compiled(document({"b": np.ones(size)}, variables={"x": {"like": "b"}}, terms=terms, stop={"maxIterations": 5}))  # fmt: skip

    assert (rule(plain(200))[0], rule(plain(300))[0]) == ("admm", "pd3o")


def agree(doc_of, *, tolerance: float = 1e-5) -> dict[str, object]:
    """What `admm` and `pd3o` find is the same; the flows, by method."""
    flows, points = {}, []
    for name in ("admm", "pd3o"):
        point, end, flow = solve(doc_of({"algorithm": name}))
        assert (flow.choice.method.name, end.reason, end.controller) == (name, "Converged", "GREEN")
        flows[name] = flow
        points.append(point if isinstance(point, dict) else {"x": point})
    for name, array in points[0].items():
        assert np.abs(array - points[1][name]).max() < tolerance * (1 + np.abs(array).max())
    return flows


@pytest.mark.parametrize(
    "penalty",
    [{"atom": "norm_l21", "arg": "x", "groups": "g"}, {"atom": "norm_l21", "arg": "x"},
     {"atom": "l2_ball", "arg": "x", "radius": 0.5}, {"atom": "simplex", "arg": "x"}],
    ids=["groups", "norm", "ball", "simplex"],
)  # fmt: skip
def test_penalties_that_couple_entries_take_one_step_for_all(penalty) -> None:
    rng = np.random.default_rng(50)
    data = {"A": rng.standard_normal((12, 6)), "b": rng.standard_normal(12), "K": rng.standard_normal((3, 6))}
    data |= {"g": np.array([0, 0, 0, 1, 1, -1])} if "groups" in penalty else {}

    def doc(policy):
        terms = [
            {"atom": "quadratic", "arg": "A x", "data": "b"},
            penalty,
            {"atom": "box", "arg": "K x", "lo": -0.2, "hi": 0.2},
        ]
        return document(
            data, variables={"x": {"shape": [6]}}, operators={"A": {"matrix": "A"}, "K": {"matrix": "K"}}, terms=terms,
            policy=policy, stop={"maxIterations": 50_000, "residual": 1e-9},
        )  # fmt: skip

    assert compiled(doc({})).choice.method.name == "admm"
    assert agree(doc)["admm"].choice.hypers.tau.shape == ()


def test_several_variables_with_proxes_and_a_step_for_each_entry() -> None:
    rng = np.random.default_rng(51)
    data = {"A": rng.standard_normal((10, 4)), "B": rng.standard_normal((10, 5)), "b": rng.standard_normal(10)}
    flows = agree(lambda policy: document(
        data, variables={"u": {"shape": [4]}, "v": {"shape": [5]}},
        operators={"A": {"matrix": "A"}, "B": {"matrix": "B"}},
        terms=[
            {"atom": "l1", "arg": [{"op": "A", "var": "u"}, {"op": "B", "var": "v"}], "data": "b"},
            {"atom": "nonnegative", "arg": "u"}, {"atom": "simplex", "arg": "v"}, {"atom": "tikhonov", "arg": "v", "weight": 0.1},
        ],
        policy=policy, stop={"maxIterations": 200_000, "residual": 1e-8},
    ), tolerance=1e-3)  # fmt: skip
    tau = flows["admm"].choice.hypers.tau
    assert (tau["u"].shape, tau["v"].shape) == ((4,), ())


def test_a_real_variable_with_a_complex_image() -> None:
    b = np.random.default_rng(52).standard_normal(8)
    agree(lambda policy: document(
        {"b": b}, variables={"x": {"like": "b"}}, operators={"F": {"fft": {}}},
        terms=[
            {"atom": "quadratic", "arg": "x", "data": "b"}, {"atom": "l1", "arg": "F x", "weight": 0.3, "as": "dual"},
            {"atom": "tv", "arg": "x", "weight": 0.1},
        ],
        policy=policy, stop={"maxIterations": 50_000, "residual": 1e-9},
    ))  # fmt: skip


def test_a_gap_that_the_quick_steps_can_show_is_shown() -> None:
    """Quadratics leave the prox to be solved for, and with them goes the dual's finite value."""
    b = np.random.default_rng(53).random((12, 12))
    terms = [{"atom": "quadratic", "arg": "x", "data": "b"}, {"atom": "tv", "arg": "x", "weight": 0.1}]
    for stop, method in (({"gap": 1e-6}, "pd3o"), ({"residual": 1e-6}, "admm")):
        _, end, flow = solve(
            document({"b": b}, variables={"x": {"like": "b"}}, terms=terms, stop={"maxIterations": 20_000, **stop})
        )
        assert (flow.choice.method.name, end.reason) == (method, "Converged")


@pytest.mark.parametrize("policy", [{}, {"algorithm": "admm", "step": 0.5}])
@pytest.mark.parametrize("kind", ["number", "nothing", "anchored"])
def test_the_smallest_problems_and_a_given_step(kind, policy) -> None:
    data, variables = (
        {"Z": np.zeros((3, 4)), "b": np.arange(4.0), "c": np.array(3.0)},
        {"x": {"shape": [4], "init": 1.0}},
    )
    operators = {"Z": {"matrix": "Z"}}
    terms = [{"atom": "quadratic", "arg": "x", "data": "b"}, {"atom": "l1", "arg": "Z x"}]
    if kind == "number":
        operators, variables = {}, {"x": {"shape": [], "init": 1.0}}
        terms = [{"atom": "l1", "arg": "x"}, {"atom": "box", "arg": "x", "lo": 0.5, "as": "dual"}]
    if kind == "anchored":
        terms = [{"atom": "l1", "arg": "x", "data": "b"}, {"atom": "box", "arg": "Z x", "lo": -1}]
    used = {name: data[name] for name in ("Z", "b") if kind != "number"}
    x, end, flow = solve(document(
        used, variables=variables, operators=operators, terms=terms, policy=policy,
        stop={"maxIterations": 5_000, "residual": 1e-8},
    ))  # fmt: skip
    assert (flow.choice.method.name, end.reason) == ("admm", "Converged")
    assert np.allclose(x, 0.5 if kind == "number" else np.arange(4.0), atol=1e-6)


def test_a_wide_sparse_matrix_stays_with_cheap_steps() -> None:
    """Written out, its rows would fill the memory."""
    terms = [{"atom": "l1", "arg": "A x"}, {"atom": "box", "arg": "x", "lo": 1}]
    A = np.ones((100_000, 200), np.float32)
    doc = document({"A": A}, variables={"x": {"shape": [200]}}, operators={"A": {"matrix": "A"}}, terms=terms, stop={"maxIterations": 5})  # fmt: skip
    assert compiled(doc).choice.method.name == "pd3o"


def test_units_in_float32_break_no_gate() -> None:
    rng = np.random.default_rng(54)
    X = np.exp(rng.standard_normal((100, 6))) * 10.0 ** np.array([0, 2, 3, -2, 1, -1])
    y = np.sign(rng.standard_normal(100))
    _, end, flow = solve(document(
        {"X": X, "y": y}, dtype="float32", variables={"w": {"shape": [6]}}, operators={"X": {"matrix": "X"}},
        terms=[{"atom": "tikhonov", "arg": "w"}, {"atom": "hinge", "arg": "X w", "data": "y"}],
        stop={"maxIterations": 5_000, "residual": 1e-5},
    ))  # fmt: skip
    assert flow.choice.method.name == "admm"
    assert end.controller == "GREEN"


@pytest.mark.parametrize("n", [31, 32, 64])
def test_forced_without_a_dual_term(n) -> None:
    """Nonnegative least squares: as many columns as the batches they are made in, too."""
    rng = np.random.default_rng(n)
    A, b = rng.standard_normal((n + 8, n)), rng.standard_normal(n + 8)
    x, end, flow = solve(document(
        {"A": A, "b": b}, variables={"x": {"shape": [n]}}, operators={"A": {"matrix": "A"}},
        terms=[{"atom": "quadratic", "arg": "A x", "data": "b"}, {"atom": "nonnegative", "arg": "x"}],
        policy={"algorithm": "admm"}, stop=EXACTLY,
    ))  # fmt: skip
    assert (rule(flow)[0], end.reason) == ("admm", "Converged")
    assert np.abs(x - nnls(A, b)[0]).max() < 1e-6
