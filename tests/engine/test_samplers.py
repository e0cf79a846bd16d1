"""Samplers against what is known exactly, within four Monte-Carlo standard errors; every seed is fixed."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import truncnorm

from flowengine.loop import rows, snapshot
from flowengine.methods.recording import Statistic, record, start_recording
from flowengine.problem import Unknown
from flowengine.run.mixing import MIXED
from flowengine.run.statistics import split_rhat
from flowengine.steps import potential, smooth_gradient
from flowengine.steps.charts import moved, slope
from kit.gaussian import M, P, gaussian
from kit.solving import carry_of, compiled, document, go, sampled, state_bytes

EXACT = np.linalg.inv(P)

MOMENTS = ({"mean": "x", "burn": 500}, {"cov": "x", "burn": 500}, {"ess": "x", "burn": 500}, {"rhat": "x", "burn": 500})


@pytest.mark.parametrize(
    ("policy", "covariance"),
    [
        ({"algorithm": "ula", "step": 0.3}, EXACT @ np.linalg.inv(np.eye(2) - 0.3 * P / 2)),
        pytest.param(
            {"algorithm": "ula", "step": 0.3, "temperature": 0.5},
            0.5 * EXACT @ np.linalg.inv(np.eye(2) - 0.3 * P / 2),
            marks=pytest.mark.thorough,
        ),
        pytest.param({"family": "langevin", "metropolis": True, "step": 0.3}, EXACT, marks=pytest.mark.thorough),
        ({"algorithm": "mala", "temperature": 2.0}, 2 * EXACT),
        ({"family": "symplectic", "metropolis": True}, EXACT),
    ],
    ids=["ula", "ula, colder", "mala", "mala, hotter", "hmc"],
)
def test_a_gaussian_has_the_moments_that_theory_gives(policy, covariance) -> None:
    found, last = sampled(gaussian(MOMENTS, **policy))
    assert last.controller == "GREEN"
    variance, draws = np.diag(covariance), found["x_ess"]
    assert (np.abs(found["x_mean"] - M) < 4 * np.sqrt(variance / draws)).all()
    errors = np.sqrt((covariance**2 + np.outer(variance, variance)) / draws.min())
    assert (np.abs(found["x_cov"] - covariance) < 4 * errors).all()
    assert (found["x_rhat"] < 1.02).all()


def test_outputs_are_what_numpy_says_of_the_draws() -> None:
    """The chains are followed by hand; moments see all draws after the burn-in, the buffer has room for every sixth."""
    specs = [
        {"mean": "x", "burn": 20}, {"var": "x", "burn": 20}, {"cov": "x", "burn": 20},
        {"quantiles": "x", "burn": 20, "keep": 10, "thin": 3, "at": [0.1, 0.9]},
    ]  # fmt: skip
    flow = compiled(gaussian(specs, chains=3, iterations=80, algorithm="ula"))
    carry, draws = carry_of(flow), []
    for k in range(1, 81):
        carry = go(flow, carry, k)
        draws.append(np.asarray(carry.state.x))
    found, _ = sampled(gaussian(specs, chains=3, iterations=80, algorithm="ula"))
    kept = np.concatenate(draws[20:])
    assert np.allclose(found["x_mean"], kept.mean(axis=0))
    assert np.allclose(found["x_var"], kept.var(axis=0, ddof=1))
    assert np.allclose(found["x_cov"], np.cov(kept.T))
    thinned = np.concatenate(draws[25::6])
    assert np.allclose(found["x_quantiles"], np.quantile(thinned, [0.1, 0.9], axis=0))


@pytest.mark.parametrize(
    "algorithm",
    ["mala", "hmc", *(pytest.param(one, marks=pytest.mark.thorough) for one in ("ula", "myula", "leapfrog"))],
)
def test_chunks_of_any_size_give_the_same_bits(algorithm) -> None:
    early = tuple({**one, "burn": 50} for one in MOMENTS)
    flow = compiled(gaussian(early, chains=4, iterations=110, algorithm=algorithm))
    whole = state_bytes(go(flow, carry_of(flow), 110))
    for size in (1, 7, 33):
        carry = carry_of(flow)
        for until in [*range(size, 110, size), 110]:
            carry = go(flow, carry, until)
        assert state_bytes(carry) == whole


def test_leapfrog_conserves_its_own_energy() -> None:
    """P² + ω²q²(1 − h²ω²/4) of a harmonic oscillator, to rounding, over 10,000 steps."""
    omega, h = 2.0, 0.3
    doc = document(
        {}, variables={"q": {"shape": [3], "init": 1.0}}, terms=[{"atom": "tikhonov", "arg": "q", "weight": omega**2}],
        policy={"algorithm": "leapfrog", "step": h}, stop={"maxIterations": 10_000},
    )  # fmt: skip
    flow = compiled(doc)

    def conserved(carry):
        p, q = np.asarray(carry.state.own.p), np.asarray(carry.state.x)
        return (p**2 + omega**2 * q**2 * (1 - h**2 * omega**2 / 4))[0]

    carry = carry_of(flow)
    before = conserved(carry)
    assert (before > 0.1).all()
    carry = go(flow, carry, 10_000)
    assert np.allclose(conserved(carry), before, rtol=1e-12)
    assert snapshot(carry).controller == "GREEN"


def test_myula_samples_the_smoothed_energy_of_a_laplace_prior() -> None:
    """One dimension, ½(x − 1)² + 2|x|: the envelope's own density, integrated numerically."""
    smoothing, h = 0.05, 0.01
    doc = document(
        {"b": np.ones(1)}, seed=1, variables={"x": {"like": "b", "chains": 512}},
        terms=[{"atom": "quadratic", "arg": "x", "data": "b"}, {"atom": "l1", "arg": "x", "weight": 2}],
        policy={"family": "langevin", "step": h, "smoothing": smoothing}, outputs=[{"mean": "x", "burn": 300}, {"var": "x", "burn": 300}],
        stop={"maxIterations": 4000},
    )  # fmt: skip
    assert compiled(doc).choice.method.name == "myula"
    found, last = sampled(doc)
    x = np.linspace(-8, 8, 20001)
    prox = x - np.clip(x, -2 * smoothing, 2 * smoothing)
    density = np.exp(-((x - 1) ** 2) / 2 - 2 * np.abs(prox) - (x - prox) ** 2 / (2 * smoothing))
    mean = (x * density).sum() / density.sum()
    variance = ((x - mean) ** 2 * density).sum() / density.sum()
    assert last.controller == "GREEN"
    assert abs(found["x_mean"][0] - mean) < 0.01
    assert abs(found["x_var"][0] - variance) < 0.02  # and what a step of 0.01 adds


def test_total_variation_prior_on_an_image_runs_and_smooths() -> None:
    rng = np.random.default_rng(0)
    b = np.kron([[0.0, 1.0], [1.0, 0.0]], np.ones((8, 8))) + 0.2 * rng.standard_normal((16, 16))
    doc = document(
        {"b": b}, variables={"x": {"like": "b", "init": "b"}},
        terms=[{"atom": "quadratic", "arg": "x", "data": "b", "weight": 25}, {"atom": "tv", "arg": "x", "weight": 10}],
        policy={"family": "langevin"}, outputs=[{"mean": "x", "burn": 1000}, {"var": "x", "burn": 1000}], stop={"maxIterations": 6000},
    )  # fmt: skip
    found, last = sampled(doc)
    truth = np.kron([[0.0, 1.0], [1.0, 0.0]], np.ones((8, 8)))
    assert last.controller == "GREEN"
    assert np.abs(found["x_mean"] - truth).mean() < 0.8 * np.abs(b - truth).mean()
    assert (found["x_var"] > 0).all()


def test_several_variables_are_sampled_together() -> None:
    """X and y with ½x² + ½(x − y)² + ½y²: precision [[2, −1], [−1, 2]]."""
    doc = document(
        {}, seed=3, variables={"x": {"shape": [1], "chains": 256}, "y": {"shape": [1]}},
        terms=[
            {"atom": "tikhonov", "arg": "x"}, {"atom": "tikhonov", "arg": "y"}, {"atom": "consensus", "arg": "x", "with": "y"},
        ],
        policy={"algorithm": "mala"}, outputs=[{"var": "x", "burn": 100}, {"var": "y", "burn": 100}], stop={"maxIterations": 3000},
    )  # fmt: skip
    found, _ = sampled(doc)
    exact = np.linalg.inv([[2, -1], [-1, 2]])[0, 0]
    assert np.allclose([found["x_var"], found["y_var"]], exact, rtol=0.03)


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        ({"algorithm": "mala", "step": 60.0}, "RED"),
        ({"algorithm": "hmc", "step": 2.5}, "RED"),
        ({"algorithm": "leapfrog", "step": 1.6}, "RED"),
        ({"algorithm": "leapfrog", "step": 0.7}, "GREEN"),
        ({"algorithm": "mala", "step": 0.1}, "GREEN"),
    ],
)
def test_colours_of_samplers(policy, wanted) -> None:
    flow = compiled(gaussian(iterations=1500, **policy))
    carry = go(flow, carry_of(flow), 1500)
    colours = {row.controller for row in rows(carry, 3)}
    assert wanted in colours
    assert (wanted == "GREEN") == ("RED" not in colours)


def test_a_nan_in_one_chain_ends_the_run() -> None:
    flow = compiled(gaussian(iterations=500, algorithm="ula"))
    carry = go(flow, carry_of(flow), 100)
    broken = jax.tree.map(lambda leaf: leaf, carry)
    state = broken.state
    broken = type(broken)(
        **{**vars(broken), "state": type(state)(**{**vars(state), "x": state.x.at[3, 0].set(jnp.nan)})}
    )
    last = snapshot(go(flow, broken, 500))
    assert (last.reason, last.controller) == ("Diverged", "RED")


def test_start_of_the_chains_is_spread() -> None:
    doc = document(
        {}, seed=5, variables={"x": {"shape": [3], "init": 2.0, "spread": 0.5, "chains": 4000}},
        terms=[{"atom": "tikhonov", "arg": "x"}], policy={"algorithm": "ula"}, stop={"maxIterations": 1},
    )  # fmt: skip
    init = np.asarray(compiled(doc).problem.init)
    assert init.shape == (4000, 3)
    assert abs(init.mean() - 2) < 0.03
    assert abs(init.std() - 0.5) < 0.03


def test_chains_that_never_move_are_worth_nothing_and_say_so() -> None:
    """Their autocorrelation is 0/0: no effective sample, an acceptance of 0 from the first move on, and RED by the third look."""
    stuck = document(
        {}, variables={"x": {"shape": [3], "init": 5, "chains": 4}}, terms=[{"atom": "tikhonov", "arg": "x"}],
        policy={"algorithm": "mala", "step": 60}, outputs=[{"mean": "x"}, {"ess": "x"}, {"rhat": "x"}],
        stop={"maxIterations": 60},
    )  # fmt: skip
    flow = compiled(stuck)
    carry = go(flow, carry_of(flow), 60)
    assert np.asarray(carry.state.acceptance).max() < 1e-6
    assert [row.controller for row in rows(carry, 0)][2:] == ["RED"] * 4
    found, _ = sampled(stuck)
    assert np.isnan(found["x_ess"]).all()
    assert np.isnan(found["x_rhat"]).all()
    assert (found["x_mean"] == 5).all()


def test_the_acceptance_shown_is_of_the_moves_there_were() -> None:
    """A moving mean that began at 1 told 0.55 of chains that never moved."""
    flow = compiled(gaussian(algorithm="mala", step=0.9))
    carry, seen = carry_of(flow), []
    for k in range(1, 31):
        carry = go(flow, carry, k)
        seen.append(np.asarray(carry.state.acceptance))
    shares = np.diff(np.arange(1, 31)[:, None] * np.array(seen), axis=0)
    assert shares.min() > -1e-12
    assert shares.max() < 1 + 1e-12


@pytest.mark.parametrize(
    ("algorithm", "start"),
    [
        ("mala", 30.0),
        ("hmc", 0.0),
        *(pytest.param(*one, marks=pytest.mark.thorough) for one in (("mala", 0.0), ("hmc", 30.0))),
    ],
)
def test_the_step_is_tuned_while_all_outputs_burn(algorithm, start) -> None:
    """In 2,048 dimensions a step that is right among the draws refuses all that begins at the mode, or far from it."""
    one = document(
        {}, seed=3, variables={"x": {"shape": [2048], "init": start}}, terms=[{"atom": "tikhonov", "arg": "x"}],
        policy={"algorithm": algorithm}, outputs=[{"var": "x", "burn": 1500}], stop={"maxIterations": 3000},
    )  # fmt: skip
    flow = compiled(one)
    target = flow.choice.method.kernel.target
    assert flow.choice.method.warm == 1500
    carry = go(flow, carry_of(flow), 1500)
    tuned = state_bytes(carry.state.tuning)
    carry = go(flow, carry, 3000)
    assert state_bytes(carry.state.tuning) == tuned  # never after it
    missed = (
        float(carry.state.acceptance.mean()) - target
    )  # the averaged step refuses less than those that vary about it
    assert -0.15 < missed < 0.3
    assert snapshot(carry).controller == "GREEN"


def test_a_given_step_and_outputs_without_burn_are_left_alone() -> None:
    for outputs, policy in (([{"mean": "x", "burn": 50}], {"step": 0.3}), ([{"mean": "x"}], {})):
        flow = compiled(gaussian(outputs, algorithm="mala", **policy))
        assert flow.choice.method.warm == 0
        assert carry_of(flow).state.tuning is None


def test_a_regression_on_columns_in_their_own_units_has_its_closed_form() -> None:
    """Columns 1, age and income, from a start at 0 that is far off: the posterior is N((AᵀA)⁻¹Aᵀb, (AᵀA)⁻¹)."""
    rng = np.random.default_rng(0)
    columns = np.c_[np.ones(200), rng.normal(40, 10, 200), rng.normal(50_000, 15_000, 200)]
    b = columns @ [2.0, 0.1, 1e-4] + rng.standard_normal(200)
    outputs = [{kind: "w", "burn": 1000} for kind in ("mean", "var", "ess", "rhat")]
    found, last = sampled(document(
        {"A": columns, "b": b}, seed=1, variables={"w": {"shape": [3], "chains": 4}}, operators={"X": {"matrix": "A"}},
        terms=[{"atom": "quadratic", "arg": "X w", "data": "b"}], policy={"algorithm": "hmc"}, outputs=outputs,
        stop={"maxIterations": 5000},
    ))  # fmt: skip
    covariance = np.linalg.inv(columns.T @ columns)
    variance = np.diag(covariance)
    assert last.controller == "GREEN"
    assert (np.abs(found["w_mean"] - covariance @ (columns.T @ b)) < 4 * np.sqrt(variance / found["w_ess"])).all()
    assert np.allclose(found["w_var"], variance, rtol=4 * np.sqrt(2 / found["w_ess"].min()))
    assert (found["w_rhat"] < 1.01).all()
    assert (found["w_ess"] > 1000).all()


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


def test_kept_draws_span_all_that_count() -> None:
    """20,000 draws of four chains in three dimensions that mix slowly: the newest 1,000 of each still differ."""
    draws = lfilter([1], [1, -0.99], np.random.default_rng(2).standard_normal((20_000, 4, 3)), axis=0)
    spec = Statistic("rhat", "x", 0, 1000, 1, ())
    blank = compiled(gaussian(chains=4, algorithm="ula")).problem
    blank = replace(blank, unknowns=(Unknown("x", (3,)),))

    @jax.jit
    def seen(draws):
        def one(found, at):
            return record((spec,), found, at[0], at[1]), None

        start = start_recording((spec,), blank, 4)
        return jax.lax.scan(one, start, (draws, jnp.arange(1, len(draws) + 1)))[0]

    (found,) = seen(jnp.asarray(draws))
    kept = np.asarray(found.draws)[: int(found.count)]
    assert (kept == draws[31::32]).all()
    assert (split_rhat(kept) < MIXED).all()
    assert (split_rhat(draws[-1000:]) > MIXED).any()
