"""Atoms of two arguments, or of one with itself."""

from __future__ import annotations

import numpy as np
from jax import Array

from flowapi import atoms as specs
from flowapi.errors import DocumentError
from flowengine import atoms
from flowengine.arithmetic import zero_for
from flowengine.compiler.checks import check_shape
from flowengine.compiler.site import Site
from flowengine.compiler.terms.registry import composed, simple
from flowengine.linops import Pair, Sum
from flowengine.problem import Term
from flowengine.xla import placed


@composed(specs.Consensus)
def _consensus(spec: specs.Consensus, site: Site) -> list[Term]:
    other = site.on(spec.other, "with")
    _same_shape(site, other)
    difference = Sum((site.operator, other.operator), (1.0, -1.0))
    atom = atoms.Quadratic(site.weight, zero_for(site.output))
    return [Term(atom, difference, None, site.place)]


@composed(specs.LowRank)
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
        return placed(np.zeros(shape), site.dtype)
    check_shape(site.data[name], shape, site.path(key))
    return placed(site.data[name])


@composed(specs.Bilinear)
def _bilinear(spec: specs.Bilinear, site: Site) -> list[Term]:
    other = site.on(spec.other, "with")
    _same_shape(site, other)
    return [Term(atoms.Bilinear(site.weight), Pair(site.operator, other.operator), None, site.place)]


@simple(specs.Orthogonality)
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
