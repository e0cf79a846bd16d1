"""Samplers against what is known exactly, within four Monte-Carlo standard errors; every seed is fixed."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import lfilter

from flowengine.loop import rows, snapshot
from flowengine.methods.recording import Statistic, record, start_recording
from flowengine.problem import Unknown
from flowengine.run.mixing import MIXED
from flowengine.run.statistics import split_rhat
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
