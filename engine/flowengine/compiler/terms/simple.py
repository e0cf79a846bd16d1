"""Atoms on the argument itself."""

from __future__ import annotations

import numpy as np

from flowapi import atoms as specs
from flowapi.errors import DataError, DocumentError
from flowengine import atoms
from flowengine.compiler.checks import check_shape, nonnegative
from flowengine.compiler.site import Site
from flowengine.compiler.terms.fitting import block_axes, check_square, shifted
from flowengine.compiler.terms.registry import simple
from flowengine.xla import placed


@simple(specs.Quadratic)
def _quadratic(spec: specs.Quadratic, site: Site) -> atoms.Quadratic:
    return atoms.Quadratic(site.weight, site.target(spec.data))


@simple(specs.Huber)
def _huber(spec: specs.Huber, site: Site) -> atoms.Huber:
    return atoms.Huber(site.weight, site.target(spec.data), site.scalar(spec.delta), site.factors(spec.factors))


@simple(specs.Poisson)
def _poisson(spec: specs.Poisson, site: Site) -> atoms.Poisson:
    return atoms.Poisson(site.weight, site.counts(spec.data))


@simple(specs.KullbackLeibler)
def _kullback_leibler(spec: specs.KullbackLeibler, site: Site) -> atoms.KullbackLeibler:
    return atoms.KullbackLeibler(site.weight, site.counts(spec.data))


@simple(specs.Logistic)
def _logistic(spec: specs.Logistic, site: Site) -> atoms.Logistic:
    return atoms.Logistic(site.weight, site.signs(spec.data), site.factors(spec.factors))


@simple(specs.Hinge)
def _hinge(spec: specs.Hinge, site: Site) -> atoms.Hinge:
    return atoms.Hinge(site.weight, site.signs(spec.data), site.factors(spec.factors))


@simple(specs.Pinball)
def _pinball(spec: specs.Pinball, site: Site) -> atoms.Pinball:
    return atoms.Pinball(site.weight, site.target(spec.data), site.scalar(spec.quantile), site.factors(spec.factors))


@simple(specs.Linear)
def _linear(spec: specs.Linear, site: Site) -> atoms.Linear:
    return atoms.Linear(site.weight, site.target(spec.costs, "costs"))


@simple(specs.CrossEntropy)
def _cross_entropy(spec: specs.CrossEntropy, site: Site) -> atoms.CrossEntropy:
    if not site.plain:
        raise DocumentError("a number has no classes", path=site.path("arg"), remedy="Give it a last axis of classes.")
    labels, classes = site.labels(spec.data, site.shape[:-1], least=0, key="data"), site.shape[-1]
    if labels.max(initial=0) >= classes:
        raise DataError(
            f"the label {labels.max()} is beyond the {classes} classes", path=site.path("data"), remedy="Count from 0."
        )
    factors = None
    if spec.factors is not None:
        factors = nonnegative(site.data[spec.factors], site.path("factors"))
        check_shape(factors, site.shape[:-1], site.path("factors"))
    return atoms.CrossEntropy(
        site.weight, site.array(np.eye(classes)[labels]), None if factors is None else site.array(factors[..., None])
    )


@simple(specs.Tikhonov)
def _tikhonov(spec: specs.Tikhonov, site: Site) -> atoms.Quadratic:
    del spec
    return atoms.Quadratic(site.weight, site.target(None))


@simple(specs.L1)
def _l1(spec: specs.L1, site: Site) -> atoms.L1 | atoms.WeightedL1:
    if spec.factors is None:
        return atoms.L1(site.weight, site.target(spec.data))
    factors = nonnegative(site.data[spec.factors], site.path("factors"))
    return atoms.WeightedL1(
        site.weight, site.reals(spec.factors, "factors"), site.target(spec.data), covered=bool((factors > 0).all())
    )


@simple(specs.AnalysisL1)
def _analysis_l1(spec: specs.AnalysisL1, site: Site) -> atoms.L1:
    del spec
    return atoms.L1(site.weight, site.target(None))


@simple(specs.NormL21)
def _norm_l21(spec: specs.NormL21, site: Site) -> atoms.NormL21 | atoms.GroupNorm | atoms.Shifted:
    if spec.groups is None:
        return shifted(atoms.NormL21(site.weight, block_axes(spec.axis, site)), spec.data, site)
    labels = site.labels(spec.groups, site.plain, least=-1, key="groups").reshape(-1)
    weights = None if spec.group_weights is None else site.data[spec.group_weights]
    return shifted(group_norm(labels, weights, site), spec.data, site)


def group_norm(labels: np.ndarray, weights: np.ndarray | None, site: Site) -> atoms.GroupNorm:
    """The norm of groups by the label of every entry, −1 for those in none, and the weight of every group."""
    count = int(labels.max(initial=-1)) + 1
    factors = np.ones(count) if weights is None else nonnegative(weights, site.path("groupWeights"))
    if factors.shape != (count,):
        raise DataError(
            f"{factors.shape} weights for {count} groups", path=site.path("groupWeights"), remedy="Give one a group."
        )
    covered = bool((labels >= 0).all() and (factors > 0).all())
    return atoms.GroupNorm(
        site.weight,
        placed(np.where(labels < 0, count, labels)),
        site.array(np.append(factors, 0)),
        count,
        covered,
    )


@simple(specs.Nuclear)
def _nuclear(spec: specs.Nuclear, site: Site) -> atoms.Nuclear | atoms.Shifted:
    if len(site.plain) != 2:
        raise DocumentError(
            f"the argument has {len(site.shape)} dimensions",
            path=site.path("arg"),
            remedy="A matrix has two: `reshape` it.",
        )
    return shifted(atoms.Nuclear(site.weight), spec.data, site)


@simple(specs.LogDet)
def _log_det(spec: specs.LogDet, site: Site) -> atoms.LogDet:
    del spec
    check_square(site)
    return atoms.LogDet(site.weight)


@simple(specs.NegativeEntropy)
def _negative_entropy(spec: specs.NegativeEntropy, site: Site) -> atoms.NegativeEntropy:
    del spec
    return atoms.NegativeEntropy(site.weight)


@simple(specs.RelativeEntropy)
def _relative_entropy(spec: specs.RelativeEntropy, site: Site) -> atoms.RelativeEntropy:
    least = site.data[spec.data].min(initial=np.inf)
    if least <= 0:
        raise DataError(f"the least number is {least:g}", path=site.path("data"), remedy="Numbers above 0 are needed.")
    return atoms.RelativeEntropy(site.weight, site.target(spec.data))


@simple(specs.LogBarrier)
def _log_barrier(spec: specs.LogBarrier, site: Site) -> atoms.LogBarrier:
    del spec
    return atoms.LogBarrier(site.weight)
