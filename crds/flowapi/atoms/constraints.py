"""Constraints: 0 where they hold, else +∞."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from flowapi.argument import TermSpec
from flowapi.atoms.keys import Axis, Datum
from flowapi.model import DocumentFinding, Name, Number, Positive, PositiveInt


class ConstraintSpec(TermSpec):
    """0 where a constraint holds, else +∞: a weight would mean nothing."""

    data_keys: ClassVar[tuple[str, ...]] = ()
    param_keys: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="after")
    def _no_weight(self) -> "ConstraintSpec":
        if "weight" in self.model_fields_set:
            raise DocumentFinding("a constraint has no weight", path="weight", remedy="Remove it.")
        return self


class Box(ConstraintSpec):
    """0 where lo ≤ z − data ≤ hi, entry by entry; a side left out doesn't bound."""

    atom: Literal["box"]
    lo: Annotated[Number | None, Field(description="the lower end")] = None
    hi: Annotated[Number | None, Field(description="the upper end")] = None
    data: Datum = None
    data_keys = ("data",)

    @model_validator(mode="after")
    def _ordered(self) -> "Box":
        if self.lo is None and self.hi is None:
            raise DocumentFinding("a box needs `lo` or `hi`", remedy="Add one of them.")
        if self.lo is not None and self.hi is not None and self.lo > self.hi:
            raise DocumentFinding("`lo` is above `hi`: no point fits", remedy="Swap them.")
        return self


class Nonnegative(ConstraintSpec):
    """0 where z ≥ data, entry by entry."""

    atom: Literal["nonnegative"]
    data: Datum = None
    data_keys = ("data",)


class Simplex(ConstraintSpec):
    """0 where z ≥ 0 and Σ zᵢ = total, over all entries or along `axis`."""

    atom: Literal["simplex"]
    total: Annotated[Positive, Field(description="the sum")] = 1.0
    axis: Annotated[int | None, Field(description="the axis of each sum; all entries")] = None


class L1Ball(ConstraintSpec):
    """0 where ‖z − data‖₁ ≤ radius."""

    atom: Literal["l1_ball"]
    radius: Annotated[Positive, Field(description="of the ball")]
    data: Datum = None
    data_keys = ("data",)


class L2Ball(ConstraintSpec):
    """0 where ‖z − data‖₂ ≤ radius, over all entries or over `axis` for each of the others."""

    atom: Literal["l2_ball"]
    radius: Annotated[Positive, Field(description="of the ball")]
    data: Datum = None
    axis: Annotated[Axis | None, Field(description="the axes of each norm; all entries")] = None
    data_keys = ("data",)


class Knapsack(ConstraintSpec):
    """0 where Σ cᵢzᵢ ≤ budget."""

    atom: Literal["knapsack"]
    costs: Annotated[Name, Field(description="named data: c, of the argument's shape")]
    budget: Annotated[Number, Field(description="what may be spent")]
    data_keys = ("costs",)


class Affine(ConstraintSpec):
    """0 where A·ravel(z) = data."""

    atom: Literal["affine"]
    matrix: Annotated[Name, Field(description="named data: A, dense, its rows linearly independent")]
    data: Annotated[Name, Field(description="named data: the right-hand side, one number a row")]
    data_keys = ("matrix", "data")


class Semidefinite(ConstraintSpec):
    """0 where the square matrix Z is symmetric and positive semidefinite."""

    atom: Literal["semidefinite"]


class Cardinality(ConstraintSpec):
    """0 where at most `count` entries of z are not 0. Not convex: what is found is a local answer."""

    atom: Literal["cardinality"]
    count: Annotated[PositiveInt, Field(description="of the entries that may differ from 0")]
