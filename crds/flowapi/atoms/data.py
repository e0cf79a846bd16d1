"""Terms that compare with data, and what they are when there are none."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from flowapi.argument import TermSpec
from flowapi.atoms.keys import Counts, Datum, Factors
from flowapi.model import DocumentFinding, Name, Number, Positive


class Quadratic(TermSpec):
    """weight · ½‖z − data‖²."""

    atom: Literal["quadratic"]
    data: Datum = None


class Weighted(TermSpec):
    """weight · ½‖w ⊙ (z − data)‖²: a standard deviation of 1/w for every entry, or a mask of those that are known."""

    atom: Literal["weighted"]
    factors: Annotated[Name, Field(description="named data: w ≥ 0, of the argument's shape")]
    data: Datum = None
    data_keys = ("factors", "data")


class QuadraticForm(TermSpec):
    """weight · ½(z − data)ᵀP(z − data), P symmetric and positive semidefinite, on the raveled z."""

    atom: Literal["quadratic_form"]
    matrix: Annotated[Name, Field(description="named data: P, with a row and a column for each entry of z")]
    data: Datum = None
    data_keys = ("matrix", "data")


class Huber(TermSpec):
    """weight · Σ wᵢh(zᵢ − dataᵢ), h(a) = ½a² where |a| ≤ delta, else delta·|a| − ½delta²."""

    atom: Literal["huber"]
    data: Datum = None
    delta: Annotated[Positive, Field(description="where the parabola ends")] = 1.0
    factors: Factors = None
    data_keys = ("data", "factors")


class Poisson(TermSpec):
    """weight · Σ (zᵢ − dᵢ log zᵢ), z ≥ 0: the negative log-likelihood of counts d."""

    atom: Literal["poisson"]
    data: Counts


class KullbackLeibler(TermSpec):
    """weight · Σ (dᵢ log(dᵢ/zᵢ) − dᵢ + zᵢ), z ≥ 0: `poisson` up to a constant, 0 at z = d."""

    atom: Literal["kullback_leibler"]
    data: Counts


class Logistic(TermSpec):
    """weight · Σ wᵢ log(1 + exp(−yᵢzᵢ)), y ∈ {−1, 1}."""

    atom: Literal["logistic"]
    data: Annotated[Name, Field(description="named data: the labels y, each −1 or 1")]
    factors: Factors = None
    data_keys = ("data", "factors")


class Hinge(TermSpec):
    """weight · Σ wᵢ max(0, 1 − yᵢzᵢ), y ∈ {−1, 1}."""

    atom: Literal["hinge"]
    data: Annotated[Name, Field(description="named data: the labels y, each −1 or 1")]
    factors: Factors = None
    data_keys = ("data", "factors")


class Pinball(TermSpec):
    """weight · Σ wᵢ max(q·aᵢ, (q − 1)·aᵢ), a = data − z: z is led to the q-quantile of the data."""

    atom: Literal["pinball"]
    data: Annotated[Name, Field(description="named data: of the argument's shape")]
    quantile: Annotated[Number, Field(description="q, between 0 and 1; at 0.5 it is half of `l1`")] = 0.5
    factors: Factors = None
    data_keys = ("data", "factors")

    @model_validator(mode="after")
    def _inside(self) -> "Pinball":
        if not 0 < self.quantile < 1:
            raise DocumentFinding(
                "a quantile must be above 0 and below 1", path="quantile", remedy="0.5 is the median."
            )
        return self


class Linear(TermSpec):
    """weight · ⟨c, z⟩."""

    atom: Literal["linear"]
    costs: Annotated[Name, Field(description="named data: c, of the argument's shape")]
    data_keys = ("costs",)


class CrossEntropy(TermSpec):
    """weight · Σ over rows of w · (log Σ_c exp(z_c) − z_label), the classes along the last axis of z."""

    atom: Literal["cross_entropy"]
    data: Annotated[
        Name, Field(description="named data: the labels, whole numbers from 0, of z's shape less its last axis")
    ]
    factors: Annotated[Name | None, Field(description="named data: w ≥ 0, of the labels' shape; 1")] = None
    data_keys = ("data", "factors")


class Tikhonov(TermSpec):
    """weight · ½‖z‖²."""

    atom: Literal["tikhonov"]


class NegativeEntropy(TermSpec):
    """weight · Σ zᵢ log zᵢ, z ≥ 0."""

    atom: Literal["negative_entropy"]


class RelativeEntropy(TermSpec):
    """weight · Σ (zᵢ log(zᵢ/dᵢ) − zᵢ + dᵢ), z ≥ 0, d > 0."""

    atom: Literal["relative_entropy"]
    data: Annotated[Name, Field(description="named data: d > 0, of the argument's shape")]


class LogBarrier(TermSpec):
    """weight · Σ −log zᵢ, z > 0."""

    atom: Literal["log_barrier"]


class LogDet(TermSpec):
    """weight · (−log det Z), the symmetric part of the square matrix Z positive definite."""

    atom: Literal["log_det"]
