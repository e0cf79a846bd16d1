"""Atoms and their keys: the formula of each is the first line of its model. z is the term's argument."""

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field, model_validator

from flowapi.argument import Argument, TermSpec
from flowapi.model import DocumentFinding, Name, Number, NumberOrName, Positive, PositiveInt

Datum = Annotated[Name | None, Field(description="named data: of the argument's shape; 0")]
Counts = Annotated[Name, Field(description="named data: d ≥ 0, of the argument's shape")]
Axes = Annotated[tuple[int, ...] | None, Field(description="axes it acts on; all of them")]
Spacing = Annotated[Positive | tuple[Positive, ...], Field(description="h, one number or one an axis")]
Boundary = Annotated[Literal["neumann", "periodic"], Field(description="of the differences")]


class Quadratic(TermSpec):
    """weight · ½‖z − data‖²."""

    atom: Literal["quadratic"]
    data: Datum = None


class QuadraticForm(TermSpec):
    """weight · ½(z − data)ᵀP(z − data), P symmetric and positive semidefinite, on the raveled z."""

    atom: Literal["quadratic_form"]
    matrix: Annotated[Name, Field(description="named data: P, with a row and a column for each entry of z")]
    data: Datum = None
    data_keys = ("matrix", "data")


class Huber(TermSpec):
    """weight · Σ h(zᵢ − dataᵢ), h(a) = ½a² where |a| ≤ delta, else delta·|a| − ½delta²."""

    atom: Literal["huber"]
    data: Datum = None
    delta: Annotated[Positive, Field(description="where the parabola ends")] = 1.0


class Poisson(TermSpec):
    """weight · Σ (zᵢ − dᵢ log zᵢ), z ≥ 0: the negative log-likelihood of counts d."""

    atom: Literal["poisson"]
    data: Counts


class KullbackLeibler(TermSpec):
    """weight · Σ (dᵢ log(dᵢ/zᵢ) − dᵢ + zᵢ), z ≥ 0: `poisson` up to a constant, 0 at z = d."""

    atom: Literal["kullback_leibler"]
    data: Counts


class Logistic(TermSpec):
    """weight · Σ log(1 + exp(−yᵢzᵢ)), y ∈ {−1, 1}."""

    atom: Literal["logistic"]
    data: Annotated[Name, Field(description="named data: the labels y, each −1 or 1")]


class CrossEntropy(TermSpec):
    """weight · Σ over rows of log Σ_c exp(z_c) − z_label, the classes along the last axis of z."""

    atom: Literal["cross_entropy"]
    data: Annotated[
        Name, Field(description="named data: the labels, whole numbers from 0, of z's shape less its last axis")
    ]


class Tikhonov(TermSpec):
    """weight · ½‖z‖²."""

    atom: Literal["tikhonov"]


class Smoothness(TermSpec):
    """weight · ½‖∇z‖², forward differences."""

    atom: Literal["gradient"]
    boundary: Boundary = "neumann"
    spacing: Spacing = 1.0
    axes: Axes = None


class Curvature(TermSpec):
    """weight · ½‖Δz − data‖²: smooth second derivatives, or with data a Poisson equation in least squares."""

    atom: Literal["laplacian"]
    boundary: Boundary = "neumann"
    spacing: Spacing = 1.0
    axes: Axes = None
    data: Datum = None


class L1(TermSpec):
    """weight · ‖z − data‖₁."""

    atom: Literal["l1"]
    data: Datum = None


class ElasticNet(TermSpec):
    """weight · (l1·‖z‖₁ + l2·½‖z‖²)."""

    atom: Literal["elastic_net"]
    l1: Annotated[NumberOrName, Field(description="a number or a param's name")]
    l2: Annotated[NumberOrName, Field(description="a number or a param's name")]
    param_keys = ("weight", "l1", "l2")


class NormL21(TermSpec):
    """weight · Σ of the 2-norms over `axis` (for a gradient: over its components), or Σ_g w_g‖z_g‖₂ over `groups`."""

    atom: Literal["norm_l21"]
    axis: Annotated[int | tuple[int, ...], Field(description="the axes of each norm")] = 0
    groups: Annotated[
        Name | None, Field(description="named data: each entry's group, whole numbers from 0; −1 is in none")
    ] = None
    group_weights: Annotated[Name | None, Field(description="named data: w_g, one a group; 1")] = None
    data_keys = ("groups", "group_weights")

    @model_validator(mode="after")
    def _one_way(self) -> "NormL21":
        if self.groups is not None and "axis" in self.model_fields_set:
            raise DocumentFinding("`axis` and `groups` exclude each other", remedy="Keep one of them.")
        if self.group_weights is not None and self.groups is None:
            raise DocumentFinding("`groupWeights` needs `groups`", remedy="Add `groups`.")
        return self


class TotalVariation(TermSpec):
    """weight · Σ ‖(∇z)ᵢ‖₂, or with `isotropic: false` weight · ‖∇z‖₁."""

    atom: Literal["tv"]
    isotropic: Annotated[bool, Field(strict=True, description="the 2-norm of each gradient, or its 1-norm")] = True
    boundary: Boundary = "neumann"
    spacing: Spacing = 1.0
    axes: Axes = None


class Nuclear(TermSpec):
    """weight · the sum of the singular values of a matrix z."""

    atom: Literal["nuclear"]


class Dirichlet(TermSpec):
    """weight · ½ Σ_e w_e (zᵢ − zⱼ)²: smooth on a graph, ½zᵀLz."""

    atom: Literal["dirichlet"]
    edges: Annotated[Name, Field(description="named data: pairs of node numbers from 0, shape (edges, 2)")]
    weights: Annotated[Name | None, Field(description="named data: w_e ≥ 0, one an edge; 1")] = None
    data_keys = ("edges", "weights")


class GraphTotalVariation(TermSpec):
    """weight · Σ_e w_e |zᵢ − zⱼ|: constant on the pieces of a graph."""

    atom: Literal["graph_tv"]
    edges: Annotated[Name, Field(description="named data: pairs of node numbers from 0, shape (edges, 2)")]
    weights: Annotated[Name | None, Field(description="named data: w_e ≥ 0, one an edge; 1")] = None
    data_keys = ("edges", "weights")


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
    """0 where lo ≤ z ≤ hi, entry by entry; a side left out doesn't bound."""

    atom: Literal["box"]
    lo: Annotated[Number | None, Field(description="the lower end")] = None
    hi: Annotated[Number | None, Field(description="the upper end")] = None

    @model_validator(mode="after")
    def _ordered(self) -> "Box":
        if self.lo is None and self.hi is None:
            raise DocumentFinding("a box needs `lo` or `hi`", remedy="Add one of them.")
        if self.lo is not None and self.hi is not None and self.lo > self.hi:
            raise DocumentFinding("`lo` is above `hi`: no point fits", remedy="Swap them.")
        return self


class Nonnegative(ConstraintSpec):
    """0 where z ≥ 0, entry by entry."""

    atom: Literal["nonnegative"]


class Simplex(ConstraintSpec):
    """0 where z ≥ 0 and Σ zᵢ = total, over all entries or along `axis`."""

    atom: Literal["simplex"]
    total: Annotated[Positive, Field(description="the sum")] = 1.0
    axis: Annotated[int | None, Field(description="the axis of each sum; all entries")] = None


class L1Ball(ConstraintSpec):
    """0 where ‖z‖₁ ≤ radius."""

    atom: Literal["l1_ball"]
    radius: Annotated[Positive, Field(description="of the ball")]


class L2Ball(ConstraintSpec):
    """0 where ‖z − data‖₂ ≤ radius."""

    atom: Literal["l2_ball"]
    radius: Annotated[Positive, Field(description="of the ball")]
    data: Datum = None
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


class Cardinality(ConstraintSpec):
    """0 where at most `count` entries of z are not 0. Not convex: what is found is a local answer."""

    atom: Literal["cardinality"]
    count: Annotated[PositiveInt, Field(description="of the entries that may differ from 0")]


class LowRank(TermSpec):
    """weight · ½‖z wᵀ − data‖² of two arguments z (m, r) and w (n, r), or vectors. Not convex, but in each of them."""

    atom: Literal["low_rank"]
    other: Annotated[Argument, Field(alias="with", description="the other argument w, written like `arg`")]
    data: Annotated[Name | None, Field(description="named data: of shape (m, n); 0")] = None
    mask: Annotated[Name | None, Field(description="named data: of shape (m, n), 1 where the data are known")] = None
    data_keys = ("data", "mask")
    argument_keys = ("arg", "other")


class Bilinear(TermSpec):
    """weight · ⟨z, w⟩ of two arguments of one shape. Not convex."""

    atom: Literal["bilinear"]
    other: Annotated[Argument, Field(alias="with", description="the other argument w, written like `arg`")]
    data_keys = ()
    argument_keys = ("arg", "other")


class Consensus(TermSpec):
    """weight · ½‖z − w‖² of two arguments of one shape: they are drawn together."""

    atom: Literal["consensus"]
    other: Annotated[Argument, Field(alias="with", description="the other argument w, written like `arg`")]
    data_keys = ()
    argument_keys = ("arg", "other")


class Orthogonality(TermSpec):
    """weight · ½‖zᵀz − I‖² of a matrix z: columns at right angles, of length 1. Not convex."""

    atom: Literal["orthogonality"]
    data_keys = ()


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


_MODELS = (
    Quadratic, QuadraticForm, Huber, Poisson, KullbackLeibler, Logistic, CrossEntropy,
    Tikhonov, Smoothness, Curvature,
    L1, ElasticNet, NormL21, TotalVariation, Nuclear,
    Dirichlet, GraphTotalVariation,
    Box, Nonnegative, Simplex, L1Ball, L2Ball, Knapsack, Affine, Cardinality,
    NegativeEntropy, RelativeEntropy, LogBarrier,
    Consensus, LowRank, Bilinear, Orthogonality,
)  # fmt: skip
ATOMS: dict[str, type[TermSpec]] = {get_args(model.model_fields["atom"].annotation)[0]: model for model in _MODELS}
# In the design, not in this version: told apart from a misspelling.
LATER_ATOMS = frozenset(
    [
        "overlapping_group",
        "tv2",
        "wavelet_l1",
        "analysis_l1",
        "graph_wavelet_l1",
        "pde_poisson",
        "heat",
        "wave",
        "divergence",
        "curl",
        "boundary",
    ]
)
