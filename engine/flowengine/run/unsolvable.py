"""When a run is looked at for a proof that its problem has no solution, and what is said of one."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from flowapi.errors import InfeasibleError, NoSolutionError, UnboundedError
from flowengine.arithmetic import norm, subtract
from flowengine.certify import RED, contradict, falls_without_end
from flowengine.compiler import CompiledFlow
from flowengine.loop import Carry, Snapshot
from flowengine.methods import External, Sampler, stepped
from flowengine.problem import Tree

FIRST = 1000  # iterations before the first look; the next are at twice as many, and so on
DOUBTFUL = 1e-3  # a residual above it, after so many
SHOWN = 3  # entries of a direction


def due(iteration: int) -> bool:
    """Whether a run is looked at here: at absolute iterations, so that a resumed one is, too."""
    times = iteration // FIRST
    return iteration == times * FIRST and times > 0 and times & (times - 1) == 0


def next_due(iteration: int) -> int:
    """The next look after this one."""
    return FIRST * 2 ** (iteration // FIRST).bit_length() if iteration >= FIRST else FIRST


def unsolvable(compiled: CompiledFlow, carry: Carry, now: Snapshot, at: str) -> NoSolutionError | None:
    """What proves that there is no solution; None where nothing does, or the run is well on its way.

    Args:
        compiled: The flow.
        carry: Where it stands.
        now: The same for the host.
        at: Path of the document, for the message.
    """
    problem, method = compiled.problem, compiled.choice.method
    if isinstance(method, Sampler | External) or problem.curved or now.iteration < FIRST or not now.finite:
        return None
    if now.residual is None or now.residual < DOUBTFUL:
        return None
    states = [carry.state]
    for _ in range(2):
        states.append(stepped(problem, carry.hypers, states[-1], method=method))
    points = [method.point(state) for state in states]
    if problem.convex and any(term.atom.indicator for term in problem.dual):
        y = [method.balance(problem, carry.hypers, *pair).dual for pair in (states[:2], states[1:])]
        moved = tuple(subtract(after, before) for before, after in zip(*y, strict=True))
        if any(bool(contradict(problem, points[2], one)) for one in (moved, y[1])):
            return _infeasible(compiled, now, at)
    for direction in (subtract(points[2], points[1]), points[2]):
        if float(norm(direction)) > 0 and bool(falls_without_end(problem, points[2], direction)):
            return _unbounded(compiled, direction, now, at)
    return None


def reddened(carry: Carry) -> Carry:
    """The carry of a run that ends without a solution."""
    return replace(carry, controller=replace(carry.controller, colour=jnp.asarray(RED, jnp.int32)))


def _infeasible(compiled: CompiledFlow, now: Snapshot, at: str) -> InfeasibleError:
    terms = [one.term for one in compiled.roles] or list(compiled.problem.dual)
    paths = ", ".join(term.path for term in terms if term.atom.indicator)
    return InfeasibleError(
        f"no point meets all constraints, as iteration {now.iteration} proves: {paths}",
        path=f"{at}.terms",
        remedy="Loosen one of them, or make it a term with a weight.",
    )


def _unbounded(compiled: CompiledFlow, direction: Tree, now: Snapshot, at: str) -> UnboundedError:
    named = direction if isinstance(direction, dict) else {compiled.problem.unknowns[0].name: direction}
    return UnboundedError(
        f"the energy falls without end, as iteration {now.iteration} proves, along {_told(named)}",
        path=f"{at}.terms",
        remedy="Bound that direction: a `box`, a small `tikhonov`, or data that hold it.",
    )


def _told(named: dict[str, Array]) -> str:
    """The largest entries of a direction of length 1."""
    length = float(norm(named))
    entries = [
        (abs(value), f"{value:+.2g}·{name}{list(index) if index else ''}")
        for name, array in named.items()
        for index, value in _largest(np.asarray(jax.device_get(array)) / length)
    ]
    entries.sort(key=lambda one: -one[0])
    more = " …" if sum(np.size(array) for array in named.values()) > SHOWN else ""
    return " ".join(text for _, text in entries[:SHOWN]) + more


def _largest(array: np.ndarray) -> list[tuple[tuple[int, ...], float]]:
    order = np.argsort(-np.abs(array), axis=None, kind="stable")[:SHOWN]
    places = [tuple(int(i) for i in np.unravel_index(one, array.shape)) for one in order]
    return [(place, float(np.real(array[place]))) for place in places]
