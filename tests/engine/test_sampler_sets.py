"""Variables within bounds or on a simplex are sampled exactly: moments by closed forms and quadrature."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import truncnorm

from flowengine.steps import potential, smooth_gradient
from flowengine.steps.charts import moved, slope
from kit.solving import compiled, document, sampled


@pytest.mark.parametrize(
    ("policy", "bounds", "lo", "hi"),
    [
        ({"family": "langevin"}, {"atom": "nonnegative", "arg": "w"}, [0, 0], [np.inf, np.inf]),
        ({"algorithm": "hmc"}, {"atom": "box", "arg": "w", "lo": -1, "hi": 0.5, "data": "m"}, [-2, -0.5], [-0.5, 1]),
    ],
)
def test_bounds_are_sampled_exactly(policy, bounds, lo, hi) -> None:
    """A Gaussian around (−1, ½) within bounds: for w ≥ 0 its means are 0.525 and 1.009."""
    mean = np.array([-1.0, 0.5])
    outputs = [{kind: "w", "burn": 300} for kind in ("mean", "var", "ess")]
    found, last = sampled(document(
        {"m": mean}, seed=1, variables={"w": {"shape": [2], "init": 9.0, "chains": 32}},
        terms=[{"atom": "quadratic", "arg": "w", "data": "m"}, bounds], policy=policy, outputs=outputs,
        stop={"maxIterations": 4000},
    ))  # fmt: skip
    exact = truncnorm(lo - mean, hi - mean, mean)
    assert last.controller == "GREEN"
    assert (np.abs(found["w_mean"] - exact.mean()) < 4 * np.sqrt(exact.var() / found["w_ess"])).all()
    assert np.allclose(found["w_var"], exact.var(), rtol=0.05)


def test_a_gaussian_on_a_simplex_has_the_moments_of_its_quadrature() -> None:
    """exp(−5‖x − m‖²) where x ≥ 0 and Σ x = 2, of three entries, two of which pull beyond an edge."""
    mean, n = np.array([1.5, 0.9, -0.3]), 800
    first, second = np.meshgrid(*[2 * (np.arange(n) + 0.5) / n] * 2)
    at = np.stack([first, second, 2 - first - second], axis=-1)
    density = np.exp(-5 * ((at - mean) ** 2).sum(axis=-1)) * (at[..., 2] > 0)
    exact = (density[..., None] * at).sum(axis=(0, 1)) / density.sum()
    variance = (density[..., None] * (at - exact) ** 2).sum(axis=(0, 1)) / density.sum()
    found, last = sampled(document(
        {"m": mean}, seed=1, variables={"x": {"shape": [3], "chains": 32}},
        terms=[{"atom": "quadratic", "arg": "x", "data": "m", "weight": 10.0}, {"atom": "simplex", "arg": "x", "total": 2.0}],
        policy={"algorithm": "hmc"}, outputs=[{kind: "x", "burn": 500} for kind in ("mean", "var", "ess")],
        stop={"maxIterations": 3000},
    ))  # fmt: skip
    assert last.controller == "GREEN"
    assert (np.abs(found["x_mean"] - exact) < 4 * np.sqrt(variance / found["x_ess"])).all()
    assert np.allclose(found["x_var"], variance, rtol=0.05)
    assert (found["x_ess"] > 5_000).all()


def test_counts_of_several_kinds_have_the_distribution_of_dirichlet() -> None:
    """Σ x − b log x at temperature T, on each row's simplex, is Dirichlet's with 1 + b/T; beside it a half of a Gaussian."""
    counts = np.array([[8.0, 2.0, 0.0], [1.0, 0.0, 30.0]])
    found, last = sampled(document(
        {"b": counts, "z": np.zeros(2)}, seed=2,
        variables={"p": {"shape": [2, 3], "init": 1 / 3, "chains": 32}, "w": {"shape": [2], "init": 1.0, "chains": 32}},
        terms=[
            {"atom": "poisson", "arg": "p", "data": "b"}, {"atom": "simplex", "arg": "p", "axis": 1},
            {"atom": "quadratic", "arg": "w", "data": "z"}, {"atom": "nonnegative", "arg": "w"},
        ],
        policy={"family": "langevin", "temperature": 2.0}, stop={"maxIterations": 6000},
        outputs=[{kind: name, "burn": 500} for kind in ("mean", "var", "ess") for name in ("p", "w")],
    ))  # fmt: skip
    shares = 1 + counts / 2
    whole = shares.sum(axis=1, keepdims=True)
    mean = shares / whole
    variance = mean * (1 - mean) / (whole + 1)
    assert last.controller == "GREEN"
    assert (np.abs(found["p_mean"] - mean) < 4 * np.sqrt(variance / found["p_ess"])).all()
    assert np.allclose(found["p_var"], variance, rtol=0.1)
    spread = 2 * (1 - 2 / np.pi)
    assert (np.abs(found["w_mean"] - 2 / np.sqrt(np.pi)) < 4 * np.sqrt(spread / found["w_ess"])).all()


def test_the_force_on_a_simplex_is_the_slope_of_its_potential() -> None:
    flow = compiled(document(
        {"m": np.arange(3.0)}, variables={"x": {"shape": [3], "init": 1.0}}, outputs=[{"mean": "x"}],
        terms=[{"atom": "quadratic", "arg": "x", "data": "m"}, {"atom": "simplex", "arg": "x", "total": 2.0}],
        policy={"algorithm": "mala"}, stop={"maxIterations": 9},
    ))  # fmt: skip
    problem, temperature = flow.problem, jnp.asarray(0.7)
    x, d = jnp.asarray([0.3, 1.5, 0.2]), jnp.asarray([0.4, -1.0, 0.1])

    def potential_at(size):
        return potential(problem, moved(problem, x, size * d, d)[0], temperature)

    force = slope(problem, x, smooth_gradient(problem, x), temperature)
    assert np.isclose(jax.grad(potential_at)(0.0), force @ d, rtol=1e-12)
    assert np.isclose(force.sum(), 0, atol=1e-14)
    there = moved(problem, x, d, d)[0]
    assert np.isclose(there.sum(), 2)
    assert np.allclose(moved(problem, there, -d, d)[0], x)
