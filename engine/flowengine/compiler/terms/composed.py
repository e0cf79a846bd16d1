"""Atoms with an operator of their own between them and their argument."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flowapi import atoms as specs
from flowapi.errors import DataError, DocumentError
from flowengine import atoms
from flowengine.compiler.checks import nonnegative, positions
from flowengine.compiler.differences import build_gradient, build_incidence
from flowengine.compiler.operators import build_wavelet
from flowengine.compiler.site import Site
from flowengine.compiler.terms.registry import composed
from flowengine.compiler.terms.simple import group_norm
from flowengine.linops import Hessian, Incidence, Mask, Matrix, build_gather, graph_wavelets, spectral_norm
from flowengine.problem import Term

MOST_GRAPH_NODES = 4096
MOST_GROUPS = 1_000_000


@composed(specs.ElasticNet)
def _elastic_net(spec: specs.ElasticNet, site: Site) -> list[Term]:
    l1 = site.positive(spec.l1, "l1", "Write a positive one, or use `tikhonov`: weight · ½‖z‖² alone.")
    l2 = site.positive(spec.l2, "l2", "Write a positive one, or use `l1`: weight · ‖z‖₁ alone.")
    zero = site.target(None)
    parts = (atoms.Quadratic(site.weight * l2, zero), atoms.L1(site.weight * l1, zero))
    return [Term(part, site.operator, None, site.place) for part in parts]


@composed(specs.TotalVariation)
def _tv(spec: specs.TotalVariation, site: Site) -> list[Term]:
    gradient = build_gradient(spec, site.plain, site.place)
    atom: Any = atoms.NormL21(site.weight, (0,))
    if not spec.isotropic:
        atom = atoms.L1(site.weight, site.stored(gradient, None))
    return [Term(atom, site.behind(gradient), None, site.place)]


@composed(specs.Dirichlet)
def _dirichlet(spec: specs.Dirichlet, site: Site) -> list[Term]:
    incidence = _incidence(spec.edges, spec.weights, site, np.sqrt)
    atom = atoms.Quadratic(site.weight, site.stored(incidence, None))
    return [Term(atom, site.behind(incidence), None, site.place)]


@composed(specs.GraphTotalVariation)
def _graph_tv(spec: specs.GraphTotalVariation, site: Site) -> list[Term]:
    incidence = _incidence(spec.edges, spec.weights, site, np.asarray)
    atom = atoms.L1(site.weight, site.stored(incidence, None))
    return [Term(atom, site.behind(incidence), None, site.place)]


@composed(specs.Weighted)
def _weighted(spec: specs.Weighted, site: Site) -> list[Term]:
    factors = site.reals(spec.factors, "factors")
    mask = Mask(factors, float(np.abs(site.data[spec.factors]).max(initial=0)))
    atom = atoms.Quadratic(site.weight, mask.apply(site.target(spec.data)))
    return [Term(atom, site.behind(mask), None, site.place)]


@composed(specs.WaveletL1)
def _wavelet_l1(spec: specs.WaveletL1, site: Site) -> list[Term]:
    wavelet = build_wavelet(spec, site.plain, site.place)
    atom: Any = atoms.L1(site.weight, site.stored(wavelet, None))
    if not spec.coarse:
        factors = np.ones(site.shape)
        factors[wavelet.coarse(site.shape)] = 0
        atom = atoms.WeightedL1(site.weight, site.array(factors), site.stored(wavelet, None), covered=False)
    return [Term(atom, site.behind(wavelet), None, site.place)]


@composed(specs.SecondTotalVariation)
def _tv2(spec: specs.SecondTotalVariation, site: Site) -> list[Term]:
    hessian = Hessian(build_gradient(spec, site.plain, site.place))
    atom: Any = atoms.NormL21(site.weight, (0,))
    if not spec.isotropic:
        atom = atoms.L1(site.weight, site.stored(hessian, None))
    return [Term(atom, site.behind(hessian), None, site.place)]


@composed(specs.OverlappingGroup)
def _overlapping_group(spec: specs.OverlappingGroup, site: Site) -> list[Term]:
    members, place = site.data[spec.members], site.path("members")
    if members.ndim != 2 or members.shape[1] != 2 or not len(members):
        raise DataError(f"the pairs have the shape {members.shape}", path=place, remedy="Give them (pairs, 2).")
    count = math.prod(site.plain)
    gather = build_gather(positions(members[:, 1], count, place), site.shape)
    groups = positions(members[:, 0], MOST_GROUPS, place)
    weights = None if spec.group_weights is None else site.data[spec.group_weights]
    norm = group_norm(groups, weights, site)
    return [Term(norm, site.behind(gather), None, site.place)]


@composed(specs.GraphWaveletL1)
def _graph_wavelet_l1(spec: specs.GraphWaveletL1, site: Site) -> list[Term]:
    count = math.prod(site.plain)
    if count > MOST_GRAPH_NODES:
        raise DocumentError(
            f"the graph has {count} nodes", path=site.path("arg"), remedy=f"At most {MOST_GRAPH_NODES} are possible."
        )
    incidence = _incidence(spec.edges, spec.weights, site, np.sqrt)
    laplacian = np.asarray(jax.vmap(incidence.gram)(jnp.eye(count).reshape(count, *site.shape))).reshape(count, count)
    matrix = graph_wavelets(laplacian, spec.scales)
    wavelets = Matrix(site.array(matrix), "ravel", site.shape, spectral_norm(matrix))
    atom = atoms.L1(site.weight, site.stored(wavelets, None))
    return [Term(atom, site.behind(wavelets), None, site.place)]


def _incidence(edges: str, weights: str | None, site: Site, factor: Callable[[np.ndarray], np.ndarray]) -> Incidence:
    factors = None if weights is None else factor(nonnegative(site.data[weights], site.path("weights")))
    return build_incidence(site.data[edges], factors, site.plain, site.path("edges"))
