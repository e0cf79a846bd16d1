"""What most methods share: certificates that change nothing, and a step that is observed afterwards."""

from __future__ import annotations

from abc import ABC, abstractmethod

from jaxtyping import Array, Int

from flowengine.problem import Evidence, Hypers, Problem, Tree


class Steady:
    """A method whose certificates change nothing of its steps."""

    def adapted(self, hypers: Hypers, old: Tree, new: Tree, evidence: Evidence, iterations: Int[Array, ""]) -> Tree:
        """The state as it is."""
        del hypers, old, evidence, iterations
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
        new = self.step(problem, hypers, state)
        return new, self.evidence(problem, hypers, state, new)
