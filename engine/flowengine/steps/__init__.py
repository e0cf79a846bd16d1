"""The primitives that methods are composed of."""

from flowengine.steps.balancing import Balanced, rebalanced, unbalanced
from flowengine.steps.descent import (
    backtracked,
    backward,
    densities,
    descend,
    dual_ascent,
    forward,
    objective,
    pull,
    smooth_gradient,
    smooth_images,
    term_gradient,
)
from flowengine.steps.manifolds import MANIFOLDS, retracted, steepest, tangent
from flowengine.steps.sampling import (
    accepts,
    energy_of,
    kick_drift_kick,
    langevin,
    momentum,
    potential_gradient,
)

__all__ = [
    "MANIFOLDS",
    "Balanced",
    "accepts",
    "backtracked",
    "backward",
    "densities",
    "descend",
    "dual_ascent",
    "energy_of",
    "forward",
    "kick_drift_kick",
    "langevin",
    "momentum",
    "objective",
    "potential_gradient",
    "pull",
    "rebalanced",
    "retracted",
    "smooth_gradient",
    "smooth_images",
    "steepest",
    "tangent",
    "term_gradient",
    "unbalanced",
]
