"""Smoothness, and differential equations in least squares."""

from __future__ import annotations

import numpy as np

from flowapi import atoms as specs
from flowapi.errors import DocumentError
from flowengine import atoms
from flowengine.compiler.checks import build_axes
from flowengine.compiler.differences import Along, build_gradient
from flowengine.compiler.site import Site
from flowengine.compiler.terms.registry import composed
from flowengine.linops import Chain, Curl, Divergence, Gradient, Laplacian, Mask, Slice, Sum
from flowengine.problem import Term, Tree


@composed(specs.Smoothness)
def _smoothness(spec: specs.Smoothness, site: Site) -> list[Term]:
    return _equation(build_gradient(spec, site.plain, site.place), None, site)


@composed(specs.Curvature)
def _curvature(spec: specs.Curvature, site: Site) -> list[Term]:
    return _equation(Laplacian(build_gradient(spec, site.plain, site.place)), spec.data, site)


@composed(specs.PoissonEquation)
def _poisson_equation(spec: specs.PoissonEquation, site: Site) -> list[Term]:
    return _equation(Laplacian(build_gradient(spec, site.plain, site.place)), spec.data, site)


@composed(specs.Heat)
def _heat(spec: specs.Heat, site: Site) -> list[Term]:
    times = _times(site, least=2)
    now, after = (Slice(0, start, start + times - 1, 1, site.shape) for start in (0, 1))
    diffused = Chain((Laplacian(_in_space(spec, site, times - 1)), now))
    return _equation(Sum((after, now, diffused), (1 / spec.dt, -1 / spec.dt, -spec.kappa)), None, site)


@composed(specs.Wave)
def _wave(spec: specs.Wave, site: Site) -> list[Term]:
    times = _times(site, least=3)
    before, now, after = (Slice(0, start, start + times - 2, 1, site.shape) for start in range(3))
    bent = Chain((Laplacian(_in_space(spec, site, times - 2)), now))
    rate = 1 / spec.dt**2
    return _equation(Sum((after, now, before, bent), (rate, -2 * rate, rate, -(spec.speed**2))), None, site)


@composed(specs.Divergence)
def _divergence(spec: specs.Divergence, site: Site) -> list[Term]:
    return _equation(Divergence(_of_field(spec, site, site.plain)), spec.data, site)


@composed(specs.Curl)
def _curl(spec: specs.Curl, site: Site) -> list[Term]:
    gradient = _of_field(spec, site, site.plain)
    if len(gradient.axes) not in (2, 3):
        raise DocumentError("a curl needs two or three dimensions", path=site.path("arg"), remedy="Use `divergence`.")
    return _equation(Curl(gradient), None, site)


@composed(specs.Border)
def _border(spec: specs.Border, site: Site) -> list[Term]:
    border = np.zeros(site.plain)
    for axis in build_axes(spec.axes, len(site.shape), site.path("axes")):
        ends = np.moveaxis(border, axis, 0)
        ends[[0, -1]] = 1
    mask = Mask(site.array(border), 1.0)
    atom = atoms.Quadratic(site.weight, mask.apply(site.target(spec.data)))
    return [Term(atom, site.behind(mask), None, site.place)]


def _equation(operator: Tree, data: str | None, site: Site) -> list[Term]:
    """Weight · ½‖Wz − data‖²."""
    return [Term(atoms.Quadratic(site.weight, site.stored(operator, data)), site.behind(operator), None, site.place)]


def _times(site: Site, *, least: int) -> int:
    """How many times axis 0 has."""
    if len(site.plain) < 2 or site.shape[0] < least:
        raise DocumentError(
            f"the argument has the shape {site.shape}",
            path=site.path("arg"),
            remedy=f"At least {least} times along axis 0 are needed, and space along the others.",
        )
    return site.shape[0]


def _in_space(spec: specs.Heat | specs.Wave, site: Site, times: int) -> Gradient:
    """The gradient along all axes but time, of so many times."""
    axes = tuple(range(1, len(site.shape)))
    return build_gradient(Along(spec.boundary, spec.spacing, axes), (times, *site.shape[1:]), site.place)


def _of_field(spec: specs.Divergence | specs.Curl, site: Site, shape: tuple[int, ...]) -> Gradient:
    """The gradient of one component of a vector field."""
    if len(shape) < 2 or shape[0] != len(shape) - 1:
        raise DocumentError(
            f"the argument has the shape {shape}",
            path=site.path("arg"),
            remedy=f"A vector field has as many components along axis 0 as it has other axes, here {len(shape) - 1}.",
        )
    return build_gradient(Along(spec.boundary, spec.spacing, None), shape[1:], site.place)
