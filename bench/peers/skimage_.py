"""scikit-image's total-variation denoising by Chambolle's dual projection: a cheaper iteration, another method."""

from __future__ import annotations

import numpy as np
from problems import Problem
from skimage.restoration import denoise_tv_chambolle
from solver import Offer, UnableError


class Chambolle:
    """Begins anew each time: it keeps no state."""

    def __init__(self, problem: Problem) -> None:
        self.b, self.weight = problem.arrays["b"], problem.numbers["weight"]
        self.reset()

    def reset(self) -> None:
        self.x = self.b

    def run(self, count: int) -> None:
        self.x = denoise_tv_chambolle(self.b, weight=self.weight, eps=0, max_num_iter=count)

    def point(self) -> np.ndarray:
        return self.x


def offers(problem: Problem) -> list[Offer]:
    """Total-variation denoising alone; it has nothing to set."""
    if problem.kind != "tv-denoise":
        raise UnableError("denoises only, and has no Huber function" if "denoise" in problem.kind else "denoises only")
    return [Offer("scikit-image Chambolle", "", lambda: Chambolle(problem), restarts=True)]
