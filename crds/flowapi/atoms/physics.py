"""Smoothness, and differential equations in least squares: quadratic, on differences of the argument."""

from typing import Annotated, Literal

from pydantic import Field

from flowapi.argument import TermSpec
from flowapi.atoms.keys import Axes, Boundary, Datum, Spacing
from flowapi.model import Name, Positive


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


class PoissonEquation(TermSpec):
    """weight · ½‖Δz − data‖²: Poisson's equation with the source `data` in least squares."""

    atom: Literal["pde_poisson"]
    boundary: Boundary = "neumann"
    spacing: Spacing = 1.0
    axes: Axes = None
    data: Datum = None


class Heat(TermSpec):
    """weight · ½‖(z_{t+1} − z_t)/dt − kappa·Δz_t‖²: heat in time along axis 0, in space along the others."""

    atom: Literal["heat"]
    kappa: Annotated[Positive, Field(description="diffusivity κ")] = 1.0
    dt: Annotated[Positive, Field(description="from one time to the next")] = 1.0
    boundary: Boundary = "neumann"
    spacing: Spacing = 1.0
    data_keys = ()


class Wave(TermSpec):
    """weight · ½‖(z_{t+1} − 2z_t + z_{t−1})/dt² − speed²·Δz_t‖²: waves, time along axis 0, space along the others."""

    atom: Literal["wave"]
    speed: Annotated[Positive, Field(description="c")] = 1.0
    dt: Annotated[Positive, Field(description="from one time to the next")] = 1.0
    boundary: Boundary = "neumann"
    spacing: Spacing = 1.0
    data_keys = ()


class Divergence(TermSpec):
    """weight · ½‖∇·z − data‖² of a vector field z, its components along axis 0: ∇· = −Dᵀ of the forward differences."""

    atom: Literal["divergence"]
    boundary: Boundary = "neumann"
    spacing: Spacing = 1.0
    data: Annotated[Name | None, Field(description="named data: of one component's shape; 0")] = None


class Curl(TermSpec):
    """weight · ½‖∇×z‖² of a vector field z in two or three dimensions, its components along axis 0."""

    atom: Literal["curl"]
    boundary: Boundary = "neumann"
    spacing: Spacing = 1.0
    data_keys = ()


class Border(TermSpec):
    """weight · ½Σ (zᵢ − dataᵢ)² over the entries on the border of the grid."""

    atom: Literal["boundary"]
    axes: Annotated[tuple[int, ...] | None, Field(description="axes whose two ends are border; all of them")] = None
    data: Datum = None
