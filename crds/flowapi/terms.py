"""The vocabulary of a flow document: atoms, operators and data sources with their keys.

This is the grammar only; what each means (formula, shapes, prox, norm) stands with its function in the engine.
A model an atom: adding one here and one function there is all that a new atom takes.
"""

from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import AfterValidator, Field, JsonValue, PlainValidator, StringConstraints, model_validator

from flowapi.errors import DocumentError, DocumentErrors
from flowapi.model import DocumentFinding, Model, Name, Number, NumberOrName, Positive, join, nearest


def _data_path(value: str) -> str:
    """A relative path below the inputs; nothing else reaches the file system."""
    parts = PurePosixPath(value).parts
    if value.startswith("/") or "\\" in value or any(part in ("..", ".") for part in value.split("/")):
        raise DocumentFinding(f"`{value}` leaves the inputs", remedy="Write a path below them: `<input>/<file>`.")
    if not parts or any(ord(char) < 32 for char in value) or "//" in value or value.endswith("/"):
        raise DocumentFinding(f"`{value}` is not a file's path", remedy="Write `<input>/<file>`.")
    return value


M = TypeVar("M", bound=Model)
DataPath = Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(_data_path)]


class Summand(Model):
    """One linear piece of a term's argument: `scale · op₁ op₂ … var`, operators applied right to left."""

    op: str = ""
    var: Name
    scale: Number = 1.0

    @property
    def operators(self) -> tuple[str, ...]:
        """Names of the operators, the outermost first."""
        return tuple(self.op.split())


def _argument(value: object) -> tuple[Summand, ...]:
    if isinstance(value, str) and value.split():
        *operators, variable = value.split()
        return (Summand(op=" ".join(operators), var=variable),)
    if isinstance(value, list) and value:
        try:
            return tuple(Summand.parse(item, at=f"[{i}]") for i, item in enumerate(value))
        except DocumentError as error:
            raise DocumentFinding(error.message, path=error.path, remedy=error.remedy) from None
    raise DocumentFinding(
        "an argument is a text such as `K x` or a list of {op, var, scale}", remedy="Name the variable last."
    )


class TermSpec(Model):
    """A term `weight · ψ(Σ_i s_i A_i x_i − data)` of the energy."""

    later: ClassVar[frozenset[str]] = frozenset()
    atom: str
    arg: Annotated[tuple[Summand, ...], PlainValidator(_argument)]
    weight: NumberOrName = 1.0
    as_: Literal["smooth", "prox", "dual"] | None = Field(default=None, alias="as")


class Quadratic(TermSpec):
    """weight · ½‖z − data‖²."""

    atom: Literal["quadratic"]
    data: Name | None = None


class L1(TermSpec):
    """weight · ‖z − data‖₁."""

    atom: Literal["l1"]
    data: Name | None = None


class NormL21(TermSpec):
    """weight · Σ of the 2-norms over `axis` (for a gradient: over its components, isotropic total variation)."""

    atom: Literal["norm_l21"]
    axis: int | tuple[int, ...] = 0
    later = frozenset({"groups", "groupWeights"})


class Box(TermSpec):
    """The constraint lo ≤ z ≤ hi, entry by entry; a side left out doesn't bound."""

    atom: Literal["box"]
    lo: Number | None = None
    hi: Number | None = None
    later = frozenset({"data"})

    @model_validator(mode="after")
    def _ordered(self) -> "Box":
        if self.lo is None and self.hi is None:
            raise DocumentFinding("a box needs `lo` or `hi`", remedy="Add one of them.")
        if self.lo is not None and self.hi is not None and self.lo > self.hi:
            raise DocumentFinding("`lo` is above `hi`: no point fits", remedy="Swap them.")
        return self


class Nonnegative(TermSpec):
    """The constraint z ≥ 0, entry by entry."""

    atom: Literal["nonnegative"]


ATOMS: dict[str, type[TermSpec]] = {
    "quadratic": Quadratic,
    "l1": L1,
    "norm_l21": NormL21,
    "box": Box,
    "nonnegative": Nonnegative,
}


class OperatorSpec(Model):
    """A linear operator W: x ↦ Wx."""


class Identity(OperatorSpec):
    """X ↦ x."""


class Matrix(OperatorSpec):
    """A dense matrix from the data: on the raveled variable, or from the left or right of a two-dimensional one."""

    matrix: Name
    apply: Literal["ravel", "left", "right"] = "ravel"


class Conv(OperatorSpec):
    """True convolution with a kernel from the data, centred at n//2 along each axis."""

    kernel: Name
    boundary: Literal["periodic", "zero"] = "periodic"
    axes: tuple[int, ...] | None = None


class Gradient(OperatorSpec):
    """Forward differences along each axis; with `neumann` the last one is 0."""

    boundary: Literal["neumann", "periodic"] = "neumann"
    spacing: Positive | tuple[Positive, ...] = 1.0
    axes: tuple[int, ...] | None = None


class Mask(OperatorSpec):
    """Entry-wise product with an array from the data."""

    mask: Name


OPERATORS: dict[str, type[OperatorSpec]] = {
    "identity": Identity,
    "matrix": Matrix,
    "conv": Conv,
    "gradient": Gradient,
    "mask": Mask,
}
_SHORT = {"matrix": "matrix", "mask": "mask"}  # `{matrix: A}` means `{matrix: {matrix: A}}`


class SourceSpec(Model):
    """Where an array comes from."""


class Npy(SourceSpec):
    """A NumPy file without pickled objects."""

    npy: DataPath


class Npz(SourceSpec):
    """One array of a NumPy archive."""

    npz: DataPath
    key: Annotated[str, StringConstraints(min_length=1, max_length=255)]


class Csv(SourceSpec):
    """Numbers separated by commas; a first row of names is skipped."""

    csv: DataPath


class Image(SourceSpec):
    """A grey picture, scaled to [0, 1] by its bit depth."""

    image: DataPath


class Inline(SourceSpec):
    """Numbers in the document itself, nested lists."""

    inline: Annotated[Any, PlainValidator(lambda value: _inline(value))]


def _inline(value: object) -> JsonValue:
    if isinstance(value, bool) or not isinstance(value, int | float | list):
        raise DocumentFinding("inline data is a number or nested lists of numbers")
    if isinstance(value, list):
        return [_inline(item) for item in value]
    return value


SOURCES: dict[str, type[SourceSpec]] = {"npy": Npy, "npz": Npz, "csv": Csv, "image": Image, "inline": Inline}

# In the design, not in this version: told apart from a misspelling.
LATER_ATOMS = frozenset(
    [
        "quadratic_form",
        "huber",
        "poisson",
        "kullback_leibler",
        "logistic",
        "cross_entropy",
        "tikhonov",
        "elastic_net",
        "overlapping_group",
        "tv",
        "tv2",
        "wavelet_l1",
        "analysis_l1",
        "nuclear",
        "low_rank",
        "dirichlet",
        "graph_tv",
        "simplex",
        "l1_ball",
        "l2_ball",
        "knapsack",
        "affine",
        "cardinality",
        "negative_entropy",
        "relative_entropy",
        "log_barrier",
        "consensus",
        "orthogonality",
        "bilinear",
    ]
)
LATER_OPERATORS = frozenset(
    ["laplacian", "wavelet", "fft", "radon", "incidence", "reshape", "select", "broadcast", "stack", "scale", "compose"]
)
LATER_SOURCES = frozenset(["safetensors", "parquet", "zarr", "csr", "uri"])


def parse_term(value: JsonValue, at: str) -> TermSpec:
    """A term by its atom; unknown atoms get the nearest word."""
    mapping = _mapping(value, at, "a term", "{atom: quadratic, arg: x}")
    if "atom" not in mapping:
        raise DocumentError("a term needs an atom", path=at, remedy=f"Add `atom:`, one of {', '.join(ATOMS)}.")
    model = _known(str(mapping["atom"]), ATOMS, LATER_ATOMS, join(at, "atom"), "atom")
    return model.parse(mapping, at=at)


def parse_operator(value: JsonValue, at: str) -> OperatorSpec:
    """An operator, a mapping with one key: `{conv: {kernel: k}}`."""
    kind, body = _single(value, at, "an operator", "{gradient: {boundary: neumann}}")
    model = _known(kind, OPERATORS, LATER_OPERATORS, join(at, kind), "operator")
    if isinstance(body, str) and kind in _SHORT:
        body = {_SHORT[kind]: body}
    return model.parse({} if body is None else body, at=join(at, kind))


def parse_source(value: JsonValue, at: str) -> SourceSpec:
    """A data source, a mapping with one key for the kind: `{npy: psf.npy}`."""
    mapping = _mapping(value, at, "a data source", "{npy: file.npy}")
    kinds = [key for key in mapping if key in SOURCES]
    if len(kinds) > 1:
        raise DocumentError(f"{' and '.join(kinds)} are two sources", path=at, remedy="Keep one of them.")
    kind = kinds[0] if kinds else next(iter(mapping), "")
    return _known(kind, SOURCES, LATER_SOURCES, join(at, kind), "data source").parse(mapping, at=at)


def collect(errors: list[DocumentError], error: DocumentError) -> None:
    """Add an error, or all of those it holds, to a list."""
    errors.extend(error.errors if isinstance(error, DocumentErrors) else [error])


def _mapping(value: JsonValue, at: str, what: str, example: str) -> dict[str, JsonValue]:
    if isinstance(value, dict) and value:
        return value
    raise DocumentError(f"{what} is a mapping", path=at, remedy=f"Write it like `{example}`.")


def _single(value: JsonValue, at: str, what: str, example: str) -> tuple[str, JsonValue]:
    mapping = _mapping(value, at, what, example)
    if len(mapping) != 1:
        raise DocumentError(f"{what} has one key, its kind", path=at, remedy=f"Write it like `{example}`.")
    return next(iter(mapping.items()))


def _known(kind: str, known: dict[str, type[M]], later: frozenset[str], at: str, what: str) -> type[M]:
    if kind in known:
        return known[kind]
    if kind in later:
        available = ", ".join(known)
        raise DocumentError(
            f"the {what} `{kind}` is not available in this version",
            path=at,
            remedy=f"Available: {available}.",
        )
    raise DocumentError(f"unknown {what} `{kind}`", path=at, remedy=nearest(kind, known))
