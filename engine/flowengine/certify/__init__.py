"""Certificates: residual, gap and energy, and the gates that colour a run."""

from flowengine.certify.gates import COLOURS, RED, Controller, judge, start_controller, watch_growth
from flowengine.certify.invariants import Reference, drift, references
from flowengine.certify.residual import Scales, energy, gap, has_conjugate, no_scales, rescaled, residual, start_scales
from flowengine.certify.unsolvable import contradict, falls_without_end

__all__ = [
    "COLOURS",
    "RED",
    "Controller",
    "Reference",
    "Scales",
    "contradict",
    "drift",
    "energy",
    "falls_without_end",
    "gap",
    "has_conjugate",
    "judge",
    "no_scales",
    "references",
    "rescaled",
    "residual",
    "start_controller",
    "start_scales",
    "watch_growth",
]
