"""The minimiser of a quadratic f and quadratic penalties, where a basis makes both diagonal.

    x = (H + ρP)⁻¹ r = V ((Vᵀr) / (h + ρp)),   VᵀHV = diag(h),   VᵀPV = diag(p)

for any ρ at the price of two products. For periodic operators V is the Fourier transform, for differences with the
boundary of Neumann the cosine transform; else the columns of V are the generalised eigenvectors of H and P, which any
two such matrices have where no direction is in the kernels of both.
Sources: Strang, SIAM Review 41, 1999; Golub and Van Loan, Matrix Computations, section 8.7, 2013.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.flatten_util import ravel_pytree

from flowengine.arithmetic import subtract, zeros_like
from flowengine.linops import Waves, grid_of, power_of
from flowengine.problem import Problem, Scalar, Term, Tree, pytree
from flowengine.steps.descent import smooth_gradient
from flowengine.transforms import dctn, idctn, irfftn, rfftn

if TYPE_CHECKING:
    from jaxtyping import Float

AT_ONCE = 32  # unit vectors that are mapped at a time


@pytree("waves")
class Spectrum:
    """H and P in their basis.

    Attributes:
        fit: h, of the Hessian of f; at the frequencies of a transform.
        penalty: p.
        waves: The transform; None for eigenvectors.
        basis: V; None for a transform.
        right: −∇f(0), with V; None with a transform, where the terms know theirs.
    """

    fit: Array
    penalty: Array
    waves: Waves | None = None
    basis: Float[Array, "n n"] | None = None
    right: Tree | None = None


def by_waves(problem: Problem, waves: Waves, weights: tuple[Scalar, ...], own: Scalar | None) -> Spectrum:
    """H = Σ w_iA_iᵀA_i and P = own·I + Σ weight_j·W_jᵀW_j of operators that a transform makes diagonal."""
    fit = _power(problem, waves, [(term.atom.weight, term) for term in problem.smooth])
    penalty = _power(problem, waves, list(zip(weights, problem.dual, strict=True)))
    return Spectrum(fit, penalty if own is None else penalty + own, waves)


def by_eigenvectors(problem: Problem, penalty: Callable[[Tree], Tree]) -> Spectrum:
    """H = f'', and P as a function, of any variables of few entries.

    Both are brought to one scale and a diagonal of ones first, so that neither is lost in the other's rounding.
    """
    origin = zeros_like(problem.init)
    still = smooth_gradient(problem, origin)
    fit, stiff = (_matrix(act, origin) for act in (lambda x: subtract(smooth_gradient(problem, x), still), penalty))
    both = sum(one / jnp.maximum(jnp.trace(one), np.finfo(one.dtype).tiny) for one in (fit, stiff))
    root = 1 / jnp.sqrt(jnp.diag(both))
    values, vectors = jnp.linalg.eigh(root[:, None] * both * root)
    white = root[:, None] * vectors / jnp.sqrt(jnp.maximum(values, np.finfo(values.dtype).eps * values[-1]))
    share = fit / jnp.maximum(jnp.trace(fit), np.finfo(fit.dtype).tiny)
    _, turned = jnp.linalg.eigh(_times(white.T, _times(share, white)))
    basis = _times(white, turned)
    h, p = (jnp.maximum(jnp.sum(basis * _times(one, basis), axis=0), 0) for one in (fit, stiff))
    return Spectrum(h, p, None, basis, jax.tree.map(jnp.negative, still))


def _matrix(act: Callable[[Tree], Tree], origin: Tree) -> Array:
    """A symmetric map of variables as a matrix, on their entries in one row."""
    flat, unravel = ravel_pytree(origin)
    rows: Array = lax.map(
        lambda one: ravel_pytree(act(unravel(one)))[0], jnp.eye(len(flat), dtype=flat.dtype), batch_size=AT_ONCE
    )
    even: Array = (rows + rows.T) / 2
    return even


def solved(problem: Problem, spectrum: Spectrum, right: Tree, rho: Scalar) -> Tree:
    """(H + ρP)⁻¹(right − ∇f(0))."""
    powers = spectrum.fit + rho * spectrum.penalty
    if spectrum.basis is None:
        for term in problem.smooth:
            right = right + term.atom.weight * term.pulled
        if spectrum.waves == "cosine":
            return idctn(dctn(right) / powers)
        axes = tuple(range(right.ndim))
        return irfftn(rfftn(right, axes) / powers, axes, problem.shape)
    flat, unravel = ravel_pytree(jax.tree.map(jnp.add, right, spectrum.right))
    basis = spectrum.basis
    return unravel(_times(basis, _times(flat, basis) / powers))


def _times(a: Array, b: Array) -> Array:
    """The product, on a GPU too in the precision of its factors."""
    product: Array = jnp.matmul(a, b, precision=lax.Precision.HIGHEST)
    return product


def _power(problem: Problem, waves: Waves, terms: list[tuple[Scalar, Term]]) -> Array:
    """Σ weight · |Ŵ|² of some terms."""
    total = jnp.zeros(grid_of(problem.shape, waves), problem.real)
    for weight, term in terms:
        power = power_of(term.operator, problem.shape, waves)
        if power is None:
            raise ValueError(f"{term.path} has no {waves} transform")
        total = total + (weight * power).astype(problem.real)
    return total
