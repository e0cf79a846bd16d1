"""How most methods observe a step: afterwards, from the two states."""

from __future__ import annotations

from abc import ABC, abstractmethod

from flowengine.problem import Evidence, Hypers, Problem, Tree


class Observing(ABC):
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
