"""Several simple terms on the variable itself, as one prox. Only the orders in this file are right.

A quadratic first, beside anything: it shifts the point and shortens the step. Then one of these: an l1 and after it an
interval, for the minimiser of a function of one real variable over an interval is the clipped free minimiser; an l1
around 0, the nonnegative part, and after them groups, for a group's shrinkage keeps signs, and zeros; the nonnegative
part and of that the largest entries; an interval with a simplex or an l1 ball, as one set; or any one atom alone.
Source: Yu, Advances in Neural Information Processing Systems 26, 2013 (l1 and groups).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array

from flowengine.arithmetic import dot
from flowengine.atoms.base import Additive, DualDomain
from flowengine.atoms.capped import caps
from flowengine.atoms.constraints import Cardinality, Interval, L1Ball, Simplex
from flowengine.atoms.data import Quadratic
from flowengine.atoms.sparsity import L1, GroupNorm, NormL21
from flowengine.problem import Scalar, pytree
from flowengine.storage import logical


@pytree("dual_domain")
class Merged(Additive):
    """Ψ = quadratic + l1 + interval + other, each or none of them, in the combinations that `merges` allows."""

    quadratic: Quadratic | None
    l1: L1 | None
    interval: Interval | None
    other: Any
    dual_domain: DualDomain
    smooth: ClassVar[bool] = False
    indicator: ClassVar[bool] = False

    @property
    def convex(self) -> bool:
        """Whether its other atom is."""
        return self.other is None or bool(self.other.convex)

    @property
    def polyhedral(self) -> bool:
        """Whether its parts are."""
        return self.quadratic is None and (self.other is None or bool(self.other.polyhedral))

    @property
    def elementwise(self) -> bool:
        """Whether every entry has a prox of its own, and so may have a step of its own."""
        return self.other is None or bool(self.other.elementwise)

    def densities(self, z: Array) -> list[Array]:
        """Those of all parts but the interval."""
        parts = [part for part in (self.quadratic, self.l1, self.other) if part is not None]
        return [jnp.zeros((), z.real.dtype), *(density for part in parts for density in part.densities(z))]

    def prox(self, v: Array, step: Scalar) -> Array:
        """Shift and shorten by the quadratic; threshold, clip; then the other."""
        if self.quadratic is not None:
            v = self.quadratic.prox(v, step)
            step = step / (1 + step * self.quadratic.weight)
        for part in (self.l1, self.interval, self.other):
            v = part.prox(v, step) if part is not None else v
        return v

    def reflected(self, x: Array, p: Array) -> tuple[Array, Array]:
        """By the interval, or by the one other atom: samplers know no other parts."""
        part = self.other if self.interval is None else self.interval
        found: tuple[Array, Array] = part.reflected(x, p)
        return found

    def conjugate(self, y: Array) -> Scalar:
        """Max_z ⟨y, z⟩ − ψ(z), in closed form where there is one."""
        if self.quadratic is not None:
            weight = self.quadratic.weight
            rest = Merged(None, self.l1, self.interval, self.other, self.dual_domain)
            best = rest.prox(self.quadratic.data + y / weight, 1 / weight)
            return dot(y, best) - self.value(best)
        if self.other is not None:
            conjugate: Scalar = self.other.conjugate(y)
            return conjugate
        if self.l1 is None:
            return self.interval.conjugate(y) if self.interval is not None else jnp.zeros((), y.dtype)
        return self.l1.conjugate(y) if self.interval is None else _l1_on_interval(self.l1, self.interval, y)

    def shrink(self, y: Array) -> Scalar | float:
        """The factor ≤ 1 that brings y to where ψ* is finite."""
        if self.dual_domain is not DualDomain.BALL:
            return 1.0
        norm = self.l1 if self.l1 is not None else self.other
        gauge = norm.gauge(jnp.maximum(y, 0) if self.interval is not None else y)
        return 1 / jnp.maximum(1, gauge)


def merges(atoms: Sequence[Any]) -> bool:
    """Whether the prox of a sum of atoms on the variable itself is one of those that this file knows."""
    others = [atom for atom in atoms if not isinstance(atom, Quadratic | L1 | Interval)]
    intervals = [atom for atom in atoms if isinstance(atom, Interval)]
    l1 = [atom for atom in atoms if isinstance(atom, L1)]
    if len(atoms) - len(others) - len(intervals) - len(l1) > 1 or len(l1) > 1 or len(others) > 1:
        return False
    if not others or not (intervals or l1):
        return True
    if isinstance(others[0], Simplex | L1Ball):
        return not l1
    nonnegative = all(float(one.lo) == 0 and float(one.hi) == float("inf") for one in intervals)
    if isinstance(others[0], Cardinality):
        return nonnegative and not l1
    around_zero = not any(bool(jnp.any(logical(one.data) != 0)) for one in l1)
    return isinstance(others[0], NormL21 | GroupNorm) and nonnegative and around_zero


def merge(atoms: Sequence[Any]) -> Merged | None:
    """The sum as one atom; None of none."""
    if not atoms:
        return None
    quadratic = next((atom for atom in atoms if isinstance(atom, Quadratic)), None)
    l1 = next((atom for atom in atoms if isinstance(atom, L1)), None)
    other = next((atom for atom in atoms if not isinstance(atom, Quadratic | L1 | Interval)), None)
    interval = _intersection([atom for atom in atoms if isinstance(atom, Interval)])
    if interval is not None and isinstance(other, Simplex | L1Ball):
        other, interval = caps(interval, other), None
    return Merged(quadratic, l1, interval, other, _domain(quadratic, l1, interval, other))


def _domain(quadratic: Quadratic | None, l1: L1 | None, interval: Interval | None, other: Any) -> DualDomain:
    if other is not None and not other.convex:
        return DualDomain.PART
    if quadratic is not None or (interval is not None and _bounded(interval)):
        return DualDomain.WHOLE
    if other is not None:
        return DualDomain(other.dual_domain) if l1 is None else DualDomain.PART
    return DualDomain.BALL if l1 is not None and interval is None else DualDomain.PART


def disjoint(atoms: Sequence[Any], shape: tuple[int, ...]) -> bool:
    """Whether no array of a shape lies in all the intervals among them, or in these and a simplex or ball."""
    interval = _intersection([atom for atom in atoms if isinstance(atom, Interval)])
    if interval is None or float(interval.lo) > float(interval.hi):
        return interval is not None
    return any(caps(interval, one).empty(shape) for one in atoms if isinstance(one, Simplex | L1Ball))


def _intersection(intervals: Sequence[Interval]) -> Interval | None:
    if not intervals:
        return None
    los, his = [float(one.lo) for one in intervals], [float(one.hi) for one in intervals]
    return Interval(intervals[los.index(max(los))].lo, intervals[his.index(min(his))].hi)


def _bounded(interval: Interval) -> bool:
    return abs(float(interval.lo)) < float("inf") and abs(float(interval.hi)) < float("inf")


def _l1_on_interval(l1: L1, interval: Interval, y: Array) -> Scalar:
    """Σ max over [lo, hi] of y·z − weight·|z − data|: piecewise linear, so the best z is an end or the kink."""
    kink = interval.prox(jnp.broadcast_to(l1.data, y.shape), l1.weight)
    points = (jnp.broadcast_to(interval.lo, y.shape), jnp.broadcast_to(interval.hi, y.shape), kink)
    first, *rest = (y * z - l1.weight * jnp.abs(z - l1.data) for z in points)
    for gain in rest:
        first = jnp.maximum(first, gain)
    return jnp.sum(first)
