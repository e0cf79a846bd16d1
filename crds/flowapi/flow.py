"""The flow document: keys, types, and references between names. What it means is the engine's business."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import Field, JsonValue, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

from flowapi.argument import Argument, Summand, TermSpec
from flowapi.errors import DocumentError, DocumentErrors
from flowapi.forms import ENTRY, LABEL
from flowapi.frozen import frozen
from flowapi.model import (
    DocumentFinding,
    Model,
    Name,
    Number,
    NumberOrName,
    Positive,
    PositiveInt,
    join,
    keys,
    without_nulls,
)
from flowapi.numbers import canonical, canonical_json
from flowapi.operators import OperatorSpec
from flowapi.policy import Output, Policy
from flowapi.references import references, sizes
from flowapi.sources import SourceSpec
from flowapi.terms import collect, parse_operator, parse_source, parse_term

MAX_FLOW_BYTES = 128 * 1024
MAX_ENTRY_LENGTH = 253
FlowName = Annotated[str, StringConstraints(pattern=LABEL, max_length=40)]
Dtype = Literal["float64", "float32", "complex128", "complex64"]
Dimension = Annotated[int, Field(strict=True, ge=1, le=2**31)]


class Variable(Model):
    """An unknown of the energy: its shape, or the data whose shape it has, and where it starts.

    With `spread` it starts at init + spread · a standard normal draw; a sampler runs `chains` of them side by side.
    On a `manifold` it keeps length 1 (`sphere`), orthonormal columns (`stiefel`), or is a symmetric positive definite
    matrix (`spd`).
    """

    shape: Annotated[tuple[Dimension, ...], Field(max_length=8)] | None = None
    like: Name | None = None
    init: NumberOrName = 0.0
    spread: Positive | None = None
    chains: Annotated[int, Field(strict=True, ge=1, le=65_536)] | None = None
    manifold: Literal["euclidean", "sphere", "stiefel", "spd"] = "euclidean"

    @model_validator(mode="after")
    def _one_shape(self) -> "Variable":
        if (self.shape is None) == (self.like is None):
            raise DocumentFinding("a variable has either `shape` or `like`", remedy="Write exactly one of them.")
        return self


class Param(Model):
    """A named number that weights may refer to; `range` says where it makes sense, `log` on which scale."""

    value: Number
    range: tuple[Number, Number] | None = None
    log: Annotated[bool, Field(strict=True)] = False
    later: ClassVar[frozenset[str]] = frozenset({"tune", "schedule"})

    @model_validator(mode="after")
    def _within(self) -> "Param":
        if self.range and not self.range[0] <= self.value <= self.range[1]:
            raise DocumentFinding(f"{self.value} is outside its range {list(self.range)}", path="value")
        if self.log and (self.range or (self.value,))[0] <= 0:
            raise DocumentFinding("a logarithmic scale needs numbers above 0", path="log")
        return self


class Invariant(Model):
    """What an exact run would keep: the sum of the entries of a linear map of the variables, or its 2-norm."""

    sum: Argument | None = None
    norm: Argument | None = None
    tolerance: Positive = 1e-6

    @model_validator(mode="after")
    def _one_kind(self) -> "Invariant":
        if (self.sum is None) == (self.norm is None):
            raise DocumentFinding("an invariant is a `sum` or a `norm`", remedy="Write it like `{sum: x}`.")
        return self

    @property
    def kind(self) -> str:
        """Which of the two."""
        return "sum" if self.norm is None else "norm"

    @property
    def arg(self) -> tuple[Summand, ...]:
        """Of what."""
        return self.sum or self.norm or ()


class Certificates(Model):
    """How often residual, energy and gates are computed, in iterations; and what must not drift."""

    every: Annotated[int, Field(strict=True, ge=1, le=100_000)] = 10
    invariants: Annotated[tuple[Invariant, ...], Field(max_length=16)] = ()
    later: ClassVar[frozenset[str]] = frozenset({"gate", "advise"})


class Stop(Model):
    """The first rule that holds stops the run; a rule left out never does. Tested at certificates."""

    max_iterations: PositiveInt | None = None
    gap: Positive | None = None
    residual: Positive | None = None
    relative_change: Positive | None = None
    wall_time: Positive | None = None

    @model_validator(mode="after")
    def _stops(self) -> "Stop":
        if not any(value is not None for value in self.__dict__.values()):
            raise DocumentFinding("nothing would stop this flow", remedy="Add `maxIterations`.")
        return self


class Telemetry(Model):
    """How often a row is kept, in iterations: a multiple of `certificates.every`, which is the default."""

    every: PositiveInt | None = None


class Outline(Model):
    """The top of a flow document: simple parts typed, named parts still as they were read."""

    name: FlowName | None = None
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**32)] = 0
    dtype: Dtype = "float64"
    data: dict[Name, Any] = {}
    entrypoint: Annotated[str, StringConstraints(pattern=ENTRY, max_length=MAX_ENTRY_LENGTH)] | None = None
    variables: dict[Name, Any] = {}
    operators: dict[Name, Any] = {}
    params: dict[Name, Any] = {}
    terms: Annotated[tuple[Any, ...], Field(max_length=64)] = ()
    policy: Policy = Policy()
    certificates: Certificates = Certificates()
    stop: Stop
    telemetry: Telemetry = Telemetry()
    outputs: Annotated[tuple[Output, ...], Field(max_length=32)] = ()
    later: ClassVar[frozenset[str]] = frozenset({"schedule", "controller", "tuner"})

    @model_validator(mode="before")
    @classmethod
    def _absent(cls, value: Any) -> Any:
        """A key without a value is absent: the apiserver drops it."""
        return without_nulls(value, set(keys(cls)))

    @model_validator(mode="after")
    def _an_energy(self) -> "Outline":
        if self.entrypoint is None:
            lacking = [key for key in ("variables", "terms") if not getattr(self, key)]
            if lacking:
                given = lacking[0] in self.model_fields_set
                message, remedy = ("this is empty", "Add an item.") if given else ("this key is required", "Add it.")
                raise DocumentFinding(message, path=lacking[0], remedy=remedy)
        elif idle := [key for key in ("variables", "operators", "terms", "outputs") if key in self.model_fields_set]:
            raise DocumentFinding("the entry point builds the flow", path=idle[0], remedy="Remove it.")
        return self


T = TypeVar("T")


@frozen
class FlowDocument:
    """A flow document whose keys, types and references are right. `raw` is its canonical form, which is hashed."""

    name: str | None
    seed: int
    dtype: Dtype
    data: Mapping[str, SourceSpec]
    entrypoint: str | None
    variables: Mapping[str, Variable]
    operators: Mapping[str, OperatorSpec]
    params: Mapping[str, float]
    terms: tuple[TermSpec, ...]
    policy: Policy
    certificates: Certificates
    stop: Stop
    telemetry: Telemetry
    outputs: tuple[Output, ...]
    raw: Mapping[str, Any]

    @property
    def files(self) -> dict[str, str]:
        """Path below the inputs of every array that comes from a file."""
        paths = {name: getattr(source, type(source).__name__.lower(), None) for name, source in self.data.items()}
        return {name: path for name, path in paths.items() if isinstance(path, str)}

    @classmethod
    def parse(cls, value: object, *, at: str = "flow") -> "FlowDocument":
        """Read a flow document.

        Args:
            value: The JSON value behind the key `flow`.
            at: Its path in the file: `flow`, or `spec.flow` in a resource.

        Raises:
            DocumentErrors: with everything that is wrong, each with its path and a remedy.
        """
        raw = canonical(value, at)
        if not isinstance(raw, dict):
            raise DocumentErrors([DocumentError("a flow must be a mapping", path=at, remedy="See examples/.")])
        if len(canonical_json(raw)) > MAX_FLOW_BYTES:
            message = f"the flow is larger than {MAX_FLOW_BYTES} bytes"
            raise DocumentErrors([DocumentError(message, path=at, remedy="Move inline data into a file.")])
        outline = Outline.parse(raw, at=at)
        errors: list[DocumentError] = []
        terms = {str(index): term for index, term in enumerate(outline.terms)}
        document = cls(
            name=outline.name,
            seed=outline.seed,
            dtype=outline.dtype,
            data=_each(outline.data, join(at, "data"), parse_source, errors),
            entrypoint=outline.entrypoint,
            variables=_each(outline.variables, join(at, "variables"), _variable, errors),
            operators=_each(outline.operators, join(at, "operators"), parse_operator, errors),
            params=_each(outline.params, join(at, "params"), _param, errors),
            terms=tuple(_each(terms, join(at, "terms"), parse_term, errors).values()),
            policy=outline.policy,
            certificates=outline.certificates,
            stop=outline.stop,
            telemetry=outline.telemetry,
            outputs=outline.outputs,
            raw=MappingProxyType(raw),
        )
        errors.extend(references(document, at) if not errors else ())
        errors.extend(sizes(document, at) if not errors else ())
        errors.extend((*_telemetry(document, at), *_sampling(document, at), *_outputs(document, at)))
        if errors:
            raise DocumentErrors(errors)
        return document


def _each(
    values: Mapping[str, JsonValue],
    at: str,
    parse: Callable[[JsonValue, str], T],
    errors: list[DocumentError],
) -> dict[str, T]:
    parsed = {}
    for name, value in values.items():
        try:
            parsed[name] = parse(value, join(at, int(name) if name.isdigit() else name))
        except DocumentError as error:
            collect(errors, error)
    return parsed


def _variable(value: JsonValue, at: str) -> Variable:
    return Variable.parse(value, at=at)


def _param(value: JsonValue, at: str) -> float:
    return Param.parse(value if isinstance(value, dict) else {"value": value}, at=at).value


def _telemetry(document: FlowDocument, at: str) -> Iterator[DocumentError]:
    every = document.telemetry.every
    if every is not None and every % document.certificates.every:
        yield DocumentError(
            f"{every} is not a multiple of `certificates.every` ({document.certificates.every})",
            path=join(at, "telemetry", "every"),
            remedy="Rows are made at certificates: write a multiple.",
        )


def _sampling(document: FlowDocument, at: str) -> Iterator[DocumentError]:
    """Keys that only a sampler understands, and those that it doesn't."""
    samples = document.policy.samples
    remedy = "Remove it, or sample: `policy: {family: langevin}` or `symplectic`."
    if document.outputs and not samples:
        yield DocumentError("outputs are statistics of a sampler's draws", path=join(at, "outputs"), remedy=remedy)
    counts = {name: one.chains for name, one in document.variables.items() if one.chains is not None}
    for name, count in counts.items():
        place = join(at, "variables", name, "chains")
        if not samples:
            yield DocumentError("only a sampler runs chains", path=place, remedy=remedy)
        elif count != next(iter(counts.values())):
            yield DocumentError("the variables have different numbers of chains", path=place, remedy="Write one.")
    if samples and document.dtype.startswith("complex"):
        yield DocumentError("samplers need a real dtype", path=join(at, "dtype"), remedy="Use float64.")
    for key in ("gap", "residual", "relative_change"):
        if samples and getattr(document.stop, key) is not None:
            yield DocumentError(
                "a sampler has no convergence criterion",
                path=join(at, "stop", to_camel(key)),
                remedy="Use `maxIterations`.",
            )


def _outputs(document: FlowDocument, at: str) -> Iterator[DocumentError]:
    """Every output leaves a file of its own name."""
    taken: set[str] = set()
    for index, output in enumerate(document.outputs):
        name = f"{output.variable}_{output.kind}"
        if name in taken:
            yield DocumentError(
                f"`{output.kind}` of `{output.variable}` stands here twice, and both would be `{name}.npy`",
                path=join(at, "outputs", index, output.kind),
                remedy="Keep one; `at` takes a list of levels." if output.kind == "quantiles" else "Keep one of them.",
            )
        taken.add(name)
        if name in document.variables:
            yield DocumentError(
                f"this output would be `{name}.npy`, as the variable `{name}` is",
                path=join(at, "outputs", index),
                remedy="Rename the variable.",
            )
