"""Effective sample sizes and R-hat of draws whose truth is known."""

import numpy as np

from flowengine.run.statistics import effective_samples, split_rhat


def test_effective_samples_of_an_autoregression() -> None:
    """X⁺ = φx + noise has n(1 − φ)/(1 + φ) of them."""
    rng, phi, n = np.random.default_rng(0), 0.8, 4000
    noise = rng.standard_normal((n, 4, 3))
    draws = np.empty_like(noise)
    draws[0] = noise[0] / np.sqrt(1 - phi**2)
    for k in range(1, n):
        draws[k] = phi * draws[k - 1] + noise[k]
    assert np.allclose(effective_samples(draws), 4 * n * (1 - phi) / (1 + phi), rtol=0.2)
    assert (split_rhat(draws) < 1.02).all()
    draws[:, 0] += 3
    assert (split_rhat(draws) > 1.2).all()


def test_effective_samples_of_draws_that_alternate_are_more_than_the_draws_and_finite() -> None:
    """X⁺ = −φx + noise: the first pair of autocorrelations is 1 − φ, and their sum may come out below 0."""
    rng, n = np.random.default_rng(0), 500
    draws = rng.standard_normal((n, 8, 2))
    for k in range(1, n):
        draws[k] = -0.99 * draws[k - 1] + 0.1 * draws[k]
    found = effective_samples(draws)
    assert ((found > 8 * n) & (found <= 8 * n * np.log10(8 * n))).all()
