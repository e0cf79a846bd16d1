"""From what a sampler recorded to the arrays that its flow leaves."""

from __future__ import annotations

import numpy as np

from flowengine.methods import Sampler, SamplerState
from flowengine.methods.recording import Recorded, Statistic

LEAST_DRAWS = 4  # of each chain, for R-hat and the effective sample size


def statistics(method: Sampler, state: SamplerState) -> dict[str, np.ndarray]:
    """`<variable>_<kind>` for each of a flow's outputs; NaN where there are too few draws."""
    return {
        f"{one.variable}_{one.kind}": _value(one, recorded)
        for one, recorded in zip(method.outputs, state.recorded, strict=True)
    }


def _value(one: Statistic, recorded: Recorded) -> np.ndarray:
    count = int(recorded.count)
    if recorded.draws is None:
        if one.kind == "mean":
            return np.asarray(recorded.mean) if count else np.full_like(recorded.mean, np.nan)
        spread = np.asarray(recorded.spread)
        return spread / (count - 1) if count > 1 else np.full(spread.shape, np.nan)
    draws = np.asarray(recorded.draws)[:count]
    if one.kind == "quantiles":
        shape = (len(one.at), *draws.shape[2:])
        return np.quantile(draws, one.at, axis=(0, 1)) if len(draws) else np.full(shape, np.nan)
    if len(draws) < LEAST_DRAWS:
        return np.full(draws.shape[2:], np.nan)
    flat = draws.reshape(*draws.shape[:2], -1)
    result = split_rhat(flat) if one.kind == "rhat" else effective_samples(flat)
    return result.reshape(draws.shape[2:])


def split_rhat(draws: np.ndarray) -> np.ndarray:
    """√(((n − 1)/n·W + B/n)/W) of every chain cut in two, W the variance within them and B/n that of their means.

    Args:
        draws: (draws, chains, entries).

    Source: Gelman, Carlin, Stern, Dunson, Vehtari and Rubin, Bayesian Data Analysis, 3rd edition, section 11.4.
    """
    half = len(draws) // 2
    halves = np.concatenate([draws[:half], draws[len(draws) - half :]], axis=1)
    within = halves.var(axis=0, ddof=1).mean(axis=0)
    between = halves.mean(axis=0).var(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.sqrt((half - 1) / half + between / within))


def effective_samples(draws: np.ndarray) -> np.ndarray:
    """mn/(1 + 2 Σ ρ_t) over m chains of n draws; the autocorrelations are summed in pairs while positive.

    Args:
        draws: (draws, chains, entries).

    Returns:
        One an entry; NaN where all draws are the same, of which nothing can be told.

    Source: Geyer, Statistical Science 7, 1992 (the pairs); Gelman and others as above, section 11.5 (several chains).
    """
    n, chains, _ = draws.shape
    centred = draws - draws.mean(axis=0)
    spectrum = np.fft.rfft(centred, 2 * n, axis=0)
    covariance = np.fft.irfft(np.abs(spectrum) ** 2, 2 * n, axis=0)[:n].mean(axis=1) / n
    within = covariance[0] * n / (n - 1)
    total = within * (n - 1) / n + (draws.mean(axis=0).var(axis=0, ddof=1) if chains > 1 else 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = 1 - (within - covariance * n / (n - 1)) / total
    correlation[0] = 1
    even = n // 2 * 2
    pairs = correlation[:even:2] + correlation[1:even:2]
    falling = np.minimum.accumulate(pairs, axis=0)
    positive = np.logical_and.accumulate(pairs > 0, axis=0)
    time = -1 + 2 * np.where(positive, falling, 0).sum(axis=0)
    # draws that alternate know more than independent ones, but not without bound
    time = np.maximum(time, 1 / np.log10(chains * n))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.ptp(draws, axis=(0, 1)) > 0, chains * n / time, np.nan)
