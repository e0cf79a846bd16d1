"""Terms that couple two arguments, or an argument with itself."""

from typing import Annotated, Literal

from pydantic import Field

from flowapi.argument import TermSpec
from flowapi.atoms.keys import Other
from flowapi.model import Name


class LowRank(TermSpec):
    """weight · ½‖z wᵀ − data‖² of two arguments z (m, r) and w (n, r), or vectors. Not convex, but in each of them."""

    atom: Literal["low_rank"]
    other: Other
    data: Annotated[Name | None, Field(description="named data: of shape (m, n); 0")] = None
    mask: Annotated[Name | None, Field(description="named data: of shape (m, n), 1 where the data are known")] = None
    data_keys = ("data", "mask")
    argument_keys = ("arg", "other")


class Bilinear(TermSpec):
    """weight · ⟨z, w⟩ of two arguments of one shape. Not convex."""

    atom: Literal["bilinear"]
    other: Other
    data_keys = ()
    argument_keys = ("arg", "other")


class Consensus(TermSpec):
    """weight · ½‖z − w‖² of two arguments of one shape: they are drawn together."""

    atom: Literal["consensus"]
    other: Other
    data_keys = ()
    argument_keys = ("arg", "other")


class Orthogonality(TermSpec):
    """weight · ½‖zᵀz − I‖² of a matrix z: columns at right angles, of length 1. Not convex."""

    atom: Literal["orthogonality"]
    data_keys = ()
