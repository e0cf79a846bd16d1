"""What most methods share: certificates that change nothing, and a step that is observed afterwards."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import jax
from jax import Array

from flowengine.problem import Evidence, Hypers, Method, Problem, Scalar, Sizes, Tree

if TYPE_CHECKING:
    from jaxtyping import Int


@functools.partial(jax.jit, static_argnames=("method",))
def stepped(problem: Problem, hypers: Hypers, state: Tree, *, method: Method) -> Tree:
    """A step, traced once for all places of a program where it is made."""
    return method.step(problem, hypers, state)


class Steady:
    """A method whose state has its point as `x` and its step as `tau`; certificates change nothing of them."""

    def point(self, state: Tree) -> Tree:
        """The point."""
        return state.x

    def pace(self, hypers: Hypers, state: Tree) -> Scalar:
        """Τ."""
        del hypers
        tau: Scalar = state.tau
        return tau

    def adapted(
        self,
        problem: Problem,
        hypers: Hypers,
        old: Tree,
        new: Tree,
        evidence: Evidence,
        sizes: Sizes,
        iterations: Int[Array, ""],
    ) -> Tree:
        """The state as it is."""
        del problem, hypers, old, evidence, sizes, iterations
        return new


class Observing(Steady, ABC):
    """A method whose evidence follows from the states before and after a step."""

    @abstractmethod
    def step(self, problem: Problem, hypers: Hypers, state: Tree) -> Tree:
        """One iteration."""

    @abstractmethod
    def evidence(self, problem: Problem, hypers: Hypers, old: Tree, new: Tree) -> Evidence:
        """What every certificate needs, from a step `old → new`."""

    def observed_step(self, problem: Problem, hypers: Hypers, state: Tree) -> tuple[Tree, Evidence]:
        """One iteration, and what every certificate needs to know of it."""
        new: Tree = stepped(problem, hypers, state, method=self)
        return new, self.evidence(problem, hypers, state, new)
