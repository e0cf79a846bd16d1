"""Linear operators and their keys."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from flowapi.atoms.keys import Axes, Levels, Spacing, WaveletName
from flowapi.model import DocumentFinding, Model, Name, Number, Positive, PositiveInt

Names = Annotated[tuple[Name, ...], Field(min_length=1, max_length=32)]


class OperatorSpec(Model):
    """A linear operator W: x ↦ Wx. `data_keys` are those whose values name data; `parts` names other operators."""

    data_keys: ClassVar[tuple[str, ...]] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """The operators that it is made of."""
        return ()


class Identity(OperatorSpec):
    """Wx = x."""


class Matrix(OperatorSpec):
    """A·ravel(x), or AX (`apply: left`), or XA (`right`) of a two-dimensional variable. A sparse A is raveled."""

    matrix: Annotated[Name, Field(description="named data: the matrix A, dense or `csr`")]
    apply: Annotated[
        Literal["ravel", "left", "right"], Field(description="on the raveled variable, from the left or the right")
    ] = "ravel"
    data_keys = ("matrix",)


class Conv(OperatorSpec):
    """(Kx)ₙ = Σ_m k_m x_{n−m}: true convolution, the kernel's centre at its index n//2 along each axis."""

    kernel: Annotated[Name, Field(description="named data: the kernel, with as many dimensions as there are axes")]
    boundary: Annotated[Literal["periodic", "zero"], Field(description="what lies beyond the border")] = "periodic"
    axes: Axes = None
    data_keys = ("kernel",)


class Gradient(OperatorSpec):
    """(x_{i+1} − x_i)/h along each axis, of shape (axes, *shape); with `neumann` the last difference is 0."""

    boundary: Annotated[Literal["neumann", "periodic"], Field(description="of the last difference")] = "neumann"
    spacing: Spacing = 1.0
    axes: Axes = None


class Laplacian(Gradient):
    """Δx = −DᵀD x, Σ over axes of (x_{i+1} − 2x_i + x_{i−1})/h²; slope/h at a `neumann` border."""


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

    axes: Axes = None


class Wavelet(OperatorSpec):
    """The orthonormal wavelet transform on a periodic grid, of the array's shape, the coarse part first."""

    name: WaveletName = "db4"
    levels: Levels = None
    axes: Axes = None


class Radon(OperatorSpec):
    """Line integrals of a picture along t = x cos θ + y sin θ, x to the right and y upwards from the centre."""

    angles: Annotated[
        Annotated[int, Field(strict=True, ge=1, le=10_000)] | Name,
        Field(
            description="how many, evenly over half a turn from 0 on; or named data: in degrees, of `astra` in radians"
        ),
    ]
    convention: Annotated[
        Literal["math", "astra", "skimage"],
        Field(description="`math` and `astra`: a row an angle; `skimage`: a column an angle, as its `radon` has it"),
    ] = "math"
    centre: Annotated[
        tuple[Number, Number] | None,
        Field(description="row and column that the picture turns about; (n − 1)/2, of `skimage` n//2"),
    ] = None
    detectors: Annotated[
        PositiveInt | None,
        Field(description="bins, their middle at t = 0; the longer side, of `skimage` the shorter, or the diagonal"),
    ] = None
    circle: Annotated[
        bool | None,
        Field(
            strict=True,
            description="whether nothing outside the inscribed circle is seen; of `skimage` true, else false",
        ),
    ] = None
    data_keys = ("angles",)


class Select(OperatorSpec):
    """Some entries: a slice along `axis`, or those at the positions `indices` of the raveled array, as a vector."""

    axis: Annotated[int | None, Field(description="of the slice")] = None
    start: Annotated[int | None, Field(ge=0, description="the first of them; 0")] = None
    stop: Annotated[int | None, Field(ge=1, description="before which it ends; the axis' length")] = None
    step: Annotated[PositiveInt, Field(description="from one to the next")] = 1
    indices: Annotated[Name | None, Field(description="named data: whole numbers from 0")] = None
    data_keys = ("indices",)

    @model_validator(mode="after")
    def _one_way(self) -> "Select":
        if (self.axis is None) == (self.indices is None):
            raise DocumentFinding("a selection has either `axis` or `indices`", remedy="Write one of them.")
        if self.indices is not None and self.model_fields_set & {"start", "stop", "step"}:
            raise DocumentFinding("`indices` say already which", remedy="Remove `start`, `stop` and `step`.")
        return self


class Broadcast(OperatorSpec):
    """The array repeated along a new axis."""

    axis: Annotated[int, Field(ge=0, description="where the new axis stands")] = 0
    size: Annotated[PositiveInt, Field(description="how many copies")]


class Scale(OperatorSpec):
    """Wx = by · x."""

    by: Annotated[Number, Field(description="the factor")]


class Compose(OperatorSpec):
    """Wx = A(B(…x)) of named operators, applied right to left."""

    of: Annotated[Names, Field(description="names of operators, the outermost first")]

    @property
    def parts(self) -> tuple[str, ...]:
        """All of them."""
        return self.of


class Stack(OperatorSpec):
    """The outputs of named operators, raveled, one after another."""

    of: Annotated[Names, Field(description="names of operators")]

    @property
    def parts(self) -> tuple[str, ...]:
        """All of them."""
        return self.of


class Frame(OperatorSpec):
    """A named operator W that is a tight frame, WᵀW = bound · I; that is checked, and then made use of."""

    of: Annotated[Name, Field(description="name of an operator")]
    bound: Annotated[Positive, Field(description="of the frame; 1 where Wᵀ is an inverse")] = 1.0

    @property
    def parts(self) -> tuple[str, ...]:
        """The one."""
        return (self.of,)


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
    "wavelet": Wavelet,
    "radon": Radon,
    "select": Select,
    "broadcast": Broadcast,
    "scale": Scale,
    "compose": Compose,
    "stack": Stack,
    "frame": Frame,
}
# `{matrix: A}` means `{matrix: {matrix: A}}`
SHORT_KEYS = {
    "matrix": "matrix", "mask": "mask", "incidence": "edges", "wavelet": "name",
    "radon": "angles", "scale": "by", "compose": "of", "stack": "of", "frame": "of",
}  # fmt: skip
