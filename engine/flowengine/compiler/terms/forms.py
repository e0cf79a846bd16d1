"""`quadratic_form`: what a matrix must be, and as much of its spectrum as the flow needs."""

from __future__ import annotations

from typing import NoReturn

import numpy as np

from flowapi import atoms as specs
from flowapi.errors import DataError
from flowengine import atoms
from flowengine.compiler.site import Site
from flowengine.compiler.terms.registry import simple

SYMMETRY = 1e-8  # of a matrix that must be symmetric, relative to its largest entry
DEFINITE = 1e-12  # eigenvalues below this share of the largest count as 0
LARGE = 1024  # rows, above which eigenvectors take seconds
ROOM = 1e-6  # by which the largest eigenvalue is raised, as a bound


@simple(specs.QuadraticForm)
def _quadratic_form(spec: specs.QuadraticForm, site: Site) -> atoms.QuadraticForm:
    matrix = _symmetric(spec, site)
    bounded = {one.name for one in site.maps.unknowns if one.manifold in ("sphere", "stiefel")}
    signed = all(summand.var in bounded for summand in spec.arg)
    if len(matrix) > LARGE and not signed and spec.as_ in (None, "smooth") and site.document.stop.gap is None:
        return _by_products(matrix, spec, site)
    values, vectors = np.linalg.eigh(matrix)
    top = max(float(values[-1]), 0.0)
    if signed:
        top = float(np.abs(values).max())
    elif values[0] < -SYMMETRY * max(top, 1e-300):
        _refuse(float(values[0]), spec, site)
    values = np.where(np.abs(values) > DEFINITE * top, values, 0)
    definite, bound = bool(values[0] > 0), top * (1 + ROOM)
    basis = site.array(vectors), site.array(values)
    return atoms.QuadraticForm(site.weight, site.target(spec.data), *basis, definite, bound, site.array(matrix))


def _symmetric(spec: specs.QuadraticForm, site: Site) -> np.ndarray:
    """The matrix.

    Raises:
        DataError: it is complex, or not symmetric.
    """
    matrix = np.asarray(site.matrix(spec.matrix))
    if np.iscomplexobj(matrix):
        raise DataError(
            f"`{spec.matrix}` is complex; the form is of real symmetric matrices",
            path=site.path("matrix"),
            remedy="Write a Hermitian form as ½‖Ax‖² with P = AᴴA: `quadratic` of `A x`.",
        )
    matrix = np.asarray(matrix, np.float64)
    if matrix.shape[0] != matrix.shape[1] or np.abs(matrix - matrix.T).max() > SYMMETRY * np.abs(matrix).max(
        initial=1e-300
    ):
        raise DataError(f"`{spec.matrix}` is not symmetric", path=site.path("matrix"), remedy="Use (P + Pᵀ)/2.")
    return matrix


def _by_products(matrix: np.ndarray, spec: specs.QuadraticForm, site: Site) -> atoms.QuadraticForm:
    """Of a large matrix that enters by its gradient: the largest eigenvalue by Lanczos, signs by Cholesky.

    Source: Golub and Van Loan, Matrix Computations, sections 10.1 and 4.2, 2013.
    """
    top = max(_largest(matrix), 0.0)
    if not _positive(matrix, SYMMETRY * max(top, 1e-300)):
        _refuse(float(np.linalg.eigvalsh(matrix)[0]), spec, site)
    definite = _positive(matrix, -DEFINITE * top)
    return atoms.QuadraticForm(
        site.weight, site.target(spec.data), None, None, definite, top * (1 + ROOM), site.array(matrix)
    )


def _largest(matrix: np.ndarray) -> float:
    """The largest eigenvalue."""
    from scipy.sparse.linalg import eigsh  # noqa: PLC0415 - only flows with such a matrix pay for it

    if not matrix.any():
        return 0.0
    start = np.random.default_rng(0).standard_normal(len(matrix))
    return float(eigsh(matrix, k=1, which="LA", v0=start, return_eigenvectors=False)[0])


def _positive(matrix: np.ndarray, shift: float) -> bool:
    """Whether the matrix and `shift` times the identity are positive definite together."""
    try:
        np.linalg.cholesky(matrix + shift * np.eye(len(matrix)))
    except np.linalg.LinAlgError:
        return False
    return True


def _refuse(least: float, spec: specs.QuadraticForm, site: Site) -> NoReturn:
    raise DataError(
        f"`{spec.matrix}` has the eigenvalue {least:.3g}: the energy would have no minimum",
        path=site.path("matrix"),
        remedy="A positive semidefinite matrix is needed.",
    )
