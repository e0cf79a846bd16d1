"""Differences along the edges of a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jax import Array

from flowengine.problem import pytree
from flowengine.xla import placed

if TYPE_CHECKING:
    from jaxtyping import Float, Int


@pytree("shape", "norm")
class Incidence:
    """(Bx)_e = f_e (x_i − x_j) for each edge e = (i, j), on the raveled variable.

    ‖B‖² ≤ max over edges of d_i + d_j, with the degrees d_i = Σ f_e² of a node's edges.
    Source: Anderson and Morley, Linear and Multilinear Algebra 18, 1985 (the bound).
    """

    heads: Int[Array, " edges"]
    tails: Int[Array, " edges"]
    factors: Float[Array, " edges"]
    shape: tuple[int, ...]
    norm: float

    def apply(self, x: Array) -> Array:
        """A difference an edge."""
        flat = x.reshape(-1)
        return self.factors * (flat[self.heads] - flat[self.tails])

    def adjoint(self, y: Array) -> Array:
        """What flows into each node."""
        flow = self.factors * y
        count = int(np.prod(self.shape))
        nodes = jnp.zeros(count, y.dtype).at[self.heads].add(flow).at[self.tails].add(-flow)
        return nodes.reshape(self.shape)

    def gram(self, x: Array) -> Array:
        """BᵀBx, the graph's Laplacian."""
        return self.adjoint(self.apply(x))


def build_incidence(edges: np.ndarray, factors: np.ndarray, shape: tuple[int, ...]) -> Incidence:
    """Build the differences of arrays of this shape along edges, pairs of positions in the raveled array."""
    heads, tails = edges[:, 0], edges[:, 1]
    degrees = np.zeros(int(np.prod(shape)))
    np.add.at(degrees, heads, factors**2)
    np.add.at(degrees, tails, factors**2)
    bound = (degrees[heads] + degrees[tails]).max(initial=0)
    return Incidence(placed(heads), placed(tails), placed(factors), shape, float(np.sqrt(bound)) * (1 + 1e-6))


def graph_wavelets(laplacian: np.ndarray, scales: int) -> np.ndarray:
    """The spectral wavelets of a graph as one matrix: a low-pass, then so many band-passes, from coarse to fine last.

    U g(λ) Uᵀ with the eigenvalues λ of the Laplacian: e^{−(5λ/λ_max)²}, and s·e^{1−s} at s = λ·2^{j+1}/λ_max.
    Source: Hammond, Vandergheynst and Gribonval, Applied and Computational Harmonic Analysis 30, 2011.
    """
    values, vectors = np.linalg.eigh(laplacian)
    relative = np.clip(values, 0, None) / max(float(values[-1]), np.finfo(values.dtype).tiny)
    shifted = [relative * 2.0 ** (j + 1) for j in range(scales)]
    filters = [np.exp(-((5 * relative) ** 2)), *(s * np.exp(1 - s) for s in shifted)]
    return np.concatenate([(vectors * one) @ vectors.T for one in filters])
