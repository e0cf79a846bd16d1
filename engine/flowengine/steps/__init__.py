"""The primitives that methods are composed of."""

from flowengine.steps.anchoring import Anchored, anchored, counted, reanchored
from flowengine.steps.balancing import Balanced, longest, rebalanced, unbalanced
from flowengine.steps.descent import (
    backtracked,
    backward,
    densities,
    descend,
    dual_ascent,
    forward,
    gradient_parts,
    objective,
    pull,
    smooth_gradient,
    smooth_images,
    term_gradient,
)
from flowengine.steps.exact import AT_ONCE, Spectrum, by_eigenvectors, by_waves, solved
from flowengine.steps.manifolds import MANIFOLDS, retracted, steepest, tangent, whitened
from flowengine.steps.sampling import (
    accepts,
    energy_of,
    kick_drift_kick,
    langevin,
    momentum,
    potential_gradient,
    tuned,
)

__all__ = [
    "AT_ONCE",
    "MANIFOLDS",
    "Anchored",
    "Balanced",
    "Spectrum",
    "accepts",
    "anchored",
    "backtracked",
    "backward",
    "by_eigenvectors",
    "by_waves",
    "counted",
    "densities",
    "descend",
    "dual_ascent",
    "energy_of",
    "forward",
    "gradient_parts",
    "kick_drift_kick",
    "langevin",
    "longest",
    "momentum",
    "objective",
    "potential_gradient",
    "pull",
    "reanchored",
    "rebalanced",
    "retracted",
    "smooth_gradient",
    "smooth_images",
    "solved",
    "steepest",
    "tangent",
    "term_gradient",
    "tuned",
    "unbalanced",
    "whitened",
]
