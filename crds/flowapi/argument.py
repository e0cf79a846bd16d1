"""What every term has: its argument, its weight, and the role that it may be given."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, PlainValidator

from flowapi.errors import DocumentError
from flowapi.model import DocumentFinding, Model, Name, Number, NumberOrName


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
        "an argument must be a text such as `K x` or a list of {op, var, scale}", remedy="Name the variable last."
    )


Argument = Annotated[tuple[Summand, ...], PlainValidator(_argument)]


class TermSpec(Model):
    """A term `weight · ψ(Σ_i s_i A_i x_i − data)` of the energy."""

    data_keys: ClassVar[tuple[str, ...]] = ("data",)
    param_keys: ClassVar[tuple[str, ...]] = ("weight",)
    argument_keys: ClassVar[tuple[str, ...]] = ("arg",)
    atom: str
    arg: Argument
    weight: NumberOrName = 1.0
    as_: Literal["smooth", "prox", "dual"] | None = Field(default=None, alias="as")
