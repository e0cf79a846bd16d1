"""Several variables, couplings that are not linear, complex numbers, and steps for every entry."""

import cvxpy as cp
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flowapi.errors import DataError, DocumentError
from flowengine import atoms
from flowengine.arithmetic import dot
from kit.solving import carry_of, compiled, document, go, solve, state_bytes

RNG = np.random.default_rng(0)
N = 40
STEPS, SPIKES = np.cumsum(RNG.random(N) < 0.1).astype(float), (RNG.random(N) < 0.1) * 3.0
MIXED = STEPS + SPIKES + 0.05 * RNG.standard_normal(N)


def test_a_signal_apart_into_steps_and_spikes() -> None:
    """U + v = b with total variation of u and an L1 norm of v ≥ 0, against CVXPY."""
    doc = document(
        {"b": MIXED}, variables={"u": {"like": "b"}, "v": {"like": "b"}},
        terms=[
            {"atom": "quadratic", "arg": [{"var": "u"}, {"var": "v"}], "data": "b"}, {"atom": "tv", "arg": "u", "weight": 0.3},
            {"atom": "l1", "arg": "v", "weight": 0.2}, {"atom": "nonnegative", "arg": "v"},
        ],
        stop={"maxIterations": 50_000, "residual": 1e-10},
    )  # fmt: skip
    point, last, flow = solve(doc)
    u, v = cp.Variable(N), cp.Variable(N)
    energy = 0.5 * cp.sum_squares(u + v - MIXED) + 0.3 * cp.norm1(cp.diff(u)) + 0.2 * cp.norm1(v)
    reference = cp.Problem(cp.Minimize(energy), [v >= 0]).solve(solver="CLARABEL")
    assert last.controller == "GREEN"
    assert abs(last.energy - reference) < 1e-7
    assert np.allclose(point["u"], u.value, atol=1e-5)
    assert np.allclose(point["v"], v.value, atol=1e-5)
    assert {one.term.path: one.role.value for one in flow.roles}["flow.terms[1]"] == "dual"


@pytest.mark.parametrize("gradient_first", [True, False])
def test_total_generalised_variation(rng, gradient_first) -> None:
    """Bredies, Kunisch and Pock, SIAM Journal on Imaging Sciences 3, 2010, with v's plain gradient, against CVXPY."""
    b = (
        np.add.outer(np.arange(8.0), np.arange(7.0)) / 5
        + (rng.random((8, 7)) < 0.3)
        + 0.1 * rng.standard_normal((8, 7))
    )
    apart = [{"op": "D", "var": "u"}, {"var": "v", "scale": -1}]
    doc = document(
        {"b": b}, variables={"u": {"like": "b"}, "v": {"shape": [2, 8, 7]}},
        operators={"D": {"gradient": {}}, "E": {"gradient": {"axes": [1, 2]}}},
        terms=[
            {"atom": "quadratic", "arg": "u", "data": "b"},
            {"atom": "norm_l21", "arg": apart if gradient_first else apart[::-1], "weight": 0.2},
            {"atom": "l1", "arg": "E v", "weight": 0.3},
        ],
        stop={"maxIterations": 60_000, "residual": 1e-8},
    )  # fmt: skip
    point, last, _ = solve(doc)
    u, v, w = cp.Variable((8, 7)), cp.Variable((8, 7)), cp.Variable((8, 7))

    def differences(x: cp.Variable) -> list[cp.Expression]:
        zeros = np.zeros((1, 7)), np.zeros((8, 1))
        return [cp.vstack([x[1:] - x[:-1], zeros[0]]), cp.hstack([x[:, 1:] - x[:, :-1], zeros[1]])]

    first = [one - part for one, part in zip(differences(u), (v, w), strict=True)]
    pairs = cp.vstack([cp.vec(one, order="C") for one in first])
    second = sum(cp.sum(cp.abs(one)) for part in (v, w) for one in differences(part))
    energy = 0.5 * cp.sum_squares(u - b) + 0.2 * cp.sum(cp.norm(pairs, axis=0)) + 0.3 * second
    reference = cp.Problem(cp.Minimize(energy)).solve(solver="CLARABEL")
    assert (last.reason, last.controller) == ("Converged", "GREEN")
    assert abs(last.energy - reference) / reference < 1e-6
    assert np.allclose(point["u"], u.value, atol=1e-4)


def test_sums_of_operators_on_several_variables_with_a_gap(rng) -> None:
    A, B, y = rng.standard_normal((20, 15)), rng.standard_normal((20, 10)), rng.standard_normal(20)
    doc = document(
        {"A": A, "B": B, "y": y}, variables={"u": {"shape": [15]}, "v": {"shape": [10]}},
        operators={"A": {"matrix": "A"}, "B": {"matrix": "B"}}, policy={"family": "accelerated"},
        terms=[
            {"atom": "quadratic", "arg": [{"op": "A", "var": "u"}, {"op": "B", "var": "v", "scale": -2}], "data": "y"},
            {"atom": "l1", "arg": "u", "weight": 0.3}, {"atom": "tikhonov", "arg": "v", "weight": 0.2, "as": "prox"},
        ],
        stop={"maxIterations": 50_000, "gap": 1e-9},
    )  # fmt: skip
    point, last, _ = solve(doc)
    u, v = cp.Variable(15), cp.Variable(10)
    energy = 0.5 * cp.sum_squares(A @ u - 2 * B @ v - y) + 0.3 * cp.norm1(u) + 0.1 * cp.sum_squares(v)
    reference = cp.Problem(cp.Minimize(energy)).solve(solver="CLARABEL")
    assert last.reason == "Converged"
    assert 0 <= last.gap < 1e-9
    assert abs(last.energy - reference) < 1e-7
    assert np.allclose(point["u"], u.value, atol=1e-5)


def test_consensus_of_two_halves_is_the_whole(rng) -> None:
    """½‖u − a‖² + ½‖v − b‖² + ½w‖u − v‖² has u = ((1 + w)a + wb)/(1 + 2w)."""
    a, b, w = rng.standard_normal(5), rng.standard_normal(5), 3.0
    doc = document(
        {"a": a, "b": b}, variables={"u": {"like": "a"}, "v": {"like": "b"}}, policy={"family": "accelerated"},
        terms=[
            {"atom": "quadratic", "arg": "u", "data": "a"}, {"atom": "quadratic", "arg": "v", "data": "b"},
            {"atom": "consensus", "arg": "u", "with": "v", "weight": w},
        ],
        stop={"maxIterations": 5000, "residual": 1e-13},
    )  # fmt: skip
    point, _, _ = solve(doc)
    assert np.allclose(point["u"], ((1 + w) * a + w * b) / (1 + 2 * w), atol=1e-10)


def factors(policy, mask=None, every=50):
    W, H = np.random.default_rng(1).random((20, 3)), np.random.default_rng(2).random((15, 3))
    data = {"X": W @ H.T} | ({"m": mask} if mask is not None else {})
    start = {"init": 0.5, "spread": 0.1}
    term = {"atom": "low_rank", "arg": "U", "with": "V", "data": "X", **({"mask": "m"} if mask is not None else {})}
    return W @ H.T, document(
        data, seed=1, variables={"U": {"shape": [20, 3], **start}, "V": {"shape": [15, 3], **start}}, policy=policy,
        terms=[term, {"atom": "nonnegative", "arg": "U"}, {"atom": "nonnegative", "arg": "V"}],
        certificates={"every": every}, stop={"maxIterations": 40_000, "residual": 1e-8},
    )  # fmt: skip


@pytest.mark.parametrize(("policy", "method"), [({}, "palm"), ({"algorithm": "pg"}, "pg")])
def test_nonnegative_factors_of_a_matrix_are_found(policy, method) -> None:
    X, doc = factors(policy)
    point, last, flow = solve(doc)
    assert flow.choice.method.name == method
    assert (last.reason, last.controller) == ("Converged", "GREEN")
    assert np.allclose(point["U"] @ point["V"].T, X, atol=1e-5)
    assert min(point["U"].min(), point["V"].min()) >= 0


def test_factors_fill_in_what_a_mask_leaves_out() -> None:
    mask = (np.random.default_rng(3).random((20, 15)) < 0.8).astype(float)
    X, doc = factors({}, mask)
    point, last, _ = solve(doc)
    assert last.controller == "GREEN"
    assert np.abs(point["U"] @ point["V"].T - X).max() < 1e-2


def test_palm_has_the_same_bits_in_chunks_of_any_size() -> None:
    _, doc = factors({}, every=10)
    flow = compiled(doc)
    whole = state_bytes(go(flow, carry_of(flow), 200))
    for size in (1, 7, 33):
        carry = carry_of(flow)
        for until in [*range(size, 200, size), 200]:
            carry = go(flow, carry, until)
        assert state_bytes(carry) == whole


def test_orthogonality_gives_the_nearest_matrix_with_orthonormal_columns() -> None:
    """The polar factor, as the weight grows."""
    M = np.random.default_rng(4).standard_normal((6, 3))
    doc = document(
        {"M": M}, variables={"U": {"like": "M", "init": "M"}},
        terms=[{"atom": "quadratic", "arg": "U", "data": "M"}, {"atom": "orthogonality", "arg": "U", "weight": 1000}],
        stop={"maxIterations": 20_000, "residual": 1e-9},
    )  # fmt: skip
    point, last, flow = solve(doc)
    left, _, right = np.linalg.svd(M, full_matrices=False)
    assert not flow.problem.convex
    assert last.controller == "GREEN"
    assert np.abs(point - left @ right).max() < 2e-3


COUPLINGS = {
    "low_rank": (atoms.LowRank(jnp.asarray(0.7), jnp.asarray(RNG.standard_normal((4, 3))), None), ((4, 2), (3, 2))),
    "low_rank of vectors": (atoms.LowRank(jnp.asarray(0.7), jnp.asarray(RNG.standard_normal((4, 3))), None), ((4,), (3,))),
    "low_rank with a mask": (
        atoms.LowRank(jnp.asarray(0.7), jnp.asarray(RNG.standard_normal((4, 3))), jnp.asarray(RNG.random((4, 3)))),
        ((4, 2), (3, 2)),
    ),
    "bilinear": (atoms.Bilinear(jnp.asarray(0.7)), ((5,), (5,))),
    "orthogonality": (atoms.Orthogonality(jnp.asarray(0.7)), (4, 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", COUPLINGS)
def test_gradients_of_couplings_are_those_of_automatic_differentiation(rng, name) -> None:
    atom, shapes = COUPLINGS[name]
    pair = isinstance(shapes[0], tuple)
    z = (
        tuple(jnp.asarray(rng.standard_normal(one)) for one in shapes)
        if pair
        else jnp.asarray(rng.standard_normal(shapes))
    )
    ours, theirs = atom.gradient(z), jax.grad(atom.value)(z)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert np.allclose(a, b)


MASK = (RNG.random((16, 16)) < 0.6).astype(float)
SQUARE = np.zeros((16, 16))
SQUARE[4:11, 5:12] = 1
NOISE = RNG.standard_normal((16, 16)) + 1j * RNG.standard_normal((16, 16))
KSPACE = MASK * (np.fft.fft2(SQUARE, norm="ortho") + 0.01 * NOISE)


def test_a_real_image_from_masked_fourier_coefficients() -> None:
    """The adjoint onto a real variable takes the real part; against CVXPY."""
    doc = document(
        {"m": MASK, "y": KSPACE}, variables={"x": {"shape": [16, 16]}}, operators={"F": {"fft": {}}, "M": {"mask": "m"}},
        terms=[{"atom": "quadratic", "arg": "M F x", "data": "y"}, {"atom": "tv", "arg": "x", "weight": 0.02}],
        stop={"maxIterations": 10_000},
    )  # fmt: skip
    point, last, _ = solve(doc)
    x, f = cp.Variable((16, 16)), np.fft.fft(np.eye(16), norm="ortho")
    down = cp.vstack([x[1:] - x[:-1], np.zeros((1, 16))])
    right = cp.hstack([x[:, 1:] - x[:, :-1], np.zeros((16, 1))])
    tv = cp.sum(cp.norm(cp.vstack([cp.vec(down, order="C"), cp.vec(right, order="C")]), 2, axis=0))
    fit = 0.5 * cp.sum_squares(cp.abs(cp.multiply(MASK, f @ x @ f) - KSPACE))
    reference = cp.Problem(cp.Minimize(fit + 0.02 * tv)).solve(solver="CLARABEL")
    assert point.dtype == np.float64
    assert abs(last.energy - reference) < 1e-5
    assert np.allclose(point, x.value, atol=1e-2)


@pytest.mark.parametrize("policy", [{"family": "accelerated"}, {"step": "backtracking"}])
def test_a_complex_lasso(rng, policy) -> None:
    A = rng.standard_normal((20, 40)) + 1j * rng.standard_normal((20, 40))
    b = rng.standard_normal(20) + 1j * rng.standard_normal(20)
    doc = document(
        {"A": A, "b": b}, dtype="complex128", variables={"x": {"shape": [40]}}, operators={"A": {"matrix": "A"}}, policy=policy,
        terms=[{"atom": "quadratic", "arg": "A x", "data": "b"}, {"atom": "l1", "arg": "x", "weight": 2}],
        stop={"maxIterations": 20_000, "gap": 1e-10},
    )  # fmt: skip
    point, last, _ = solve(doc)
    x = cp.Variable(40, complex=True)
    fit = 0.5 * cp.sum_squares(cp.abs(A @ x - b))
    reference = cp.Problem(cp.Minimize(fit + 2 * cp.sum(cp.abs(x)))).solve(solver="CLARABEL")
    assert last.reason == "Converged"
    assert abs(last.energy - reference) < 1e-6
    assert np.allclose(point, x.value, atol=1e-3)


@pytest.mark.parametrize("name", ["quadratic", "l1", "norm_l21", "huber", "nuclear", "l2_ball"])
def test_complex_proxes_are_better_than_any_neighbour(rng, name) -> None:
    data = jnp.asarray(rng.standard_normal((3, 4)) + 1j * rng.standard_normal((3, 4)))
    w = jnp.asarray(0.6)
    atom = {
        "quadratic": atoms.Quadratic(w, data), "l1": atoms.L1(w, data), "norm_l21": atoms.NormL21(w, (0,)),
        "huber": atoms.Huber(w, data, jnp.asarray(0.4)), "nuclear": atoms.Nuclear(w), "l2_ball": atoms.L2Ball(jnp.asarray(1.0), data),
    }[name]  # fmt: skip
    v, step = jnp.asarray(rng.standard_normal((3, 4)) + 1j * rng.standard_normal((3, 4))) * 2, jnp.asarray(0.9)
    z = atom.prox(v, step)

    def cost(point):
        away = point - v
        return float(dot(away, away) / 2 + step * atom.value(point))

    for _ in range(200):
        move = 1e-3 * (rng.standard_normal((3, 4)) + 1j * rng.standard_normal((3, 4)))
        other = atom.prox(z + move, jnp.asarray(0.0)) if name == "l2_ball" else z + move
        assert cost(other) >= cost(z) - 1e-12
    y = atom.prox_conjugate(v, step)
    assert np.allclose(y, v - step * atom.prox(v / step, 1 / step))


@pytest.mark.parametrize(
    ("parts", "path", "words"),
    [
        ({"terms": [{"atom": "box", "arg": "x", "lo": 0}], "dtype": "complex128"}, "flow.terms[0].arg", "real"),
        ({"terms": [{"atom": "quadratic", "arg": "x", "data": "c"}]}, "flow.terms[0].data", "complex128"),
        ({"terms": [{"atom": "low_rank", "arg": "x", "with": "z"}]}, "flow.terms[0].with", r"\(m, r\)"),
        ({"terms": [{"atom": "bilinear", "arg": "x", "with": "z"}]}, "flow.terms[0].with", "equal"),
        ({"terms": [{"atom": "orthogonality", "arg": "x"}]}, "flow.terms[0].arg", "reshape"),
        (
            {"terms": [{"atom": "orthogonality", "arg": "z"}, {"atom": "tv", "arg": "z"}]}, "flow.terms[1]", "smooth terms",
        ),
        ({"terms": [{"atom": "quadratic", "arg": "x"}], "policy": {"algorithm": "palm", "step": 0.1}}, "flow.policy.step", "out"),
        (
            {
                "terms": [{"atom": "quadratic", "arg": "x"}, {"atom": "quadratic", "arg": "z"}],
                "policy": {"algorithm": "palm", "preconditioner": "jacobi"},
            },
            "flow.policy.preconditioner", "out",
        ),
        (
            {"terms": [{"atom": "quadratic", "arg": [{"var": "x"}, {"var": "z"}]}]}, "flow.terms[0].arg", "different shapes",
        ),
        ({"terms": [{"atom": "box", "arg": "x", "hi": -1}, {"atom": "nonnegative", "arg": "x"}]}, "flow.terms[1]", "overlap"),
        (
            {
                "terms": [{"atom": "linear", "arg": "z", "costs": "k"}, {"atom": "box", "arg": "z", "lo": 0}],
                "variables": {"z": {"shape": [3, 2]}}, "policy": {"family": "preconditioned"},
            },
            "flow.policy.family", "curvature",
        ),
        (
            {
                "terms": [
                    {"atom": "linear", "arg": "z", "costs": "k", "as": "dual"}, {"atom": "l1", "arg": "z"},
                    {"atom": "huber", "arg": "z"},
                ],
                "variables": {"z": {"shape": [3, 2]}}, "stop": {"gap": 1e-3},
            },
            "flow.stop.gap", "residual",
        ),
        (
            {"terms": [{"atom": "tv", "arg": "x"}], "variables": {"x": {"like": "nothing"}}}, "flow.variables.x", "no entries",
        ),
        (
            {"terms": [{"atom": "quadratic_form", "arg": "x", "matrix": "H"}], "variables": {"x": {"shape": [2]}}},
            "flow.terms[0].matrix", "complex",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(parts, path, words) -> None:
    whole = {"variables": {"x": {"shape": [4]}, "z": {"shape": [3, 2]}}, "stop": {"maxIterations": 5}, **parts}
    more = {"H": np.array([[1, 1j], [-1j, 1]])} if "quadratic_form" in str(parts) else {}
    with pytest.raises((DocumentError, DataError), match=words) as caught:
        compiled(document({"c": 1j * np.ones(4), "k": np.ones((3, 2)), "nothing": np.ones(0), **more}, **whole))
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("start", "terms"),
    [
        ({"x": {"shape": [4, 2]}}, [{"atom": "orthogonality", "arg": "x"}]),
        (
            {"x": {"shape": [2], "manifold": "sphere", "init": "e"}},
            [{"atom": "quadratic_form", "arg": "x", "matrix": "P"}],
        ),
        (
            {"u": {"shape": [3, 1]}, "v": {"shape": [4, 1]}},
            [{"atom": "low_rank", "arg": "u", "with": "v", "data": "X"}],
        ),
    ],
    ids=["a maximum", "an eigenvector", "a saddle"],
)
def test_a_start_where_nothing_moves_is_warned_of(start, terms) -> None:
    data = {"P": np.diag([3.0, 1.0]), "e": [1.0, 0.0], "X": np.ones((3, 4))}
    used = {name: value for name, value in data.items() if name in str((start, terms))}
    flow = compiled(document(used, variables=start, terms=terms, stop={"maxIterations": 10}))
    assert any("the gradient is 0 where it starts" in one for one in flow.choice.warnings)


def test_a_gap_with_a_shifted_norm_as_dual(rng) -> None:
    """l1 alone as g bounds the dual: whether a dual term's conjugate is finite at one point alone is asked of it."""
    _, end, _ = solve(document(
        {"b": [1.0, 2.0, 3.0], "c": [[0.1, 0.1, 0.1]]}, variables={"x": {"like": "b"}},
        operators={"D": {"gradient": {}}, "S": {"scale": {"by": 2}}}, stop={"maxIterations": 2000, "gap": 1e-6},
        terms=[
            {"atom": "quadratic", "arg": "S x", "data": "b"}, {"atom": "l1", "arg": "x", "weight": 0.1},
            {"atom": "norm_l21", "arg": "D x", "data": "c"},
        ],
    ))  # fmt: skip
    assert end.reason == "Converged"
