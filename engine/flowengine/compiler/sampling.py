"""The sampler, its step and what is recorded of its draws, with the reasons."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from flowapi.errors import DocumentError
from flowapi.flow import FlowDocument
from flowapi.model import join
from flowapi.policy import Output
from flowengine.atoms import Separable
from flowengine.compiler.choice import Choice, lipschitz
from flowengine.compiler.metric import EXACT_ENTRIES, jacobi_steps, metric_hindrance
from flowengine.compiler.searching import check_start, measured
from flowengine.compiler.splitting import entries
from flowengine.methods import Hmc, Leapfrog, Mala, Myula, Sampler, Statistic, Ula
from flowengine.methods.sampler import Kernel
from flowengine.problem import Hypers, Problem, Tree
from flowengine.steps import simplices
from flowengine.xla import placed

ULA_STEP = 0.2  # of 1/L: the variance of the stiffest direction is a ninth too large
TUNED = ("mala", "hmc")
SMOOTHING = 0.1  # of 1/L: the envelope is a third as wide as the narrowest direction of the smooth part
LEAPFROG_STEP = 0.2  # of 1/√L
MOST_COVARIANCE = 2048  # entries
MOST_DRAWS = 1000  # of a chain in a buffer whose length nobody chose
BUFFER_BYTES = 64 * 2**20


def chains_of(document: FlowDocument) -> int:
    """How many chains run side by side: the number that a variable names, else one."""
    return named_chains(document) or 1


def named_chains(document: FlowDocument) -> int | None:
    """The number of chains that a variable names."""
    return next((one.chains for one in document.variables.values() if one.chains is not None), None)


def sample(problem: Problem, document: FlowDocument, at: str) -> Choice:
    """Choose the sampler within the policy.

    Raises:
        DocumentError: the forced algorithm can't do the problem, or an output can't be kept.
    """
    policy = document.policy
    one = replace(problem, init=jax.tree.map(lambda value: value[0], problem.init))
    check_start(problem, at, chained=True)
    name = policy.algorithm or _by_family(problem, document)
    if problem.dual and name != "myula":
        raise DocumentError(
            f"`{name}` needs gradients, bounds or a simplex of the variable itself; {problem.dual[0].path} is none",
            path=join(at, "policy"),
            remedy="Use `algorithm: myula`, which smooths it.",
        )
    bound = lipschitz(problem.smooth)
    bound = bound if math.isfinite(bound) else measured(one)
    smoothing = _smoothing(document, bound, at) if name == "myula" else None
    if smoothing is not None:
        bound += sum(float(term.operator.norm) ** 2 for term in problem.dual) / smoothing
    held = simplices(problem)
    if bound <= 0 and not (held and policy.temperature > 0):
        raise DocumentError(
            "the energy is constant, so there is no distribution to draw from",
            path=join(at, "terms"),
            remedy="Add a term that depends on the variable.",
        )
    curvatures = _curvatures(one, bound, float(policy.temperature))
    size = sum(math.prod(unknown.shape) for unknown in problem.unknowns)
    given = isinstance(policy.step, int | float)
    widths = None if given or name not in TUNED else _widths(one, bound, curvatures)
    steepest = max([bound, *(most for _, most in curvatures.values())])
    natural, limit = _steps(name, steepest if widths is None else 1.0, size)
    step = float(policy.step) if isinstance(policy.step, int | float) else natural
    warnings = list(_cautions(problem, document, name, at))
    if step >= limit:
        warnings.append(
            f"{join(at, 'policy', 'step')}: the step {step:.4g} is beyond its bound {limit:.4g}; the run may diverge",
        )
    kernel = _kernel(name, policy.trajectory)
    burns = [output.burn for output in document.outputs]
    warm = 0 if given or kernel.target is None else min(burns, default=0)
    method = Sampler(
        kernel=kernel,
        chains=chains_of(document),
        stacked=named_chains(document) is not None,
        outputs=tuple(
            _statistic(output, problem, document, join(at, "outputs", i)) for i, output in enumerate(document.outputs)
        ),
        warm=warm,
    )
    temperature, envelope = (
        None if value is None else placed(value, problem.real) for value in (policy.temperature, smoothing)
    )
    reasons = [_why(name), f"{_stride(step, bound, widths)}; temperature {policy.temperature:g}"]
    if set(held) < _held(problem):
        reasons.append("bounds on a variable reflect every move")
    if held:
        reasons.append(f"{', '.join(held)} on a simplex: moves are of the logarithms of entries")
    if warm:
        reasons.append(
            f"the step, to an acceptance of {kernel.target:g}, and a width for each entry (a diagonal mass matrix) are "
            f"tuned while all outputs burn, {warm} moves"
        )
    elif kernel.target is not None and not given:
        reasons.append("with a `burn` for every output step and widths would be tuned while they burn")
    if smoothing is not None:
        reasons.append(f"smoothing = {smoothing:.4g}: smaller is nearer to the energy, and slower")
    hypers = Hypers(placed(step, problem.real), (), temperature=temperature, smoothing=envelope, widths=widths)
    return Choice(method, hypers, tuple(reasons), tuple(warnings))


def _by_family(problem: Problem, document: FlowDocument) -> str:
    policy = document.policy
    if policy.sampler == "symplectic":
        return "hmc" if policy.metropolis else "leapfrog"
    if policy.metropolis:
        return "mala"
    if problem.dual:
        return "myula"
    return "ula" if problem.prox is None else "mala"  # at bounds every step of `ula` shows


def _kernel(name: str, trajectory: int) -> Kernel:
    kernels: dict[str, Kernel] = {
        "ula": Ula(), "mala": Mala(), "myula": Myula(), "leapfrog": Leapfrog(), "hmc": Hmc(trajectory)
    }  # fmt: skip
    return kernels[name]


def _widths(problem: Problem, bound: float, curvatures: dict[str, tuple[float, float]]) -> Tree:
    """What a move of step 1 is long, entry by entry: with u = c/w the curvature of U(w ⊙ u) is about 1."""
    free = replace(problem, prox=None)
    if entries(problem) > EXACT_ENTRIES or bound <= 0 or metric_hindrance(free):
        size = 1 / math.sqrt(bound) if bound > 0 else 1.0
        found: Tree = jax.tree.map(lambda one: jnp.full(one.shape, size, problem.real), problem.init)
    else:
        found = jax.tree.map(jnp.sqrt, jacobi_steps(free))
    if not isinstance(found, dict):
        return jnp.full_like(found, next(iter(curvatures.values()))[0] ** -0.5) if curvatures else found
    return found | {name: jnp.full_like(found[name], middle**-0.5) for name, (middle, _) in curvatures.items()}


def _curvatures(problem: Problem, bound: float, temperature: float) -> dict[str, tuple[float, float]]:
    """Of U on each simplex that holds a variable: in the middle, T + L(t/n)², and the most, below nT + Lt²."""
    shapes = {one.name: one.shape for one in problem.unknowns}
    found = {}
    for name, simplex in simplices(problem).items():
        total, shape = float(simplex.total), shapes[name]
        n = math.prod(shape) if simplex.axis is None else shape[simplex.axis]
        found[name] = temperature + bound * (total / n) ** 2, n * temperature + bound * total**2
    return found


def _held(problem: Problem) -> set[str]:
    """The variables that a set holds."""
    if isinstance(problem.prox, Separable):
        return {name for name, part in problem.prox.parts.items() if part is not None}
    return set() if problem.prox is None else {problem.unknowns[0].name}


def _stride(step: float, bound: float, widths: Tree | None) -> str:
    if widths is None:
        return f"step = {step:.4g}, with L = {bound:.4g}"
    sizes = ravel_pytree(widths)[0]
    return f"step = {step:.4g} of each entry's width, at first from {jnp.min(sizes):.4g} to {jnp.max(sizes):.4g}"


def _steps(name: str, bound: float, size: int) -> tuple[float, float]:
    """The step where none is given, and the one from which on the motion is unstable.

    With the number of entries they shrink as proposals would otherwise be refused: Roberts and Rosenthal, Statistical
    Science 16, 2001.
    """
    if name in ("ula", "myula"):
        return ULA_STEP / bound, 2 / bound
    if name == "mala":
        return size ** (-1 / 3) / bound, math.inf
    if name == "hmc":
        return size ** (-1 / 4) / math.sqrt(bound), 2 / math.sqrt(bound)
    return LEAPFROG_STEP / math.sqrt(bound), 2 / math.sqrt(bound)


def _smoothing(document: FlowDocument, bound: float, at: str) -> float:
    if document.policy.smoothing is not None:
        return float(document.policy.smoothing)
    if bound <= 0:
        raise DocumentError(
            "`myula` can't choose a smoothing, for no term is smooth",
            path=join(at, "policy"),
            remedy="Add `smoothing: 0.01`.",
        )
    return SMOOTHING / bound


def _cautions(problem: Problem, document: FlowDocument, name: str, at: str) -> Iterator[str]:
    """What a person might take the draws for, and shouldn't."""
    if name == "leapfrog" and document.outputs:
        yield f"{join(at, 'outputs')}: `leapfrog` follows one motion and samples nothing; `metropolis: true` does"
    if problem.prox is not None and name in ("ula", "myula"):
        exact = "; `mala` is exact" if not problem.dual else ""
        yield f"{join(at, 'policy')}: beside bounds the draws of `{name}` are off by as much as its step is long{exact}"
    for term in problem.dual:
        if term.atom.indicator:
            yield f"{term.path}: `myula` smooths the constraint, so draws lie outside by about the root of `smoothing`"
    for key, users in (("trajectory", ("hmc",)), ("smoothing", ("myula",)), ("preconditioner", ()), ("restart", ())):
        if key in document.policy.model_fields_set and name not in users:
            yield f"{join(at, 'policy', key)}: `{name}` doesn't use it"


def _why(name: str) -> str:
    return {
        "ula": "ula: every term has a gradient, every draw is kept (`metropolis: true` makes it exact)",
        "mala": "mala: Langevin proposals, taken or refused so that the draws are exact",
        "myula": "myula: terms without a gradient are smoothed by their Moreau envelopes",
        "leapfrog": "leapfrog: the motion of a particle in the energy; nothing is refused (`metropolis: true` samples)",
        "hmc": "hmc: trajectories taken or refused so that the draws are exact",
    }[name]


def _statistic(output: Output, problem: Problem, document: FlowDocument, place: str) -> Statistic:
    """An output with the length of its buffer.

    Raises:
        DocumentError: it would see no draw, or need more memory than anybody wants.
    """
    limit = document.stop.max_iterations
    if limit is not None and output.burn >= limit:
        raise DocumentError(
            f"all {limit} draws come before `burn` ends",
            path=join(place, "burn"),
            remedy=f"Use less than {limit}, or raise `stop.maxIterations`.",
        )
    size = math.prod(next(one.shape for one in problem.unknowns if one.name == output.variable))
    if output.kind == "cov" and size > MOST_COVARIANCE:
        raise DocumentError(
            f"the covariance of {size} entries has {size**2} of them",
            path=join(place, "cov"),
            remedy=f"Use `var` beyond {MOST_COVARIANCE} entries.",
        )
    keep = 0
    if output.of_draws:
        row = chains_of(document) * size * np.dtype(problem.real).itemsize
        keep = output.keep or max(8, min(MOST_DRAWS, BUFFER_BYTES // row))
    return Statistic(output.kind, output.variable, output.burn, keep, output.thin, tuple(map(float, output.at)))
