"""From a term's keys to its atoms, each with the linear map that it acts on. A builder an atom."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from flowapi import atoms as specs
from flowapi.argument import TermSpec
from flowapi.errors import DataError, DocumentError
from flowengine import atoms
from flowengine.compiler.operators import build_gradient, build_incidence, check_shape, nonnegative
from flowengine.compiler.site import Site
from flowengine.linops import Laplacian, Pair, Sum
from flowengine.problem import Term
from flowengine.storage import zeros_like

S = TypeVar("S", bound=TermSpec)
Builder = Callable[[Any, Site], list[Term]]
BUILDERS: dict[type[TermSpec], Builder] = {}
SYMMETRY = 1e-8  # of a matrix that must be symmetric, relative to its largest entry
DEFINITE = 1e-12  # eigenvalues below this share of the largest count as 0


def build_terms(spec: TermSpec, site: Site) -> list[Term]:
    """The terms that a document's term stands for: one, or a few.

    Raises:
        DocumentError: its keys don't fit its argument.
        DataError: its data don't.
    """
    terms = BUILDERS[type(spec)](spec, site)
    if site.is_complex and not all(term.atom.takes_complex for term in terms):
        raise DocumentError("this atom needs real numbers", path=site.path("arg"), remedy="Its argument is complex.")
    return terms


def _simple(model: type[S]) -> Callable[[Callable[[S, Site], Any]], Callable[[S, Site], Any]]:
    """Register a function from keys to the one atom on the argument itself."""

    def register(build: Callable[[S, Site], Any]) -> Callable[[S, Site], Any]:
        BUILDERS[model] = lambda spec, site: [Term(build(spec, site), site.operator, None, site.place)]
        return build

    return register


def _composed(model: type[S]) -> Callable[[Callable[[S, Site], list[Term]]], Callable[[S, Site], list[Term]]]:
    """Register a function from keys to terms with operators of their own."""

    def register(build: Callable[[S, Site], list[Term]]) -> Callable[[S, Site], list[Term]]:
        BUILDERS[model] = build
        return build

    return register


@_simple(specs.Quadratic)
def _quadratic(spec: specs.Quadratic, site: Site) -> atoms.Quadratic:
    return atoms.Quadratic(site.weight, site.target(spec.data))


@_simple(specs.QuadraticForm)
def _quadratic_form(spec: specs.QuadraticForm, site: Site) -> atoms.QuadraticForm:
    matrix = np.asarray(site.matrix(spec.matrix), np.float64)
    if matrix.shape[0] != matrix.shape[1] or np.abs(matrix - matrix.T).max() > SYMMETRY * np.abs(matrix).max(
        initial=1e-300
    ):
        raise DataError(f"`{spec.matrix}` is not symmetric", path=site.path("matrix"), remedy="Use (P + Pᵀ)/2.")
    values, vectors = np.linalg.eigh(matrix)
    top = max(float(values[-1]), 0.0)
    if values[0] < -SYMMETRY * max(top, 1e-300):
        raise DataError(
            f"`{spec.matrix}` has the eigenvalue {values[0]:.3g}: the energy would have no minimum",
            path=site.path("matrix"),
            remedy="A positive semidefinite matrix is needed.",
        )
    values = np.where(values > DEFINITE * top, values, 0)
    return atoms.QuadraticForm(
        site.weight,
        site.target(spec.data),
        site.array(vectors),
        site.array(values),
        bool(values[0] > 0),
        top * (1 + 1e-6),
    )


@_simple(specs.Huber)
def _huber(spec: specs.Huber, site: Site) -> atoms.Huber:
    return atoms.Huber(site.weight, site.target(spec.data), site.scalar(spec.delta))


@_simple(specs.Poisson)
def _poisson(spec: specs.Poisson, site: Site) -> atoms.Poisson:
    return atoms.Poisson(site.weight, site.counts(spec.data))


@_simple(specs.KullbackLeibler)
def _kullback_leibler(spec: specs.KullbackLeibler, site: Site) -> atoms.KullbackLeibler:
    return atoms.KullbackLeibler(site.weight, site.counts(spec.data))


@_simple(specs.Logistic)
def _logistic(spec: specs.Logistic, site: Site) -> atoms.Logistic:
    labels = site.data[spec.data]
    if not np.isin(labels, (-1, 1)).all():
        odd = labels[~np.isin(labels, (-1, 1))].flat[0]
        raise DataError(f"the label {odd:g} is neither −1 nor 1", path=site.path("data"), remedy="Recode the labels.")
    return atoms.Logistic(site.weight, site.target(spec.data))


@_simple(specs.CrossEntropy)
def _cross_entropy(spec: specs.CrossEntropy, site: Site) -> atoms.CrossEntropy:
    if not site.plain:
        raise DocumentError("a number has no classes", path=site.path("arg"), remedy="Give it a last axis of classes.")
    labels, classes = site.labels(spec.data, site.shape[:-1], least=0, key="data"), site.shape[-1]
    if labels.max(initial=0) >= classes:
        raise DataError(
            f"the label {labels.max()} is beyond the {classes} classes", path=site.path("data"), remedy="Count from 0."
        )
    return atoms.CrossEntropy(site.weight, site.array(np.eye(classes)[labels]))


@_simple(specs.Tikhonov)
def _tikhonov(spec: specs.Tikhonov, site: Site) -> atoms.Quadratic:
    del spec
    return atoms.Quadratic(site.weight, site.target(None))


@_composed(specs.Smoothness)
def _smoothness(spec: specs.Smoothness, site: Site) -> list[Term]:
    gradient = build_gradient(spec, site.plain, site.place)
    atom = atoms.Quadratic(site.weight, site.stored(gradient, None))
    return [Term(atom, site.behind(gradient), None, site.place)]


@_composed(specs.Curvature)
def _curvature(spec: specs.Curvature, site: Site) -> list[Term]:
    laplacian = Laplacian(build_gradient(spec, site.plain, site.place))
    atom = atoms.Quadratic(site.weight, site.stored(laplacian, spec.data))
    return [Term(atom, site.behind(laplacian), None, site.place)]


@_simple(specs.L1)
def _l1(spec: specs.L1, site: Site) -> atoms.L1:
    return atoms.L1(site.weight, site.target(spec.data))


@_composed(specs.ElasticNet)
def _elastic_net(spec: specs.ElasticNet, site: Site) -> list[Term]:
    parts = (
        atoms.Quadratic(site.weight * site.positive(spec.l2, "l2"), site.target(None)),
        atoms.L1(site.weight * site.positive(spec.l1, "l1"), site.target(None)),
    )
    return [Term(part, site.operator, None, site.place) for part in parts]


@_simple(specs.NormL21)
def _norm_l21(spec: specs.NormL21, site: Site) -> atoms.NormL21 | atoms.GroupNorm:
    if spec.groups is None:
        return atoms.NormL21(site.weight, _block_axes(spec.axis, site))
    labels = site.labels(spec.groups, site.plain, least=-1, key="groups").reshape(-1)
    count = int(labels.max(initial=-1)) + 1
    factors = np.ones(count)
    if spec.group_weights is not None:
        factors = nonnegative(site.data[spec.group_weights], site.path("groupWeights"))
        if factors.shape != (count,):
            raise DataError(
                f"{factors.shape} weights for {count} groups",
                path=site.path("groupWeights"),
                remedy="Give one a group.",
            )
    covered = bool((labels >= 0).all() and (factors > 0).all())
    return atoms.GroupNorm(
        site.weight,
        jnp.asarray(np.where(labels < 0, count, labels)),
        site.array(np.append(factors, 0)),
        count,
        covered,
    )


@_composed(specs.TotalVariation)
def _tv(spec: specs.TotalVariation, site: Site) -> list[Term]:
    gradient = build_gradient(spec, site.plain, site.place)
    atom: Any = atoms.NormL21(site.weight, (0,))
    if not spec.isotropic:
        atom = atoms.L1(site.weight, site.stored(gradient, None))
    return [Term(atom, site.behind(gradient), None, site.place)]


@_simple(specs.Nuclear)
def _nuclear(spec: specs.Nuclear, site: Site) -> atoms.Nuclear:
    del spec
    if len(site.plain) != 2:
        raise DocumentError(
            f"the argument has {len(site.shape)} dimensions",
            path=site.path("arg"),
            remedy="A matrix has two: `reshape` it.",
        )
    return atoms.Nuclear(site.weight)


@_composed(specs.Dirichlet)
def _dirichlet(spec: specs.Dirichlet, site: Site) -> list[Term]:
    factors = None if spec.weights is None else np.sqrt(nonnegative(site.data[spec.weights], site.path("weights")))
    incidence = build_incidence(site.data[spec.edges], factors, site.plain, site.path("edges"))
    atom = atoms.Quadratic(site.weight, site.stored(incidence, None))
    return [Term(atom, site.behind(incidence), None, site.place)]


@_composed(specs.GraphTotalVariation)
def _graph_tv(spec: specs.GraphTotalVariation, site: Site) -> list[Term]:
    factors = None if spec.weights is None else nonnegative(site.data[spec.weights], site.path("weights"))
    incidence = build_incidence(site.data[spec.edges], factors, site.plain, site.path("edges"))
    atom = atoms.L1(site.weight, site.stored(incidence, None))
    return [Term(atom, site.behind(incidence), None, site.place)]


@_simple(specs.Box)
def _box(spec: specs.Box, site: Site) -> atoms.Interval:
    lo, hi = -np.inf if spec.lo is None else spec.lo, np.inf if spec.hi is None else spec.hi
    return atoms.Interval(site.scalar(lo), site.scalar(hi))


@_simple(specs.Nonnegative)
def _nonnegative(spec: specs.Nonnegative, site: Site) -> atoms.Interval:
    del spec
    return atoms.Interval(site.scalar(0.0), site.scalar(np.inf))


@_simple(specs.Simplex)
def _simplex(spec: specs.Simplex, site: Site) -> atoms.Simplex:
    axis = None if spec.axis is None else _block_axes(spec.axis, site)[0]
    return atoms.Simplex(site.scalar(spec.total), axis)


@_simple(specs.L1Ball)
def _l1_ball(spec: specs.L1Ball, site: Site) -> atoms.L1Ball:
    return atoms.L1Ball(site.scalar(spec.radius))


@_simple(specs.L2Ball)
def _l2_ball(spec: specs.L2Ball, site: Site) -> atoms.L2Ball:
    return atoms.L2Ball(site.scalar(spec.radius), site.target(spec.data))


@_simple(specs.Knapsack)
def _knapsack(spec: specs.Knapsack, site: Site) -> atoms.Knapsack:
    if not site.data[spec.costs].any():
        raise DataError("all costs are 0", path=site.path("costs"), remedy="Some must differ from 0.")
    return atoms.Knapsack(site.target(spec.costs, "costs"), site.scalar(spec.budget))


@_simple(specs.Affine)
def _affine(spec: specs.Affine, site: Site) -> atoms.Affine:
    matrix, data = site.matrix(spec.matrix), site.data[spec.data]
    if data.shape != (matrix.shape[0],):
        raise DataError(
            f"{data.shape} numbers for {matrix.shape[0]} rows", path=site.path("data"), remedy="Give one a row."
        )
    if np.linalg.matrix_rank(matrix) < matrix.shape[0]:
        raise DataError(
            "the rows are linearly dependent", path=site.path("matrix"), remedy="Leave out those that say nothing new."
        )
    inverse = np.linalg.pinv(matrix.astype(np.float64))
    return atoms.Affine(site.array(matrix), site.array(inverse), site.array(data))


@_simple(specs.Cardinality)
def _cardinality(spec: specs.Cardinality, site: Site) -> atoms.Cardinality:
    return atoms.Cardinality(min(spec.count, math.prod(site.plain)))


@_composed(specs.Consensus)
def _consensus(spec: specs.Consensus, site: Site) -> list[Term]:
    other = site.on(spec.other, "with")
    _same_shape(site, other)
    difference = Sum((site.operator, other.operator), (1.0, -1.0))
    atom = atoms.Quadratic(site.weight, zeros_like(site.output))
    return [Term(atom, difference, None, site.place)]


@_composed(specs.LowRank)
def _low_rank(spec: specs.LowRank, site: Site) -> list[Term]:
    other = site.on(spec.other, "with")
    ranks = [shape[1:] for shape in (site.plain, other.plain)]
    if len(site.shape) not in (1, 2) or ranks[0] != ranks[1]:
        raise DocumentError(
            f"arguments of the shapes {site.shape} and {other.shape} make no matrix z wᵀ",
            path=site.path("with"),
            remedy="Give them the shapes (m, r) and (n, r).",
        )
    shape = (site.shape[0], other.shape[0])
    known = None if spec.mask is None else _matrix_of(spec.mask, shape, site, "mask")
    atom = atoms.LowRank(site.weight, _matrix_of(spec.data, shape, site, "data"), known)
    return [Term(atom, Pair(site.operator, other.operator), None, site.place)]


def _matrix_of(name: str | None, shape: tuple[int, ...], site: Site, key: str) -> Array:
    if name is None:
        return jnp.zeros(shape, site.dtype)
    check_shape(site.data[name], shape, site.path(key))
    return jnp.asarray(site.data[name])


@_composed(specs.Bilinear)
def _bilinear(spec: specs.Bilinear, site: Site) -> list[Term]:
    other = site.on(spec.other, "with")
    _same_shape(site, other)
    return [Term(atoms.Bilinear(site.weight), Pair(site.operator, other.operator), None, site.place)]


@_simple(specs.Orthogonality)
def _orthogonality(spec: specs.Orthogonality, site: Site) -> atoms.Orthogonality:
    del spec
    if len(site.plain) != 2:
        raise DocumentError("a matrix is needed", path=site.path("arg"), remedy="`reshape` it to two dimensions.")
    return atoms.Orthogonality(site.weight)


def _same_shape(site: Site, other: Site) -> None:
    if site.shape != other.shape:
        raise DocumentError(
            f"the arguments have the shapes {site.shape} and {other.shape}",
            path=site.path("with"),
            remedy="Make them equal.",
        )


@_simple(specs.NegativeEntropy)
def _negative_entropy(spec: specs.NegativeEntropy, site: Site) -> atoms.NegativeEntropy:
    del spec
    return atoms.NegativeEntropy(site.weight)


@_simple(specs.RelativeEntropy)
def _relative_entropy(spec: specs.RelativeEntropy, site: Site) -> atoms.RelativeEntropy:
    least = site.data[spec.data].min(initial=np.inf)
    if least <= 0:
        raise DataError(f"the least number is {least:g}", path=site.path("data"), remedy="Numbers above 0 are needed.")
    return atoms.RelativeEntropy(site.weight, site.target(spec.data))


@_simple(specs.LogBarrier)
def _log_barrier(spec: specs.LogBarrier, site: Site) -> atoms.LogBarrier:
    del spec
    return atoms.LogBarrier(site.weight)


def _block_axes(axis: int | tuple[int, ...], site: Site) -> tuple[int, ...]:
    ndim = len(site.shape)
    axes = axis if isinstance(axis, tuple) else (axis,)
    chosen = tuple(sorted(one + ndim if one < 0 else one for one in axes))
    if not chosen or len(set(chosen)) != len(chosen) or not all(0 <= one < ndim for one in chosen):
        raise DocumentError(
            f"{axis} is no axis of an argument with {ndim} dimensions",
            path=site.path("axis"),
            remedy=f"Use 0 to {ndim - 1}." if ndim else "Give the variable a shape.",
        )
    return chosen
