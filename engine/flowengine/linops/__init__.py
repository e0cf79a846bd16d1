"""Linear operators: apply, adjoint, gram, and a norm that is never below the true one."""

from flowengine.linops.basic import Chain, Identity, Mask, Matrix, Reshape, Sum, power_of, spectral_norm
from flowengine.linops.blocks import Blocks, Pair
from flowengine.linops.conv import Conv, build_conv
from flowengine.linops.fourier import Embed, Fourier
from flowengine.linops.gradient import Gradient, Laplacian, build_gradient
from flowengine.linops.graph import Incidence, build_incidence

__all__ = [
    "Blocks",
    "Chain",
    "Conv",
    "Embed",
    "Fourier",
    "Gradient",
    "Identity",
    "Incidence",
    "Laplacian",
    "Mask",
    "Matrix",
    "Pair",
    "Reshape",
    "Sum",
    "build_conv",
    "build_gradient",
    "build_incidence",
    "power_of",
    "spectral_norm",
]
