"""Keys that several atoms have."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from flowapi.argument import Argument
from flowapi.forms import WAVELET
from flowapi.model import Name, Positive, PositiveInt, one_of

Factors = Annotated[Name | None, Field(description="named data: w ≥ 0, of the argument's shape; 1")]
Datum = Annotated[Name | None, Field(description="named data: of the argument's shape; 0")]
Counts = Annotated[Name, Field(description="named data: d ≥ 0, of the argument's shape")]
Axes = Annotated[tuple[int, ...] | None, Field(description="axes it acts on; all of them")]
Axis = Annotated[int | tuple[int, ...], one_of("the number of an axis, or a list of them,")]
Spacing = Annotated[
    Positive | tuple[Positive, ...],
    one_of("a number above 0, or a list of one an axis,"),
    Field(description="h, one number or one an axis"),
]
Boundary = Annotated[Literal["neumann", "periodic"], Field(description="of the differences")]
Other = Annotated[Argument, Field(alias="with", description="the other argument w, written like `arg`")]
Edges = Annotated[Name, Field(description="named data: pairs of node numbers from 0, shape (edges, 2)")]
EdgeWeights = Annotated[Name | None, Field(description="named data: w_e ≥ 0, one an edge; 1")]
Levels = Annotated[PositiveInt | None, Field(description="how often it is halved; as often as makes sense")]
WaveletName = Annotated[
    str,
    StringConstraints(pattern=WAVELET, max_length=16),
    Field(description="an orthogonal wavelet of PyWavelets, such as haar, db4, sym8"),
]
