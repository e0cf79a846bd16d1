"""Linear operators: apply, adjoint, gram, and a norm that is never below the true one."""

from flowengine.linops.basic import Chain, Identity, Mask, Matrix, Sum, spectral_norm
from flowengine.linops.conv import Conv, build_conv
from flowengine.linops.gradient import Gradient, build_gradient

__all__ = [
    "Chain",
    "Conv",
    "Gradient",
    "Identity",
    "Mask",
    "Matrix",
    "Sum",
    "build_conv",
    "build_gradient",
    "spectral_norm",
]
