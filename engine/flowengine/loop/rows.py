"""From a carry on the device to values on the host."""

from __future__ import annotations

import math

import numpy as np

from flowapi.frozen import frozen
from flowengine.certify import COLOURS
from flowengine.loop.carry import BY_LIMIT, DIVERGED, RUNNING, Carry

REASONS = {BY_LIMIT: "IterationLimit", DIVERGED: "Diverged"}


@frozen
class Row:
    """One certificate. A quantity that isn't computed is None."""

    iteration: int
    energy: float | None
    residual: float | None
    gap: float | None
    feasibility: float | None
    gradient_norm: float | None
    step: float | None
    drift: float | None
    controller: str


@frozen
class Snapshot:
    """Where a run stands."""

    iteration: int
    certificates: int
    energy: float | None
    residual: float | None
    gap: float | None
    controller: str
    reason: str | None

    @property
    def finite(self) -> bool:
        """Whether the state is made of finite numbers, as far as the last certificate knows."""
        return self.reason != "Diverged"


def snapshot(carry: Carry) -> Snapshot:
    """The last certificate of a run; `reason` is None while it runs."""
    code = int(carry.status.code)
    return Snapshot(
        iteration=int(carry.k),
        certificates=int(carry.certificates),
        energy=number(float(carry.status.energy)),
        residual=number(float(carry.status.residual)),
        gap=number(float(carry.status.gap)),
        controller=COLOURS[int(carry.controller.colour)],
        reason=None if code == RUNNING else REASONS.get(code, "Converged"),
    )


def certificates(carry: Carry, after: int) -> np.ndarray:
    """The certificates from number `after` on, as far as the ring still holds them.

    Returns:
        (certificates, 9): as the attributes of `Row`, NaN for what isn't computed; the last is a place in `COLOURS`.
    """
    count, ring = int(carry.certificates), np.asarray(carry.ring)
    return ring[np.arange(max(after, count - len(ring), 0), count) % len(ring)]


def rows(carry: Carry, after: int) -> list[Row]:
    """As `certificates`, one by one."""
    return [_row(one) for one in certificates(carry, after)]


def _row(values: np.ndarray) -> Row:
    k, *quantities, colour = (float(value) for value in values)
    energy, residual, gap, feasibility, norm, step, drift = (number(value) for value in quantities)
    return Row(int(k), energy, residual, gap, feasibility, norm, step, drift, COLOURS[int(colour)])


def number(value: float) -> float | None:
    """The number, or None for NaN; infinities stay."""
    return None if math.isnan(value) else value
