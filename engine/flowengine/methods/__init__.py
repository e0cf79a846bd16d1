"""Methods: pure `init` and `step`, one file each."""

from flowengine.methods.pd3o import PD3O
from flowengine.methods.pg import ProximalGradient
from flowengine.problem import Method

METHODS: dict[str, Method] = {method.name: method for method in (ProximalGradient(), PD3O())}

__all__ = ["METHODS", "PD3O", "ProximalGradient"]
