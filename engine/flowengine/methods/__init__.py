"""Methods: pure `init` and `step`, one file each."""

from flowengine.methods.admm import Admm
from flowengine.methods.fista import Fista
from flowengine.methods.pd3o import PD3O
from flowengine.methods.pg import ProximalGradient

__all__ = ["PD3O", "Admm", "Fista", "ProximalGradient"]
