"""What would have helped a run that a limit ended: other policies, tried on its own problem from its own start."""

from __future__ import annotations

import time
from collections.abc import Hashable
from contextlib import suppress
from typing import Any

import jax
import numpy as np

from flowapi.errors import FlowError
from flowapi.frozen import frozen
from flowapi.policy import Policy
from flowengine.compiler import CompiledFlow, stops_of
from flowengine.loop import Snapshot, advance, run_key, snapshot, start
from flowengine.xla import placed

LONG = 1_000  # iterations from which a run was more than a first look
SMALL = 2**26  # bytes of a problem; a trial of a larger one may not fit beside the run
SECONDS = 5.0  # after which no trial begins, and for each at most
TURN = 1_000  # iterations between two looks at the clock
NEARER = 10.0  # times less of a residual are worth a word
ABOUT = 2
POLICIES: tuple[dict[str, Any], ...] = (
    {"family": "accelerated"},
    {"algorithm": "admm"},
    {"family": "accelerated", "preconditioner": "jacobi"},
    {"algorithm": "pd3o"},
)


@frozen
class Trial:
    """Where another policy came to.

    Attributes:
        policy: As in a document.
        end: Its last certificate.
        seconds: Of its iterations.
    """

    policy: dict[str, Any]
    end: Snapshot
    seconds: float

    @property
    def sentence(self) -> str:
        """For a person."""
        given = ", ".join(f"{key}: {value}" for key, value in self.policy.items())
        if self.end.reason == "Converged":
            return f"tried on the same problem, `policy: {{{given}}}` was there after {self.end.iteration} iterations"
        reached, spent = f"{self.end.residual:.3g}", self.end.iteration
        return f"tried on the same problem, `policy: {{{given}}}` came to a residual of {reached} in {spent} iterations"


def sooner(compiled: CompiledFlow, now: Snapshot) -> list[str]:
    """What would have helped: at most one sentence, without a full stop.

    Args:
        compiled: The flow.
        now: Its last certificate.
    """
    problem, by = compiled.problem, compiled.by
    size = sum(one.nbytes for one in jax.tree.leaves(problem))
    if by is None or not problem.convex or problem.curved or now.iteration < LONG or size > SMALL:
        return []
    found, begin, known = list[Trial](), time.monotonic(), {_kind(compiled)}
    for policy in POLICIES:
        if time.monotonic() - begin > SECONDS:
            break
        with suppress(FlowError):  # it can't do the problem
            flow = by(Policy.model_validate(policy))
            if (kind := _kind(flow)) not in known:
                known.add(kind)
                found.append(_tried(flow, policy, now.iteration))
    there = [one for one in found if one.end.reason == "Converged"]
    if there:  # the first of about the fewest iterations, for those of the first are cheap
        fewest = min(one.end.iteration for one in there)
        return [next(one for one in there if one.end.iteration <= ABOUT * fewest).sentence]
    near = [one for one in found if one.end.residual is not None and one.end.residual * NEARER < (now.residual or 0)]
    return [min(near, key=lambda one: one.end.residual or 0).sentence] if near else []


def _kind(flow: CompiledFlow) -> Hashable:
    """What tells one way of working from another: the method, and its steps."""
    return flow.choice.method, tuple(np.asarray(one).tobytes() for one in jax.tree.leaves(flow.choice.hypers))


def _tried(flow: CompiledFlow, policy: dict[str, Any], until: int) -> Trial:
    """From the start, for at most so many iterations."""
    method, stops = flow.choice.method, stops_of(flow.document.stop, flow.document.dtype)
    carry = start(flow.problem, method, flow.choice.hypers, flow.settings, run_key(0, flow.digest))
    seconds, ends = 0.0, [0, *range(TURN, until, TURN), until]
    for end in ends:  # the first compiles
        begin = time.monotonic()
        carry = advance(flow.problem, carry, stops, placed(end, np.int64), method=method, settings=flow.settings)
        now = snapshot(carry)
        seconds += time.monotonic() - begin if end else 0
        if now.reason is not None or seconds > SECONDS:
            break
    return Trial(policy, now, seconds)
