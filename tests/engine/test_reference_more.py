"""More published problems against other people's solvers: sparse classification, entropies, graphs, counts, momentum."""

import warnings

import numpy as np
import pytest
from scipy.sparse.csgraph import laplacian
from sklearn.linear_model import ElasticNet, LogisticRegression

from flowapi.errors import DocumentError
from kit.solving import document, solve

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import cvxpy as cp

TIGHT = {"solver": cp.CLARABEL, "tol_gap_abs": 1e-9, "tol_gap_rel": 1e-9, "tol_feas": 1e-9}
RNG = np.random.default_rng(3)
A = RNG.standard_normal((40, 15))
B = A @ np.where(RNG.random(15) < 0.4, RNG.standard_normal(15), 0) + 0.05 * RNG.standard_normal(40)
FIT = {"atom": "quadratic", "arg": "A w", "data": "b"}


def regression(terms, data=None, *, init=0.0, policy=None, **stop):
    return document(
        {"A": A, "b": B, **(data or {})}, variables={"w": {"shape": [15], "init": init}},
        operators={"A": {"matrix": "A"}}, terms=terms, policy=policy or {"family": "accelerated"},
        stop=stop or {"maxIterations": 200_000, "residual": 1e-12},
    )  # fmt: skip


def test_elastic_net_against_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    X, w = rng.standard_normal((100, 60)), np.zeros(60)
    w[:8] = rng.standard_normal(8)
    y = X @ w + 0.05 * rng.standard_normal(100)
    doc = document(
        {"A": X, "b": y}, variables={"w": {"shape": [60]}}, operators={"A": {"matrix": "A"}},
        terms=[FIT, {"atom": "elastic_net", "arg": "w", "l1": 100 * 0.05 * 0.7, "l2": 100 * 0.05 * 0.3}],
        stop={"maxIterations": 200_000, "residual": 1e-13},
    )  # fmt: skip
    x, _, _ = solve(doc)
    wanted = ElasticNet(0.05, l1_ratio=0.7, fit_intercept=False, tol=1e-14, max_iter=10**6).fit(X, y).coef_
    assert np.abs(x - wanted).max() < 1e-8


@pytest.mark.parametrize("step", [None, "backtracking"])
def test_sparse_logistic_regression_against_scikit_learn(step) -> None:
    rng = np.random.default_rng(2)
    X = rng.standard_normal((200, 60))
    y = np.where(X[:, :5] @ rng.standard_normal(5) + 0.5 * rng.standard_normal(200) > 0, 1, -1)
    doc = document(
        {"A": X, "labels": y}, variables={"w": {"shape": [60]}}, operators={"A": {"matrix": "A"}},
        terms=[{"atom": "logistic", "arg": "A w", "data": "labels"}, {"atom": "l1", "arg": "w", "weight": 4.0}],
        policy={"family": "accelerated", **({"step": step} if step else {})},
        stop={"maxIterations": 20_000, "residual": 1e-12},
    )  # fmt: skip
    x, end, flow = solve(doc)
    model = LogisticRegression(
        l1_ratio=1.0, C=1 / 4.0, solver="liblinear", fit_intercept=False, tol=1e-12, max_iter=100_000, random_state=0
    )
    wanted = model.fit(X, y).coef_[0]
    assert flow.choice.method.name == "fista"
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    assert np.abs(x - wanted).max() < 1e-7


def test_momentum_takes_fewer_iterations_and_gives_the_same_answer() -> None:
    terms = [FIT, {"atom": "l1", "arg": "w", "weight": 0.5}]
    plain = solve(regression(terms, policy={"family": "basic"}))
    fast = solve(regression(terms))
    assert (plain[2].choice.method.name, fast[2].choice.method.name) == ("pg", "fista")
    assert np.abs(plain[0] - fast[0]).max() < 1e-9
    assert fast[1].iteration <= plain[1].iteration


def test_the_gap_of_a_logistic_flow_closes() -> None:
    labels = np.where(B > 0, 1, -1)
    terms = [{"atom": "logistic", "arg": "A w", "data": "y"}, {"atom": "l1", "arg": "w", "weight": 1.0}]
    _, end, _ = solve(regression(terms, {"y": labels}, maxIterations=50_000, gap=1e-11))
    assert end.reason == "Converged"
    assert -1e-13 < end.gap <= 1e-11


CONSTRAINTS = {
    "simplex": ({"atom": "simplex", "arg": "w", "total": 2.0}, lambda z: [z >= 0, cp.sum(z) == 2]),
    "l1_ball": ({"atom": "l1_ball", "arg": "w", "radius": 1.5}, lambda z: [cp.norm(z, 1) <= 1.5]),
    "l2_ball": ({"atom": "l2_ball", "arg": "w", "radius": 0.7}, lambda z: [cp.norm(z, 2) <= 0.7]),
    "knapsack": ({"atom": "knapsack", "arg": "w", "costs": "c", "budget": -1.0}, lambda z: [np.arange(15) @ z <= -1]),
    "affine": ({"atom": "affine", "arg": "w", "matrix": "E", "data": "r"}, lambda z: [A[:3] @ z == [1.0, 2.0, 3.0]]),
}


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_constrained_least_squares_against_cvxpy(name) -> None:
    term, constraints = CONSTRAINTS[name]
    x, end, _ = solve(regression([FIT, term], {"c": np.arange(15), "E": A[:3], "r": [1.0, 2.0, 3.0]}))
    z = cp.Variable(15)
    cp.Problem(cp.Minimize(0.5 * cp.sum_squares(A @ z - B)), constraints(z)).solve(**TIGHT)
    assert end.reason == "Converged"
    assert np.abs(x - z.value).max() < 2e-5


ENERGIES = {
    "huber": ([{"atom": "huber", "arg": "A w", "data": "b", "delta": 0.1}, {"atom": "tikhonov", "arg": "w"}],
              lambda z: 0.5 * cp.sum(cp.huber(A @ z - B, 0.1)) + 0.5 * cp.sum_squares(z)),
    "entropy": ([FIT, {"atom": "negative_entropy", "arg": "w"}],
                lambda z: 0.5 * cp.sum_squares(A @ z - B) - cp.sum(cp.entr(z))),
    "relative entropy": ([FIT, {"atom": "relative_entropy", "arg": "w", "data": "p"}],
                         lambda z: 0.5 * cp.sum_squares(A @ z - B) + cp.sum(cp.kl_div(z, np.full(15, 0.3)))),
    "barrier": ([FIT, {"atom": "log_barrier", "arg": "w"}],
                lambda z: 0.5 * cp.sum_squares(A @ z - B) - cp.sum(cp.log(z))),
    "l1 misfit": ([{"atom": "l1", "arg": "A w", "data": "b"}, {"atom": "tikhonov", "arg": "w"}],
                  lambda z: cp.norm(A @ z - B, 1) + 0.5 * cp.sum_squares(z)),
    "groups": ([FIT, {"atom": "norm_l21", "arg": "w", "groups": "g", "groupWeights": "v", "weight": 3.0}],
               lambda z: 0.5 * cp.sum_squares(A @ z - B)
               + 3 * sum(v * cp.norm(z[5 * i:5 * i + 5], 2) for i, v in enumerate((1.0, 0.5, 2.0)))),
}  # fmt: skip


@pytest.mark.parametrize("name", ENERGIES)
def test_regularised_regression_against_cvxpy(name) -> None:
    terms, energy = ENERGIES[name]
    data = {"p": np.full(15, 0.3), "g": np.arange(15) // 5, "v": [1.0, 0.5, 2.0]}
    x, end, _ = solve(regression(terms, data, init=0.2, maxIterations=100_000, residual=1e-10))
    z = cp.Variable(15)
    cp.Problem(cp.Minimize(energy(z))).solve(solver=cp.CLARABEL)
    assert end.reason == "Converged"
    assert np.abs(x - z.value).max() < 1e-4


def test_counts_under_a_blur_with_total_variation_against_cvxpy() -> None:
    """Poisson data behind an operator: no Lipschitz constant, so by the prox of its conjugate."""
    rng = np.random.default_rng(5)
    M = rng.random((30, 20)) * (rng.random((30, 20)) < 0.3) + 0.01
    truth = np.repeat([4.0, 1.0, 9.0, 2.0], 5)
    counts = rng.poisson(M @ truth)
    doc = document(
        {"M": M, "d": counts}, variables={"x": {"shape": [20], "init": 1.0}}, operators={"M": {"matrix": "M"}},
        terms=[
            {"atom": "poisson", "arg": "M x", "data": "d"}, {"atom": "tv", "arg": "x", "weight": 0.3},
            {"atom": "nonnegative", "arg": "x"},
        ],
        stop={"maxIterations": 400_000, "residual": 1e-10},
    )  # fmt: skip
    x, end, flow = solve(doc)
    z = cp.Variable(20)
    energy = cp.sum(M @ z) - counts @ cp.log(M @ z) + 0.3 * cp.norm(cp.diff(z), 1)
    best = cp.Problem(cp.Minimize(energy), [z >= 0]).solve(**TIGHT)
    assert [one.role.value for one in flow.roles] == ["dual", "dual", "prox"]
    assert end.reason == "Converged"
    assert abs(end.energy - best) / abs(best) < 1e-7
    assert np.abs(x - z.value).max() < 1e-3


def test_matrix_completion_against_cvxpy() -> None:
    rng = np.random.default_rng(6)
    truth = rng.standard_normal((10, 2)) @ rng.standard_normal((2, 8))
    mask = (rng.random(truth.shape) < 0.6).astype(float)
    doc = document(
        {"m": mask, "b": mask * truth}, variables={"X": {"like": "b"}}, operators={"M": {"mask": "m"}},
        terms=[{"atom": "quadratic", "arg": "M X", "data": "b"}, {"atom": "nuclear", "arg": "X", "weight": 0.5}],
        policy={"family": "accelerated"}, stop={"maxIterations": 20_000, "residual": 1e-10},
    )  # fmt: skip
    x, end, _ = solve(doc)
    z = cp.Variable(truth.shape)
    objective = 0.5 * cp.sum_squares(cp.multiply(mask, z) - mask * truth) + 0.5 * cp.normNuc(z)
    cp.Problem(cp.Minimize(objective)).solve(solver=cp.CLARABEL)
    assert end.reason == "Converged"
    assert np.abs(x - z.value).max() < 1e-4


def test_a_signal_on_a_graph_against_linear_algebra_and_cvxpy() -> None:
    edges = np.array([[0, 1], [1, 2], [2, 0], [2, 3], [3, 4], [4, 5], [5, 3]])
    weights = np.array([1.0, 2.0, 1.0, 0.1, 1.0, 3.0, 1.0])
    b = np.array([1.0, 1.2, 0.9, -1.0, -1.1, -0.8])
    adjacency = np.zeros((6, 6))
    adjacency[edges[:, 0], edges[:, 1]] = adjacency[edges[:, 1], edges[:, 0]] = weights

    def flow(atom):
        return document(
            {"b": b, "e": edges, "w": weights}, variables={"x": {"like": "b"}},
            terms=[
                {"atom": "quadratic", "arg": "x", "data": "b"},
                {"atom": atom, "arg": "x", "edges": "e", "weights": "w", "weight": 0.3},
            ],
            stop={"maxIterations": 50_000, "residual": 1e-13},
        )  # fmt: skip

    x, _, _ = solve(flow("dirichlet"))
    assert np.abs(x - np.linalg.solve(np.eye(6) + 0.3 * laplacian(adjacency), b)).max() < 1e-10
    x, _, _ = solve(flow("graph_tv"))
    z = cp.Variable(6)
    variation = weights @ cp.abs(z[edges[:, 0]] - z[edges[:, 1]])
    cp.Problem(cp.Minimize(0.5 * cp.sum_squares(z - b) + 0.3 * variation)).solve(**TIGHT)
    assert np.abs(x - z.value).max() < 1e-6


def test_softmax_regression_against_scikit_learn() -> None:
    rng = np.random.default_rng(7)
    X = rng.standard_normal((120, 6))
    y = np.argmax(X @ rng.standard_normal((6, 3)) + 0.5 * rng.standard_normal((120, 3)), axis=1)
    doc = document(
        {"X": X, "y": y}, variables={"W": {"shape": [6, 3]}}, operators={"M": {"matrix": {"matrix": "X", "apply": "left"}}},
        terms=[{"atom": "cross_entropy", "arg": "M W", "data": "y"}, {"atom": "tikhonov", "arg": "W", "weight": 2.0}],
        policy={"family": "accelerated"}, stop={"maxIterations": 20_000, "residual": 1e-13},
    )  # fmt: skip
    x, _, _ = solve(doc)
    wanted = LogisticRegression(C=1 / 2.0, fit_intercept=False, tol=1e-12, max_iter=10_000).fit(X, y).coef_.T
    assert np.abs(x - wanted).max() < 1e-6


def test_a_sparse_answer_by_counting_is_a_local_one() -> None:
    """Iterative hard thresholding recovers an exactly sparse signal from enough measurements."""
    rng = np.random.default_rng(8)
    X, w = rng.standard_normal((80, 40)), np.zeros(40)
    w[[3, 17, 31]] = [2.0, -1.5, 1.0]
    doc = document(
        {"A": X, "b": X @ w}, variables={"w": {"shape": [40]}}, operators={"A": {"matrix": "A"}},
        terms=[FIT, {"atom": "cardinality", "arg": "w", "count": 3}],
        policy={"family": "accelerated"}, stop={"maxIterations": 5_000, "residual": 1e-12},
    )  # fmt: skip
    x, end, flow = solve(doc)
    assert flow.choice.method.name == "pg"
    assert any("not convex" in reason for reason in flow.choice.reasons)
    assert end.reason == "Converged"
    assert np.abs(x - w).max() < 1e-9


def deblurring(**policy):
    rng = np.random.default_rng(9)
    kernel = np.outer([0.05, 0.25, 0.4, 0.2, 0.1], [0.1, 0.2, 0.4, 0.3, 0.0])
    grid = np.zeros((24, 24))
    grid[:5, :5] = kernel
    spectrum = np.fft.fft2(np.roll(grid, (-2, -2), (0, 1)))
    truth = np.kron(rng.random((4, 4)), np.ones((6, 6)))
    b = np.fft.ifft2(np.fft.fft2(truth) * spectrum).real + 0.01 * rng.standard_normal((24, 24))
    return document(
        {"b": b, "k": kernel}, variables={"x": {"like": "b", "init": "b"}},
        operators={"K": {"conv": {"kernel": "k"}}, "D": {"gradient": {"boundary": "periodic"}}},
        terms=[{"atom": "quadratic", "arg": "K x", "data": "b"}, {"atom": "norm_l21", "arg": "D x", "weight": 0.005}],
        policy=policy, stop={"maxIterations": 100_000, "residual": 1e-9},
    )  # fmt: skip


def test_admm_and_pd3o_agree_on_a_periodic_problem_and_admm_is_chosen_and_quicker() -> None:
    x, end, flow = solve(deblurring(family="accelerated"))
    y, other, plain = solve(deblurring(family="accelerated", algorithm="pd3o"))
    assert (flow.choice.method.name, plain.choice.method.name) == ("admm", "pd3o")
    assert (end.reason, end.controller, other.reason) == ("Converged", "GREEN", "Converged")
    assert abs(end.energy - other.energy) / other.energy < 1e-9
    assert np.abs(x - y).max() < 1e-4
    assert end.iteration < other.iteration < 5_000  # with a fixed ratio of the steps neither was there after 20,000


def test_a_square_root_lasso_with_bounds_on_a_product() -> None:
    """Belloni, Chernozhukov and Wang, Biometrika 98, 2011, beside Cx ≤ d: terms that compare with data."""
    rng = np.random.default_rng(12)
    A, C, truth = rng.standard_normal((30, 12)), rng.standard_normal((5, 12)), np.r_[1.0, -2, 3, np.zeros(9)]
    b, d = A @ truth + 0.1 * rng.standard_normal(30), C @ truth - 0.05
    doc = document(
        {"A": A, "b": b, "C": C, "d": d}, variables={"x": {"shape": [12]}},
        operators={"A": {"matrix": "A"}, "C": {"matrix": "C"}},
        terms=[
            {"atom": "norm_l21", "arg": "A x", "data": "b"}, {"atom": "l1", "arg": "x", "weight": 0.5},
            {"atom": "box", "arg": "C x", "data": "d", "hi": 0},
        ],
        stop={"maxIterations": 50_000, "residual": 1e-9},
    )  # fmt: skip
    found, end, _ = solve(doc)
    x = cp.Variable(12)
    reference = cp.Problem(cp.Minimize(cp.norm(A @ x - b) + 0.5 * cp.norm1(x)), [C @ x <= d]).solve(solver="CLARABEL")
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    assert abs(end.energy - reference) / reference < 1e-7
    assert np.abs(found - x.value).max() < 1e-4


def test_trend_filtering_and_a_support_vector_machine_settle() -> None:
    """Where primal and dual moves turn about each other, a ratio of the steps that followed every turn never settled.

    Kim, Koh, Boyd and Gorinevsky, SIAM Review 51, 2009; Cortes and Vapnik, Machine Learning 20, 1995.
    """
    rng = np.random.default_rng(11)
    b = np.interp(np.arange(60), [0, 20, 40, 59], [0, 6, -2, 5]) + 0.3 * rng.standard_normal(60)
    second = np.diff(np.eye(60), 2, axis=0)
    doc = document(
        {"b": b, "S": second}, variables={"x": {"like": "b"}}, operators={"S": {"matrix": "S"}},
        terms=[{"atom": "quadratic", "arg": "x", "data": "b"}, {"atom": "l1", "arg": "S x", "weight": 10.0}],
        stop={"maxIterations": 20_000, "residual": 1e-7},
    )  # fmt: skip
    x, end, _ = solve(doc)
    trend = cp.Variable(60)
    cp.Problem(cp.Minimize(0.5 * cp.sum_squares(trend - b) + 10 * cp.norm1(second @ trend))).solve(solver="CLARABEL")
    assert end.reason == "Converged"
    assert np.abs(x - trend.value).max() < 1e-4

    points = rng.standard_normal((50, 4))
    signs = np.sign(points @ [1, -1, 0.5, 0] + 0.3 * rng.standard_normal(50))
    doc = document(
        {"A": signs[:, None] * points, "t": signs[:, None]},
        variables={"w": {"shape": [4]}, "bias": {"shape": [1]}, "slack": {"shape": [50]}},
        operators={"A": {"matrix": "A"}, "T": {"matrix": "t"}},
        terms=[
            {"atom": "tikhonov", "arg": "w"}, {"atom": "l1", "arg": "slack"}, {"atom": "nonnegative", "arg": "slack"},
            {"atom": "box", "arg": [{"op": "A", "var": "w"}, {"op": "T", "var": "bias"}, {"var": "slack"}], "lo": 1},
        ],
        stop={"maxIterations": 20_000, "residual": 1e-7},
    )  # fmt: skip
    point, end, _ = solve(doc)
    w, bias = cp.Variable(4), cp.Variable()
    hinge = cp.sum(cp.pos(1 - cp.multiply(signs, points @ w + bias)))
    reference = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(w) + hinge)).solve(solver="CLARABEL")
    assert end.reason == "Converged"
    assert abs(end.energy - reference) / reference < 1e-5
    assert np.abs(point["w"] - w.value).max() < 1e-4


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
        {"b": np.ones((40, 40)), "k": np.ones((1, 1))},
        **({
            "variables": {"x": {"like": "b"}},
            "operators": {"K": {"conv": {"kernel": "k"}}, "D": {"gradient": {"boundary": "periodic"}}},
            "terms": [{"atom": "quadratic", "arg": "K x", "data": "b"}, {"atom": "norm_l21", "arg": "D x"}],
            "policy": {"algorithm": "admm"}, "stop": {"maxIterations": 5},
        } | change),
    )  # fmt: skip
    with pytest.raises(DocumentError, match=why) as caught:
        solve(doc)
    assert caught.value.path == "flow.policy.algorithm"


def test_a_search_that_starts_beyond_the_domain_is_refused_and_one_within_finds_the_same() -> None:
    rng = np.random.default_rng(11)
    M, counts = rng.random((30, 8)), rng.poisson(5.0, 30)

    def flow(init, policy):
        return document(
            {"M": M, "d": counts}, variables={"x": {"shape": [8], "init": init}}, operators={"M": {"matrix": "M"}},
            terms=[
                {"atom": "kullback_leibler", "arg": "M x", "data": "d"}, {"atom": "tikhonov", "arg": "x", "weight": 0.1},
                {"atom": "nonnegative", "arg": "x"},
            ],
            policy=policy, stop={"maxIterations": 100_000, "residual": 1e-11},
        )  # fmt: skip

    searched = {"family": "accelerated", "step": "backtracking"}
    with pytest.raises(DocumentError, match="no finite gradient") as caught:
        solve(flow(0.0, searched))
    assert caught.value.path == "flow.variables.x.init"
    x, end, found = solve(flow(1.0, searched))
    y, _, dual = solve(flow(1.0, {}))
    assert (found.choice.method.name, dual.choice.method.name, end.reason) == ("fista", "admm", "Converged")
    assert np.abs(x - y).max() < 1e-7
