"""Where a term stands: its argument, and the data and params that its keys may name."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
from jax import Array

from flowapi.argument import Summand, TermSpec
from flowapi.errors import DataError, DocumentError
from flowapi.flow import FlowDocument
from flowapi.frozen import frozen
from flowapi.model import join
from flowengine import linops
from flowengine.arithmetic import real_dtype, zero_for
from flowengine.compiler.arguments import Maps, output_shape
from flowengine.compiler.checks import check_shape, nonnegative
from flowengine.compiler.load import Arrays
from flowengine.compiler.variables import structure
from flowengine.problem import Scalar, Tree
from flowengine.storage import Components, Packed
from flowengine.xla import placed


@frozen
class Site:
    """What a builder of an atom needs.

    Attributes:
        maps: The document with its data and variables.
        operator: The linear map of the argument.
        shape: The argument's logical shape.
        output: The argument as the operator stores it, without values.
        weight: Above 0.
        place: The term's path.
    """

    maps: Maps
    operator: Tree
    shape: tuple[int, ...]
    output: Tree
    weight: Scalar
    place: str

    @classmethod
    def of(cls, spec: TermSpec, maps: Maps, index: int) -> Site:
        """The site of the term with this number.

        Raises:
            DocumentError: the argument or the weight is wrong.
            DataError: an operator's data don't fit.
        """
        weight = placed(1, real_dtype(maps.document.dtype))
        bare = cls(maps, linops.Identity(), (), None, weight, join(maps.at, "terms", index))
        whole = bare.on(spec.arg, "arg")
        return replace(whole, weight=whole.positive(spec.weight, "weight"))

    def on(self, summands: tuple[Summand, ...], key: str) -> Site:
        """The same term with this argument."""
        operator = self.maps.argument(summands, self.path(key))
        like = structure(self.maps.unknowns, self.document.dtype)
        output = jax.eval_shape(operator.apply, like)
        return replace(self, operator=operator, shape=output_shape(operator, like), output=output)

    @property
    def document(self) -> FlowDocument:
        """The flow."""
        return self.maps.document

    @property
    def data(self) -> Arrays:
        """Its arrays."""
        return self.maps.data

    def path(self, key: str) -> str:
        """The path of one of the term's keys."""
        return join(self.place, key)

    def scalar(self, value: float) -> Scalar:
        """A number in the flow's dtype."""
        return placed(value, real_dtype(self.document.dtype))

    def positive(self, value: float | str, key: str, remedy: str = "Write a positive one.") -> Scalar:
        """A number or a param's, above 0."""
        number = self.document.params[value] if isinstance(value, str) else value
        if number <= 0:
            raise DocumentError(f"the {key} {number} is not above 0", path=self.path(key), remedy=remedy)
        return self.scalar(number)

    def target(self, name: str | None, key: str = "data") -> Tree:
        """An array of the argument's shape, stored as the argument is; without a name one 0 for all entries."""
        if name is None:
            return zero_for(self.output)
        values = self.data[name]
        check_shape(values, self.shape, self.path(key))
        if np.iscomplexobj(values) and not self.is_complex:
            raise DataError(
                f"`{name}` is complex, the argument is real", path=self.path(key), remedy="Use `dtype: complex128`."
            )
        values = values.astype(self.dtype)
        if isinstance(self.output, Packed | Components):
            return type(self.output).of(tuple(placed(part) for part in values))
        return placed(values)

    def reals(self, name: str, key: str) -> Tree:
        """As `target` of real numbers, nowhere below 0."""
        values = nonnegative(self.data[name], self.path(key))
        check_shape(values, self.shape, self.path(key))
        if isinstance(self.output, Packed | Components):
            return type(self.output).of(tuple(placed(part) for part in values))
        return placed(values)

    def factors(self, name: str | None) -> Tree | None:
        """How much every entry counts, as `reals`; None without a name."""
        return None if name is None else self.reals(name, "factors")

    def counts(self, name: str) -> Tree:
        """As `target`, nowhere below 0."""
        nonnegative(self.data[name], self.path("data"))
        return self.target(name)

    def signs(self, name: str) -> Tree:
        """As `target`, each −1 or 1."""
        values = self.data[name]
        odd = values[~np.isin(values, (-1, 1))]
        if odd.size:
            message = f"the label {odd.flat[0]:g} is neither −1 nor 1"
            raise DataError(message, path=self.path("data"), remedy="Recode the labels.")
        return self.target(name)

    def labels(self, name: str, shape: tuple[int, ...], *, least: int, key: str) -> np.ndarray:
        """Whole numbers of this shape from `least`."""
        values = self.data[name]
        check_shape(values, shape, self.path(key))
        whole = values.astype(np.int64)
        if (whole != values).any() or whole.min(initial=least) < least:
            raise DataError(
                "these are not whole numbers" if (whole != values).any() else f"the least number is {whole.min()}",
                path=self.path(key),
                remedy=f"Whole numbers from {least} are needed.",
            )
        return whole

    def matrix(self, name: str, key: str = "matrix") -> np.ndarray:
        """A matrix with a column for each entry of the argument."""
        values, size = self.data[name], int(np.prod(self.shape))
        if values.ndim != 2 or values.shape[1] != size:
            raise DataError(
                f"`{name}` has the shape {values.shape}, (…, {size}) is needed",
                path=self.path(key),
                remedy="Give it a column for each entry of the argument.",
            )
        return values

    @property
    def plain(self) -> tuple[int, ...]:
        """The argument's shape, where it is one array.

        Raises:
            DocumentError: the argument is a gradient, whose components are kept apart.
        """
        if isinstance(self.output, Packed | Components):
            raise DocumentError(
                "this atom takes no gradient as its argument in this version",
                path=self.path("arg"),
                remedy="Apply it to the variable, or to an operator that gives one array.",
            )
        return self.shape

    def behind(self, operator: Tree) -> Tree:
        """One more operator, applied to the argument."""
        inner = self.operator
        if isinstance(inner, linops.Identity):
            return operator
        return linops.Chain((operator, *(inner.operators if isinstance(inner, linops.Chain) else (inner,))))

    def stored(self, operator: Tree, name: str | None) -> Tree:
        """Data of the shape of one more operator's output; without a name one 0 for all entries."""
        like = jax.ShapeDtypeStruct(self.plain, self.dtype)
        shape = output_shape(operator, like)
        if name is None:
            return zero_for(jax.eval_shape(operator.apply, like))
        check_shape(self.data[name], shape, self.path("data"))
        return placed(self.data[name])

    def array(self, values: np.ndarray) -> Array:
        """On the device, in the flow's real dtype."""
        return placed(values, real_dtype(self.document.dtype))

    @property
    def is_complex(self) -> bool:
        """Whether the argument is."""
        return self.dtype.startswith("complex")

    @property
    def dtype(self) -> str:
        """Of the argument: of its components, where they are packed."""
        stored = str(jax.tree.leaves(self.output)[0].dtype)
        return real_dtype(stored) if isinstance(self.output, Packed) else stored
