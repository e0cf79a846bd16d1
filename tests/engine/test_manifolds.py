"""Variables on spheres, Stiefel manifolds and positive definite matrices: classical problems with closed answers."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from flowapi.errors import DataError, DocumentError
from flowengine.atoms import merge
from flowengine.compiler.choose import choose
from flowengine.loop import rows, snapshot
from kit.solving import carry_of, compiled, document, go, solve, state_bytes

LEFT = {"matrix": {"matrix": "A", "apply": "left"}}
FAR = {"maxIterations": 50_000, "residual": 1e-9}


def on(manifold: str, shape, **start):
    return {"x": {"shape": list(shape), "manifold": manifold, **(start or {"spread": 1})}}


def test_the_smallest_eigenvector_on_the_sphere(rng) -> None:
    A = rng.standard_normal((30, 20))
    doc = document(
        {"P": A.T @ A},
        variables=on("sphere", [20]),
        terms=[{"atom": "quadratic_form", "arg": "x", "matrix": "P"}],
        stop=FAR,
    )
    x, end, flow = solve(doc)
    values, vectors = np.linalg.eigh(A.T @ A)
    assert (end.reason, end.controller, flow.choice.method.name) == ("Converged", "GREEN", "rgd")
    assert not flow.problem.convex
    assert np.isclose(2 * end.energy, values[0], rtol=1e-10)
    assert abs(abs(x @ vectors[:, 0]) - 1) < 1e-10
    assert abs(np.linalg.norm(x) - 1) < 1e-14


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_the_nearest_orthonormal_frame_is_procrustes(dtype, rng) -> None:
    """½‖AQ − B‖² over QᴴQ = I: Schönemann. A reflection may be the answer, so B is near one that is reached."""
    A = rng.standard_normal((20, 4)) + (1j * rng.standard_normal((20, 4)) if dtype == "complex128" else 0)
    turn = np.linalg.qr(rng.standard_normal((4, 4)) + 1j * rng.standard_normal((4, 4)) * (dtype == "complex128"))[0]
    turn = turn if dtype == "complex128" else turn.real
    B = A @ turn + 0.1 * rng.standard_normal((20, 4))
    doc = document(
        {"A": A, "B": B, "q": turn}, dtype=dtype, variables=on("stiefel", [4, 4], init="q"), operators={"A": LEFT},
        terms=[{"atom": "quadratic", "arg": "A x", "data": "B"}], stop=FAR,
    )  # fmt: skip
    x, end, _ = solve(doc)
    u, _, v = np.linalg.svd(A.conj().T @ B)
    assert end.reason == "Converged"
    assert np.abs(x - u @ v).max() < 1e-8


def test_the_smallest_subspace_on_the_stiefel_manifold(rng) -> None:
    A = rng.standard_normal((40, 12))
    doc = document(
        {"A": A},
        variables=on("stiefel", [12, 3]),
        operators={"A": LEFT},
        terms=[{"atom": "quadratic", "arg": "A x"}],
        stop=FAR,
    )
    x, end, _ = solve(doc)
    vectors = np.linalg.eigh(A.T @ A)[1][:, :3]
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    assert np.abs(x @ x.T - vectors @ vectors.T).max() < 1e-7
    assert np.abs(x.T @ x - np.eye(3)).max() < 1e-14


def test_a_covariance_is_estimated_among_positive_definite_matrices(rng) -> None:
    """⟨S, X⟩ − log det X, whose answer is S⁻¹, here of condition 10⁴."""
    turn = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    S = turn @ np.diag(np.logspace(-2, 2, 6)) @ turn.T
    S = (S + S.T) / 2
    doc = document(
        {"S": S, "I": np.eye(6)}, variables=on("spd", [6, 6], init="I"),
        terms=[{"atom": "linear", "arg": "x", "costs": "S"}, {"atom": "log_det", "arg": "x"}], stop=FAR,
    )  # fmt: skip
    x, end, _ = solve(doc)
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    assert np.abs(x - np.linalg.inv(S)).max() < 1e-7 * np.abs(x).max()


def test_the_largest_eigenvalue_by_a_form_that_is_negative_and_far_from_zero(rng) -> None:
    """−P on a sphere has a minimum; a multiple of the unit matrix must not hide the rest from the residual."""
    A = rng.standard_normal((20, 8))
    P = -A.T @ A - 1e6 * np.eye(8)
    doc = document(
        {"P": P}, variables=on("sphere", [8]), terms=[{"atom": "quadratic_form", "arg": "x", "matrix": "P"}],
        stop={"maxIterations": 20_000, "residual": 1e-6},
    )  # fmt: skip
    x, end, _ = solve(doc)
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    assert x @ A.T @ A @ x > np.linalg.eigvalsh(A.T @ A)[-1] * (1 - 1e-8)


def test_a_start_at_the_border_of_a_barrier_makes_no_residual_small() -> None:
    """⟨S, X⟩ − log det X from 10⁻⁸ I, where the gradient is 10⁸ and at 0 not finite."""
    S = np.diag([1.0, 2.0])
    doc = document(
        {"S": S, "i": 1e-8 * np.eye(2)}, variables=on("spd", [2, 2], init="i"),
        terms=[{"atom": "linear", "arg": "x", "costs": "S"}, {"atom": "log_det", "arg": "x"}],
        stop={"maxIterations": 500, "residual": 1e-7},
    )  # fmt: skip
    x, end, _ = solve(doc)
    assert end.reason == "Converged"
    assert np.abs(x - np.linalg.inv(S)).max() < 1e-6


def factors(rng, **parts):
    X = rng.standard_normal((10, 2)) @ rng.standard_normal((2, 7)) + 0.1 * rng.standard_normal((10, 7))
    doc = document(
        {"X": X},
        variables={"U": {"shape": [10, 2], "manifold": "stiefel", "spread": 1}, "V": {"shape": [7, 2], "spread": 1}},
        terms=[{"atom": "low_rank", "arg": "U", "with": "V", "data": "X"}], **{"stop": FAR, **parts},
    )  # fmt: skip
    return X, doc


def test_one_variable_on_a_manifold_beside_one_that_is_free(rng) -> None:
    """½‖X − UVᵀ‖² with orthonormal U: the truncated singular value decomposition (Eckart and Young)."""
    X, doc = factors(rng)
    point, end, _ = solve(doc)
    u, s, v = np.linalg.svd(X, full_matrices=False)
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    assert np.abs(point["U"] @ point["V"].T - (u[:, :2] * s[:2]) @ v[:2]).max() < 1e-7
    assert np.abs(point["U"].T @ point["U"] - np.eye(2)).max() < 1e-14


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_chunks_change_no_bit_and_the_energy_falls_to_the_end(dtype, rng) -> None:
    _, doc = factors(rng, dtype=dtype, stop={"maxIterations": 60}, certificates={"every": 1})
    flow = compiled(doc)
    whole = go(flow, carry_of(flow), 60)
    for size in (1, 7, 33):
        carry = carry_of(flow)
        for until in [*range(size, 60, size), 60]:
            carry = go(flow, carry, until)
        assert state_bytes(carry) == state_bytes(whole)
    energies = [row.energy for row in rows(whole, 0)]
    assert energies[-1] < energies[0] / 2
    energies = energies[10:]  # far from a solution the slopes at both ends of a step may miss that it rises between
    slack = 1e-12 if dtype == "float64" else 1e-5
    assert all(after <= before * (1 + slack) for before, after in itertools.pairwise(energies))
    assert snapshot(whole).controller == "GREEN"


def spiked(seed: int = 3):
    """A covariance of samples with one sparse direction in it."""
    rng = np.random.default_rng(seed)
    u = np.zeros(60)
    u[:6] = [3, -2, 2, 1, -1, 1]
    samples = rng.standard_normal((80, 1)) * u + rng.standard_normal((80, 60))
    return samples.T @ samples / 80


def sparse_component(C, term, **parts):
    return document(
        {"P": -C}, variables=on("sphere", [60]),
        terms=[{"atom": "quadratic_form", "arg": "x", "matrix": "P"}, {"arg": "x", **term}], **{"stop": FAR, **parts},
    )  # fmt: skip


def test_a_sparse_principal_component_by_an_l1() -> None:
    """−½xᵀCx + λ‖x‖₁ on the sphere is stationary where Cx − λs = μx, s ∈ ∂‖x‖₁."""
    C, lam = spiked(), 1.5
    x, end, flow = solve(sparse_component(C, {"atom": "l1", "weight": lam}))
    assert (end.reason, end.controller, flow.choice.method.name) == ("Converged", "GREEN", "pg")
    slope, inside = C @ x, x != 0
    mu = x @ slope - lam * np.abs(x).sum()
    assert set(np.flatnonzero(inside)) <= set(range(6))
    assert np.abs(slope - lam * np.sign(x) - mu * x)[inside].max() < 1e-7
    assert np.abs(slope[~inside]).max() <= lam
    assert np.isclose(end.energy, -x @ slope / 2 + lam * np.abs(x).sum())


@pytest.mark.parametrize(("atom", "more"), [("cardinality", {"count": 4}), ("nonnegative", {})])
def test_principal_components_of_few_entries_and_of_positive_ones(atom, more) -> None:
    """Each is the leading eigenvector of the covariance among the entries that it keeps."""
    C = spiked()
    x, end, _ = solve(sparse_component(C, {"atom": atom, **more}))
    kept = np.flatnonzero(x)
    values, vectors = np.linalg.eigh(C[np.ix_(kept, kept)])
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    assert abs(abs(x[kept] @ vectors[:, -1]) - 1) < 1e-9
    assert np.isclose(-2 * end.energy, values[-1])
    assert len(kept) == 4 if atom == "cardinality" else (x >= 0).all()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_nothing_happens_long_after_nothing_moves_any_more(dtype) -> None:
    """A step that is searched for grows while it may: not until it is infinite."""
    flows = [
        sparse_component(spiked(), {"atom": "cardinality", "count": 4}, dtype=dtype, stop={"maxIterations": 12_000}),
        document(
            {"P": np.diag([1.0, 2, 3]), "e": np.eye(3)[0]}, dtype=dtype, variables=on("sphere", [3], init="e"),
            terms=[{"atom": "quadratic_form", "arg": "x", "matrix": "P"}], stop={"maxIterations": 3000},
        ),
        document(
            {"c": [1.0, 0, -1]}, dtype=dtype, variables={"x": {"shape": [3], "init": 0.5}, "y": {"shape": [3], "init": 0.4}},
            terms=[{"atom": "bilinear", "arg": "x", "with": "y"}, {"atom": "linear", "arg": "x", "costs": "c"}]
            + [{"atom": "box", "arg": name, "lo": 0, "hi": 1} for name in "xy"], stop={"maxIterations": 12_000},
        ),
    ]  # fmt: skip
    for doc in flows:
        _, end, _ = solve(doc)
        assert (end.reason, end.controller) == ("IterationLimit", "GREEN")
        assert end.residual < 1e-5


def test_an_orthogonal_dictionary_is_learned() -> None:
    """½‖Y − DZᵀ‖² + λ‖Z‖₁ with DᵀD = I, from a random start (Lesage and others, ICASSP 2005)."""
    rng = np.random.default_rng(5)
    D = np.linalg.qr(rng.standard_normal((12, 12)))[0]
    codes = rng.standard_normal((200, 12)) * (rng.random((200, 12)) < 0.2)
    doc = document(
        {"Y": D @ codes.T},
        variables={"D": {"shape": [12, 12], "manifold": "stiefel", "spread": 1}, "Z": {"shape": [200, 12]}},
        terms=[{"atom": "low_rank", "arg": "D", "with": "Z", "data": "Y"}, {"atom": "l1", "arg": "Z", "weight": 0.05}],
        stop={"maxIterations": 5000, "residual": 1e-8},
    )
    point, end, flow = solve(doc)
    assert (end.reason, end.controller, flow.choice.method.name) == ("Converged", "GREEN", "palm")
    assert np.abs(point["D"].T @ point["D"] - np.eye(12)).max() < 1e-13
    assert np.abs(D.T @ point["D"]).max(axis=0).min() > 0.999


FORM = {"atom": "quadratic", "arg": "x"}
L1 = {"atom": "l1", "arg": "x"}


@pytest.mark.parametrize(
    ("parts", "path", "words"),
    [
        ({"variables": on("sphere", [4], init=0)}, "flow.variables.x.init", "spread"),
        ({"variables": on("stiefel", [4, 2], init=1)}, "flow.variables.x.init", "spread"),
        ({"stop": {"gap": 1e-3}}, "flow.stop.gap", "Stop at a `residual`.$"),
        ({"variables": on("spd", [3, 3], spread=1)}, "flow.variables.x.init", "unit matrix"),
        ({"variables": on("stiefel", [2, 4])}, "flow.variables.x.manifold", "n ≥ p"),
        ({"variables": on("stiefel", [4])}, "flow.variables.x.manifold", "n ≥ p"),
        ({"variables": on("spd", [3, 2])}, "flow.variables.x.manifold", "spd"),
        ({"variables": on("torus", [3])}, "flow.variables.x.manifold", "sphere"),
        ({"variables": on("stiefel", [4, 2]), "terms": [FORM, L1]}, "flow.terms[1]", "a variable of its own"),
        ({"terms": [FORM, {"atom": "box", "arg": "x", "lo": 0, "hi": 1}]}, "flow.terms[1]", "`nonnegative`"),
        ({"terms": [FORM, L1, L1]}, "flow.terms[2]", "not known"),
        ({"terms": [FORM, {**L1, "arg": "D x"}], "operators": {"D": {"gradient": {}}}}, "flow.terms[1]", "a variable of its own"),
        ({"terms": [{**FORM, "as": "prox"}]}, "flow.terms[0]", "not known"),
        ({"terms": [FORM, {**L1, "as": "dual"}]}, "flow.terms[1].as", "nothing is dual"),
        ({"terms": [FORM, {**L1, "as": "smooth"}]}, "flow.terms[1].as", "no gradient"),
        ({"variables": on("spd", [1, 1], init=1), "terms": [L1]}, "flow.terms[0]", "`spd`"),
        ({"terms": [FORM, L1], "policy": {"algorithm": "rgd"}}, "flow.policy.algorithm", "`pg`"),
        ({"policy": {"algorithm": "pg"}}, "flow.policy.algorithm", "rgd"),
        ({"policy": {"step": 0.1}}, "flow.policy.step", "out"),
        ({"policy": {"family": "preconditioned"}}, "flow.policy.preconditioner", "out"),
        ({"policy": {"algorithm": "ula"}, "variables": on("sphere", [4], spread=1, chains=2)}, "flow.variables.x.manifold", "Remove"),
        ({"policy": {"algorithm": "rgd"}, "variables": {"x": {"shape": [4]}}}, "flow.policy.algorithm", "manifold"),
    ],
)  # fmt: skip
def test_what_is_refused(parts, path, words) -> None:
    whole = {"variables": on("sphere", [4]), "terms": [FORM], "stop": {"maxIterations": 5}, **parts}
    with pytest.raises((DocumentError, DataError), match=words) as caught:
        compiled(document({}, **whole))
    assert caught.value.path == path


def test_an_entry_points_prox_that_leaves_the_manifold_is_refused() -> None:
    flow = compiled(document(
        {}, variables=on("sphere", [4]), terms=[FORM, {"atom": "l1", "arg": "x"}], stop={"maxIterations": 5},
    ))  # fmt: skip
    off = replace(flow.problem, prox=merge([flow.problem.prox.l1]))
    with pytest.raises(DocumentError, match="`atoms.embed"):
        choose(off, flow.document.policy, "flow")
    assert choose(flow.problem, flow.document.policy, "flow").method.name == "pg"
