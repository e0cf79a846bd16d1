"""Where the variable can be solved for exactly, and whether it pays: `admm`, its basis and its steps."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from flowapi.errors import DocumentError
from flowapi.model import join
from flowapi.policy import Policy
from flowengine.atoms import Quadratic
from flowengine.compiler.choice import ANCHORED, BLIND_REACH, REACH, Choice, flat, hypers_of, lipschitz
from flowengine.compiler.equations import UNSEEN, equations_of, is_series, narrow
from flowengine.compiler.metric import unevenness
from flowengine.compiler.roles import bent
from flowengine.compiler.scaling import Matrices, matrices_of, scaled_steps
from flowengine.compiler.units import APART
from flowengine.linops import Waves, power_of, tight
from flowengine.methods import Admm
from flowengine.methods.admm import RELAXATION
from flowengine.problem import Hypers, Problem, Term
from flowengine.steps import Equations
from flowengine.storage import logical
from flowengine.xla import placed

RELATIVE_RHO = 0.1  # of L, where no penalty gives a scale
MANY_POINTS, FEW_POINTS, STEEP, RELATIVE_ZERO = 80, 32, 8, 1e-14  # see `_steep`
WAVES: tuple[Waves, ...] = ("fourier", "cosine")
EIGEN_ENTRIES = 1024  # more take seconds to find
CHEAP_ENTRIES, CHEAP_SHARE = 256, 8  # entries, or entries² as a share of the operators' numbers, that cost little
EXPLICIT_NUMBERS = 2**24  # of all operators, written out
BALANCED = " at first; it balances primal and dual moves"
Rule = Literal["moves", "residuals", "anchor"]


def exactly(problem: Problem, policy: Policy) -> bool:
    """Whether the choice is `admm` where nothing forces an algorithm."""
    free = policy.algorithm is None and policy.step is None and not policy.diagonal and not policy.samples
    seen = _without_bent(problem) if problem.dual and problem.dtype == "float64" else problem
    if not free or problem.curved or not_exactly(seen):
        return False
    if not problem.dual:  # cheap steps serve well, but where units differ
        few = entries(problem) <= CHEAP_ENTRIES
        return few and unevenness(problem) > APART**2 and not not_by_eigenvectors(problem)
    if policy.family == "accelerated" and seen.smooth and not not_by_waves(seen, "fourier"):
        return True
    steep = any(_steep(seen, one) and not not_by_waves(seen, one) for one in WAVES)
    return steep or pays_exactly(seen) or _in_bands(seen)


def _without_bent(problem: Problem) -> Problem:
    """The problem with smooth terms that are not quadratic among the dual ones, as `admm` would have them."""
    odd = tuple(one for one in problem.smooth if bent(one))
    rest = tuple(one for one in problem.smooth if not bent(one))
    return replace(problem, smooth=rest, dual=(*problem.dual, *odd)) if odd else problem


def not_by_admm(problem: Problem) -> str:
    """Why `admm` can't do a problem; empty when it can."""
    if why := not_exactly(problem):
        return why
    if waves_of(problem) is not None or _in_bands(problem):
        return ""
    return (why := not_by_eigenvectors(problem)) and f"{not_by_waves(problem, 'fourier')}; {why}"


def not_exactly(problem: Problem) -> str:
    """What keeps an exact solver from a problem, whatever the basis."""
    if problem.dtype.startswith("complex"):
        return "the variable is complex"
    if not problem.dual and problem.prox is None:
        return "no term has a prox"
    if problem.prox is not None and not problem.prox.convex:
        return "the energy is not convex"
    for term in problem.smooth:
        if not getattr(term.atom, "affine_gradient", False):
            return f"{term.path} is smooth but not quadratic"
    return ""


def _but_for_roles(problem: Problem) -> str:
    """Which roles that the document forces stand in the way of `admm`, as the end of a sentence."""
    odd = [term.path for term in problem.smooth if bent(term)]
    return f"; or leave `as: smooth` out of {' and '.join(odd)}" if odd else ""


def waves_of(problem: Problem) -> Waves | None:
    """The transform that makes a diagonal of a problem that `admm` can do, if there is one."""
    return next((one for one in WAVES if not not_by_waves(problem, one)), None)


def _in_bands(problem: Problem) -> bool:
    """Whether a series is solved for at about the price of a step, and surely can be."""
    if entries(problem) <= CHEAP_ENTRIES or not is_series(problem) or not problem.dual:
        return False
    whole = any(isinstance(one.atom, Quadratic) and tight(one.operator) for one in problem.smooth)
    one = placed(1.0, problem.real)
    return (whole or problem.prox is not None) and narrow(problem, Hypers(one, (one,) * len(problem.dual)))


def _steep(problem: Problem, waves: Waves) -> bool:
    """Whether a dual term's operator is of second differences, of more points than moderate steps get along with.

    It stretches short waves more than long ones by n⁴, first differences do by n²: a grid of few points shows it.
    """
    if len(problem.unknowns) > 1 or max(problem.shape, default=0) < MANY_POINTS:
        return False
    few = tuple(min(n, FEW_POINTS) for n in problem.shape)
    powers = [power_of(term.operator, few, waves, np) for term in problem.dual]
    for power in (np.asarray(one) for one in powers if one is not None):
        seen = power[power > RELATIVE_ZERO * power.max()]
        differs = power.flat[0] <= RELATIVE_ZERO * power.max()  # kills constants, as no blur does
        if differs and seen.size and seen.max() > STEEP * FEW_POINTS**2 * seen.min():
            return True
    return False


def not_by_waves(problem: Problem, waves: Waves) -> str:
    """Why a transform makes no diagonal of a problem that `admm` can do; empty when it does."""
    if len(problem.unknowns) > 1:
        return "there are several variables"
    if problem.shape == ():
        return "the variable is one number"
    for term in problem.smooth:
        if not isinstance(term.atom, Quadratic):
            return f"{term.path} is no sum of squares"
    terms = (*problem.smooth, *problem.dual)
    powers = [power_of(term.operator, problem.shape, waves, np) for term in terms]
    for term, power in zip(terms, powers, strict=True):
        if power is None:
            kind = "a periodic one" if waves == "fourier" else "made of differences"
            return f"the operator of {term.path} is not {kind}"
    total = sum(np.asarray(power) for power in powers)
    seen = problem.prox is not None or float(np.min(total)) > 0
    return "" if seen else UNSEEN


def not_by_eigenvectors(problem: Problem) -> str:
    """The same for eigenvectors."""
    if why := _too_large(problem):
        return why
    return UNSEEN if _hidden(problem, matrices_of(problem)) else ""


def _hidden(problem: Problem, matrices: Matrices) -> bool:
    """Whether a part of the variable appears in no term."""
    return problem.prox is None and not matrices.seen


def _too_large(problem: Problem) -> str:
    size = entries(problem)
    if size > EIGEN_ENTRIES:
        return f"eigenvectors of {size} entries would take too long (up to {EIGEN_ENTRIES} can be had)"
    like = jax.eval_shape(lambda x: [term.operator.apply(x) for term in problem.dual], problem.init)
    rows = sum(math.prod(one.shape) for one in jax.tree.leaves(like))
    return f"{rows} × {size} numbers would take too much memory" if rows * size > EXPLICIT_NUMBERS else ""


def pays_exactly(problem: Problem) -> bool:
    """Whether products with eigenvectors cost little beside what the terms cost: then they save iterations."""
    size = entries(problem)
    numbers = [(term.operator, term.atom) for term in (*problem.smooth, *problem.dual)]
    work = sum(one.size for one in jax.tree.leaves(numbers))
    return size**2 <= max(CHEAP_ENTRIES**2, CHEAP_SHARE * work) and not _too_large(problem)


def entries(problem: Problem) -> int:
    """Of all variables."""
    return sum(math.prod(one.shape) for one in problem.unknowns)


def choose_admm(problem: Problem, policy: Policy, at: str) -> Choice:
    """ρ such that the prox of a penalty moves what it acts on by about its own size: weight/mean|W x|; or 1/step."""
    if isinstance(policy.step, str):
        raise DocumentError(
            "`admm` has a fixed step", path=join(at, "policy", "step"), remedy="Leave the step out, or write a number."
        )
    hindrance = not_exactly(problem)
    waves = None if hindrance else waves_of(problem)
    if waves is None and not hindrance:
        series = _in_bands(problem)
        matrices = None if series or _too_large(problem) else matrices_of(problem)
        if matrices is not None and not _hidden(problem, matrices):
            return _by_eigenvectors(problem, policy, matrices)
        hypers, moves = _one_weight(problem, policy)
        found = equations_of(problem, hypers) if matrices is None else UNSEEN
        if not isinstance(found, str):
            return _by_bands(problem, found, hypers, moves)
        hindrance = f"{not_by_waves(problem, 'fourier')}; {found}"
    if hindrance:
        raise DocumentError(
            f"`admm` solves for the variable exactly, and {hindrance}",
            path=join(at, "policy", "algorithm"),
            remedy=f"Leave the algorithm out, or use `pd3o`{_but_for_roles(problem)}.",
        )
    hypers, moves = _one_weight(problem, policy)
    curved = waves == "cosine" and _curved(problem, waves)
    rule, how = _rule(problem, curved=curved, bare=lipschitz(problem.smooth) == 0)
    reasons = (
        f"admm: the {waves} transform makes every operator diagonal, so the variable is solved for exactly",
        f"{moves}; {how}",
    )
    return Choice(Admm(waves, rule), hypers, reasons)


def _one_weight(problem: Problem, policy: Policy) -> tuple[Hypers, str]:
    """One ρ for all copies, and what is said of it."""
    thresholds = [_threshold(problem, term) for term in problem.dual if hasattr(term.atom, "weight")]
    known = min((one for one in thresholds if one > 0), default=0.0)
    rho, reach = known or RELATIVE_RHO * lipschitz(problem.smooth), REACH
    if rho == 0:
        rho, reach = 1.0, BLIND_REACH
    bounds, moves = {"least": 1 / (reach * rho), "most": reach / rho}, BALANCED
    if policy.step is not None:
        rho, bounds, moves = 1 / float(policy.step), {}, ", the step given"
    return hypers_of(problem, 1 / rho, (rho,) * len(problem.dual), **bounds), f"rho = {rho:.4g}{moves}"


def _by_bands(problem: Problem, equations: Equations, hypers: Hypers, moves: str) -> Choice:
    """By a direct solver of equations that couple neighbours."""
    blocks, size, _ = equations.fit.diagonal.shape
    rule, how = _rule(problem, curved=False, bare=lipschitz(problem.smooth) == 0)
    names = ", ".join(one.name for one in problem.unknowns)
    why = f"admm: {names} is solved for exactly, by factors of {blocks} blocks of {size} entries"
    return Choice(Admm(None, rule, banded=True), hypers, (why, f"{moves}; {how}"), equations=equations)


def _rule(problem: Problem, *, curved: bool, bare: bool = True) -> tuple[Rule, str]:
    """How τ is chosen on the way, in words too; `curved` where f is in every direction.

    Beside a loss that is dual a quadratic f is no more than a regulariser, and says little of what a good τ is.
    """
    if not curved and bare and flat(problem):
        return "anchor", ANCHORED
    data = not any(term.atom.smooth for term in problem.dual)
    return "residuals" if curved and data else "moves", f"over-relaxed by {RELAXATION}"


def _curved(problem: Problem, waves: Waves) -> bool:
    """Whether f has a curvature at every frequency."""
    powers = [np.asarray(power_of(term.operator, problem.shape, waves, np)) for term in problem.smooth]
    return any(float(power.min()) > 0 for power in powers)


def _by_eigenvectors(problem: Problem, policy: Policy, matrices: Matrices) -> Choice:
    """Steps by the sizes of rows and columns; or 1/step for all of them."""
    names = ", ".join(one.name for one in problem.unknowns)
    rule, how = _rule(problem, curved=matrices.curved)
    why = f"admm: {names} is solved for exactly, by eigenvectors of {entries(problem)} entries"
    if policy.step is not None:
        rho = 1 / float(policy.step)
        hypers, moves = hypers_of(problem, 1 / rho, (rho,) * len(problem.dual)), f"rho = {rho:.4g}, the step given"
    else:
        hypers = scaled_steps(problem, matrices)
        taus = [float(np.max(one)) for one in jax.tree.leaves(hypers.tau)]
        moves = f"tau up to {max(taus):.4g}{BALANCED}"
    return Choice(Admm(waves=None, rule=rule), hypers, (why, f"{moves}; {how}"))


def _threshold(problem: Problem, term: Term) -> float:
    """Weight/mean|W x| at Kᵀb, or where there is none, or that is 0, at the start, which may be of any size."""
    pulled = [one.pulled for one in problem.smooth if one.pulled is not None]
    shapes = jax.tree.map(jnp.shape, problem.init)
    for x in (*(one for one in pulled if jax.tree.map(jnp.shape, one) == shapes), problem.init):
        size = float(jnp.mean(jnp.abs(logical(term.operator.apply(x)))))
        if size > 0 and math.isfinite(size):
            return float(term.atom.weight) / size
    return 0.0
