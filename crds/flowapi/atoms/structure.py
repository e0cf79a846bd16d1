"""Terms that favour few nonzero entries, groups, jumps or singular values; also on graphs."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from flowapi.argument import TermSpec
from flowapi.atoms.keys import Axes, Axis, Boundary, Datum, Edges, EdgeWeights, Factors, Levels, Spacing, WaveletName
from flowapi.model import DocumentFinding, Name, NumberOrName, PositiveInt


class L1(TermSpec):
    """weight · ‖z − data‖₁, or with factors weight · Σ wᵢ|zᵢ − dataᵢ|."""

    atom: Literal["l1"]
    data: Datum = None
    factors: Factors = None
    data_keys = ("data", "factors")


class AnalysisL1(TermSpec):
    """weight · ‖z‖₁ of an argument z = Cx with an operator C: few coefficients of an analysis differ from 0."""

    atom: Literal["analysis_l1"]
    data_keys = ()

    @model_validator(mode="after")
    def _through_an_operator(self) -> "AnalysisL1":
        if not any(summand.operators for summand in self.arg):
            raise DocumentFinding(
                "an analysis needs an operator",
                path="arg",
                remedy="Write `C x`, or use `l1`.",
            )
        return self


class WaveletL1(TermSpec):
    """weight · ‖Wz‖₁ with an orthonormal wavelet transform W on a periodic grid."""

    atom: Literal["wavelet_l1"]
    name: WaveletName = "db4"
    levels: Levels = None
    axes: Axes = None
    coarse: Annotated[bool, Field(strict=True, description="whether the coarse part counts too")] = True
    data_keys = ()


class ElasticNet(TermSpec):
    """weight · (l1·‖z‖₁ + l2·½‖z‖²)."""

    atom: Literal["elastic_net"]
    l1: Annotated[NumberOrName, Field(description="a number or a param's name")]
    l2: Annotated[NumberOrName, Field(description="a number or a param's name")]
    param_keys = ("weight", "l1", "l2")


class NormL21(TermSpec):
    """weight · Σ of the 2-norms of z − data over `axis` (a gradient: its components), or Σ_g w_g‖·‖₂ of groups."""

    atom: Literal["norm_l21"]
    axis: Annotated[Axis, Field(description="the axes of each norm")] = 0
    groups: Annotated[
        Name | None, Field(description="named data: each entry's group, whole numbers from 0; −1 is in none")
    ] = None
    group_weights: Annotated[Name | None, Field(description="named data: w_g, one a group; 1")] = None
    data: Datum = None
    data_keys = ("groups", "group_weights", "data")

    @model_validator(mode="after")
    def _one_way(self) -> "NormL21":
        if self.groups is not None and "axis" in self.model_fields_set:
            raise DocumentFinding("`axis` and `groups` exclude each other", remedy="Keep one of them.")
        if self.group_weights is not None and self.groups is None:
            raise DocumentFinding("`groupWeights` needs `groups`", remedy="Add `groups`.")
        return self


class OverlappingGroup(TermSpec):
    """weight · Σ_g w_g‖z_g‖₂ over groups that may share entries."""

    atom: Literal["overlapping_group"]
    members: Annotated[
        Name, Field(description="named data: pairs (group, position in the raveled z), whole numbers from 0")
    ]
    group_weights: Annotated[Name | None, Field(description="named data: w_g ≥ 0, one a group; 1")] = None
    data_keys = ("members", "group_weights")


class TotalVariation(TermSpec):
    """weight · Σ ‖(∇z)ᵢ‖₂, or with `isotropic: false` weight · ‖∇z‖₁."""

    atom: Literal["tv"]
    isotropic: Annotated[bool, Field(strict=True, description="the 2-norm of each gradient, or its 1-norm")] = True
    boundary: Boundary = "neumann"
    spacing: Spacing = 1.0
    axes: Axes = None


class SecondTotalVariation(TermSpec):
    """weight · Σ ‖(∇²z)ᵢ‖_F, or with `isotropic: false` weight · ‖∇²z‖₁: ramps, level at `neumann` borders."""

    atom: Literal["tv2"]
    isotropic: Annotated[bool, Field(strict=True, description="the 2-norm of each Hessian, or its 1-norm")] = True
    boundary: Boundary = "neumann"
    spacing: Spacing = 1.0
    axes: Axes = None
    data_keys = ()


class Nuclear(TermSpec):
    """weight · the sum of the singular values of a matrix z − data."""

    atom: Literal["nuclear"]
    data: Datum = None


class Dirichlet(TermSpec):
    """weight · ½ Σ_e w_e (zᵢ − zⱼ)²: smooth on a graph, ½zᵀLz."""

    atom: Literal["dirichlet"]
    edges: Edges
    weights: EdgeWeights = None
    data_keys = ("edges", "weights")


class GraphTotalVariation(TermSpec):
    """weight · Σ_e w_e |zᵢ − zⱼ|: constant on the pieces of a graph."""

    atom: Literal["graph_tv"]
    edges: Edges
    weights: EdgeWeights = None
    data_keys = ("edges", "weights")


class GraphWaveletL1(TermSpec):
    """weight · ‖Wz‖₁ with the spectral wavelets of a graph: e^{−(5λ/λ_max)²}, and s·e^{1−s} at s = λ/(λ_max/2^{j+1}).

    λ are the eigenvalues of the graph's Laplacian, j counts `scales` from 0. For graphs of up to 4,096 nodes.
    """

    atom: Literal["graph_wavelet_l1"]
    edges: Edges
    weights: EdgeWeights = None
    scales: Annotated[PositiveInt, Field(le=16, description="how many wavelets beside the low-pass")] = 4
    data_keys = ("edges", "weights")
