"""What the draws of a sampler are worth: chains that have not mixed, with what would help, and what biases them."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from flowengine.arithmetic import norm, subtract
from flowengine.compiler import CompiledFlow
from flowengine.loop import Carry
from flowengine.methods import Sampler
from flowengine.problem import Scalar, Term, Tree

MIXED = 1.05  # an R-hat above it says that chains still differ


def unmixed(compiled: CompiledFlow, method: Sampler, arrays: Mapping[str, np.ndarray]) -> list[str]:
    """What R-hat and the effective sample size say against the draws, and what helps.

    Args:
        compiled: The flow.
        method: Its sampler.
        arrays: Its results.
    """
    found = []
    for one in method.outputs:
        value = arrays[f"{one.variable}_{one.kind}"]
        if one.kind in ("rhat", "ess") and np.isnan(value).any():
            found.append(f"{one.variable}_{one.kind} is not known everywhere: too few draws, or chains that don't move")
        elif one.kind == "rhat" and value.max(initial=0) > MIXED:
            remedy = "; ".join([*_helps(compiled, method), "run longer"])
            found.append(f"{one.variable}_rhat is up to {value.max():.3g}: the chains have not mixed yet. {remedy}")
    return found


def _helps(compiled: CompiledFlow, method: Sampler) -> list[str]:
    """What lets the chains of a flow mix sooner, the most effective first."""
    policy, problem = compiled.document.policy, compiled.problem
    if method.kernel.target is None:
        exact = "Use `family: symplectic` with `metropolis: true` (`hmc`), which tunes its step and a mass matrix"
        return [] if problem.dual else [exact]
    found = []
    if policy.step is not None:
        found.append("Leave out `policy.step`: step and mass matrix are then tuned while all outputs burn")
    elif not method.warm:
        found.append("Give every output a `burn`: step and mass matrix are tuned meanwhile")
    if method.kernel.name == "mala":
        found.append("use `hmc`, whose moves are longer" if found else "Use `hmc`, whose moves are longer")
    elif method.kernel.name == "hmc":
        found.append(f"`policy.trajectory` above {policy.trajectory} makes moves longer")
    return found


def bias(compiled: CompiledFlow, method: Sampler, carry: Carry) -> list[str]:
    """What keeps the draws' distribution from exp(−E/T) however long the run, one sentence each; none of exact ones."""
    hypers = carry.hypers
    if method.kernel.exact:
        return []
    found = []
    if method.kernel.name != "leapfrog":
        step = float(method.pace(hypers, carry.state))
        factor = f"1/(1 − {step / 2:.3g}·c)"
        found.append(f"no draw is refused: a step of {step:.3g} widens the variance along a curvature c by {factor}")
    for term in compiled.problem.dual:
        smoothing = float(jnp.asarray(hypers.smoothing))
        away, lower = (float(one) for one in _smoothed(term, carry.state.x, jnp.asarray(hypers.smoothing)))
        what = f"{term.path}: its Moreau envelope of length {smoothing:.3g} stands for it"
        if term.atom.indicator:
            found.append(f"{what}, so draws lie outside, the last ones by {away:.3g} on average")
        else:
            found.append(f"{what}, which at the last draws is lower by {lower:.3g} on average")
    return found


@jax.jit
def _smoothed(term: Term, x: Tree, smoothing: Scalar) -> tuple[Scalar, Scalar]:
    """‖Wx − prox(Wx)‖, and what the envelope is lower by than the term, averaged over the chains."""

    def of(one: Tree) -> tuple[Scalar, Scalar]:
        image = term.operator.apply(one)
        near = term.atom.prox(image, smoothing)
        away = norm(subtract(image, near))
        return away, term.atom.value(image) - term.atom.value(near) - away**2 / (2 * smoothing)

    away, lower = jax.vmap(of)(x)
    return jnp.mean(away), jnp.mean(lower)
