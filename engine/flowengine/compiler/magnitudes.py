"""Numbers whose squares are beyond the flow's precision: where they stand, before anything is computed with them."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from flowapi.errors import DataError
from flowapi.flow import FlowDocument
from flowapi.frozen import frozen
from flowapi.model import join
from flowengine.arithmetic import norm
from flowengine.compiler.load import Arrays, Sparse
from flowengine.problem import Problem
from flowengine.steps import smooth_gradient


@frozen
class Largest:
    """The largest number that a document gives.

    Attributes:
        path: Where it stands.
        size: Without its sign.
        dtype: What is computed in.
    """

    path: str
    size: float
    dtype: str

    def beyond(self, power: int = 2) -> bool:
        """Whether a product of so many such numbers has no place in the precision."""
        return self.size > math.exp(math.log(np.finfo(self.dtype).max) / power)

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return (
            f"Sums of squares of numbers up to {self.size:.3g} are beyond {self.dtype}: "
            "measure in larger units, or divide all weights by one number."
        )


def largest(document: FlowDocument, data: Arrays, at: str) -> Largest:
    """The largest number of a document: of its data, weights, parameters and starts."""
    path, size = max(_sizes(document, data, at), key=lambda one: one[1], default=(at, 0.0))
    return Largest(path, size, document.dtype)


def check_gradient(problem: Problem, biggest: Largest, *, chained: bool = False) -> None:
    """See that the gradient where a flow starts has a length, which large numbers may take from it.

    Raises:
        DataError: it has none.
    """
    if not biggest.beyond(4):  # squares of products of two
        return

    slope = functools.partial(smooth_gradient, problem)
    found = jax.vmap(slope)(problem.init) if chained else slope(problem.init)
    finite = all(bool(jnp.isfinite(one).all()) for one in jax.tree.leaves(found))
    if not math.isfinite(float(norm(found))) and (finite or biggest.beyond()):
        message = "the gradient overflows where the flow starts"
        raise DataError(message, path=biggest.path, remedy=biggest.remedy)


def _sizes(document: FlowDocument, data: Arrays, at: str) -> Iterator[tuple[str, float]]:
    """Of every place that numbers come from, the largest number."""
    for name in data:
        array = data.either(name)
        numbers = array.matrix.data if isinstance(array, Sparse) else array
        if numbers.size:
            parts = (numbers.real, numbers.imag) if np.iscomplexobj(numbers) else (numbers,)
            ends = (float(end) for part in parts for end in (part.max(), part.min()))
            yield join(at, "data", name), max(map(abs, ends))
    for name, value in document.params.items():
        yield join(at, "params", name), abs(value)
    for index, term in enumerate(document.terms):
        if isinstance(term.weight, int | float):
            yield join(at, "terms", index, "weight"), abs(term.weight)
    for name, variable in document.variables.items():
        if isinstance(variable.init, int | float):
            yield join(at, "variables", name, "init"), abs(variable.init)
