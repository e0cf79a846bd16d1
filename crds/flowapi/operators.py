"""Linear operators and their keys."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from flowapi.model import Model, Name, Positive


class OperatorSpec(Model):
    """A linear operator W: x ↦ Wx. `data_keys` are those whose values name data."""

    data_keys: ClassVar[tuple[str, ...]] = ()


class Identity(OperatorSpec):
    """Wx = x."""


class Matrix(OperatorSpec):
    """A·ravel(x), or AX (`apply: left`), or XA (`right`) of a two-dimensional variable."""

    matrix: Annotated[Name, Field(description="named data: the dense matrix A")]
    apply: Annotated[
        Literal["ravel", "left", "right"], Field(description="on the raveled variable, from the left or the right")
    ] = "ravel"
    data_keys = ("matrix",)


class Conv(OperatorSpec):
    """(Kx)ₙ = Σ_m k_m x_{n−m}: true convolution, the kernel's centre at its index n//2 along each axis."""

    kernel: Annotated[Name, Field(description="named data: the kernel, with as many dimensions as there are axes")]
    boundary: Annotated[Literal["periodic", "zero"], Field(description="what lies beyond the border")] = "periodic"
    axes: Annotated[tuple[int, ...] | None, Field(description="axes it acts on; all of them")] = None
    data_keys = ("kernel",)


class Gradient(OperatorSpec):
    """(x_{i+1} − x_i)/h along each axis, of shape (axes, *shape); with `neumann` the last difference is 0."""

    boundary: Annotated[Literal["neumann", "periodic"], Field(description="of the last difference")] = "neumann"
    spacing: Annotated[Positive | tuple[Positive, ...], Field(description="h, one number or one an axis")] = 1.0
    axes: Annotated[tuple[int, ...] | None, Field(description="axes it acts on; all of them")] = None


class Laplacian(Gradient):
    """Δx = −DᵀD x with the gradient D of the same boundary: Σ over axes of (x_{i+1} − 2x_i + x_{i−1})/h²."""


class Incidence(OperatorSpec):
    """(Bx)_e = √w_e (x_i − x_j) for each edge e = (i, j) of a graph on the entries of the raveled variable."""

    edges: Annotated[Name, Field(description="named data: pairs of node numbers from 0, shape (edges, 2)")]
    weights: Annotated[Name | None, Field(description="named data: w_e ≥ 0, one an edge; 1")] = None
    data_keys = ("edges", "weights")


class Reshape(OperatorSpec):
    """The same numbers in C order in another shape."""

    shape: Annotated[
        tuple[Annotated[int, Field(strict=True, ge=1, le=2**31)], ...],
        Field(min_length=1, max_length=8, description="of the result"),
    ]


class Mask(OperatorSpec):
    """Wx = m ⊙ x, the entry-wise product with an array from the data."""

    mask: Annotated[Name, Field(description="named data: m, of the variable's shape")]
    data_keys = ("mask",)


class Fft(OperatorSpec):
    """The unitary discrete Fourier transform, 1/√n Σ_m x_m exp(−2πi mn/N) along each axis: complex."""

    axes: Annotated[tuple[int, ...] | None, Field(description="axes it acts on; all of them")] = None


OPERATORS: dict[str, type[OperatorSpec]] = {
    "identity": Identity,
    "matrix": Matrix,
    "conv": Conv,
    "gradient": Gradient,
    "laplacian": Laplacian,
    "incidence": Incidence,
    "reshape": Reshape,
    "mask": Mask,
    "fft": Fft,
}
SHORT_KEYS = {"matrix": "matrix", "mask": "mask", "incidence": "edges"}  # `{matrix: A}` means `{matrix: {matrix: A}}`
LATER_OPERATORS = frozenset(["wavelet", "radon", "select", "broadcast", "stack", "scale", "compose"])
