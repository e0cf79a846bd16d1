"""Linear operators: apply, adjoint, gram, and a norm that is never below the true one."""

from flowengine.linops.basic import (
    Chain,
    Identity,
    Mask,
    Matrix,
    Reshape,
    Sum,
    Waves,
    cotight,
    grid_of,
    power_of,
    spectral_norm,
    tight,
)
from flowengine.linops.blocks import Blocks, Pair
from flowengine.linops.conv import Conv, build_conv
from flowengine.linops.fields import Curl, Divergence, Hessian
from flowengine.linops.fourier import Embed, Fourier
from flowengine.linops.gradient import Gradient, Laplacian, build_gradient
from flowengine.linops.graph import Incidence, build_incidence, graph_wavelets
from flowengine.linops.radon import Beam, plain_beam, radon_matrix, skimage_beam
from flowengine.linops.sparse import SparseMatrix, build_sparse
from flowengine.linops.structure import Apart, Broadcast, Gather, Logical, Scale, Slice, Stack, TightFrame, build_gather
from flowengine.linops.wavelet import Wavelet, build_wavelet

__all__ = [
    "Apart",
    "Beam",
    "Blocks",
    "Broadcast",
    "Chain",
    "Conv",
    "Curl",
    "Divergence",
    "Embed",
    "Fourier",
    "Gather",
    "Gradient",
    "Hessian",
    "Identity",
    "Incidence",
    "Laplacian",
    "Logical",
    "Mask",
    "Matrix",
    "Pair",
    "Reshape",
    "Scale",
    "Slice",
    "SparseMatrix",
    "Stack",
    "Sum",
    "TightFrame",
    "Wavelet",
    "Waves",
    "build_conv",
    "build_gather",
    "build_gradient",
    "build_incidence",
    "build_sparse",
    "build_wavelet",
    "cotight",
    "graph_wavelets",
    "grid_of",
    "plain_beam",
    "power_of",
    "radon_matrix",
    "skimage_beam",
    "spectral_norm",
    "tight",
]
