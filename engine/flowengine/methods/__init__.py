"""Methods: pure `init` and `step`, one file each."""

from flowengine.methods.admm import Admm
from flowengine.methods.anchored import AnchoredPD3O
from flowengine.methods.external import External
from flowengine.methods.fista import Fista
from flowengine.methods.hmc import Hmc
from flowengine.methods.leapfrog import Leapfrog
from flowengine.methods.mala import Mala
from flowengine.methods.myula import Myula
from flowengine.methods.observing import stepped
from flowengine.methods.palm import Palm
from flowengine.methods.pd3o import PD3O
from flowengine.methods.pg import ProximalGradient
from flowengine.methods.recording import Statistic
from flowengine.methods.rgd import RiemannianGradient
from flowengine.methods.sampler import Sampler
from flowengine.methods.sampler import State as SamplerState
from flowengine.methods.ula import Ula

__all__ = [
    "PD3O",
    "Admm",
    "AnchoredPD3O",
    "External",
    "Fista",
    "Hmc",
    "Leapfrog",
    "Mala",
    "Myula",
    "Palm",
    "ProximalGradient",
    "RiemannianGradient",
    "Sampler",
    "SamplerState",
    "Statistic",
    "Ula",
    "stepped",
]
