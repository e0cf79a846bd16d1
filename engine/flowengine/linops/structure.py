"""Operators that move numbers about: scaled, side by side, chosen, repeated."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from flowengine.arithmetic import add, scale
from flowengine.linops.basic import Waves, grid_of
from flowengine.problem import Tree, pytree
from flowengine.storage import Components, Packed, logical
from flowengine.xla import placed

if TYPE_CHECKING:
    from jaxtyping import Int


@pytree("factor")
class Scale:
    """X ↦ s·x; norm |s|."""

    factor: float

    def apply(self, x: Tree) -> Tree:
        """S·x."""
        return scale(x, self.factor)

    def adjoint(self, y: Tree) -> Tree:
        """S·y."""
        return scale(y, self.factor)

    def gram(self, x: Tree) -> Tree:
        """S²·x."""
        return scale(x, self.factor**2)

    def power(self, shape: tuple[int, ...], waves: Waves = "fourier", xp: Any = jnp) -> Array:
        """S² at every frequency."""
        level: Array = xp.full(grid_of(shape, waves), self.factor**2)
        return level

    @property
    def norm(self) -> float:
        """|s|."""
        return abs(self.factor)

    @property
    def tight(self) -> float:
        """S²."""
        return self.factor**2

    @property
    def cotight(self) -> float:
        """S²."""
        return self.factor**2


@pytree("kind")
class Logical:
    """Components that are stored apart ↦ one array with them along a new axis 0; norm 1."""

    kind: type[Packed | Components]
    tight: ClassVar[float] = 1.0
    cotight: ClassVar[float] = 1.0

    def apply(self, x: Tree) -> Array:
        """One array."""
        array: Array = logical(x)
        return array

    def adjoint(self, y: Array) -> Tree:
        """Apart again."""
        return self.kind.of(tuple(y))

    def gram(self, x: Tree) -> Tree:
        """X."""
        return x

    @property
    def norm(self) -> float:
        """Exactly 1."""
        return 1.0


@pytree("kind")
class Apart:
    """One array ↦ its parts along axis 0 as components that are stored apart; norm 1."""

    kind: type[Packed | Components]
    tight: ClassVar[float] = 1.0
    cotight: ClassVar[float] = 1.0

    def apply(self, x: Array) -> Tree:
        """Its components."""
        return self.kind.of(tuple(x))

    def adjoint(self, y: Tree) -> Array:
        """One array again."""
        array: Array = logical(y)
        return array

    def gram(self, x: Array) -> Array:
        """X."""
        return x

    @property
    def norm(self) -> float:
        """Exactly 1."""
        return 1.0


@pytree("tight", "cotight")
class TightFrame:
    """Another operator W of which WᵀW = tight·I is known, and if it is square WWᵀ = cotight·I too."""

    inner: Tree
    tight: float
    cotight: float | None

    def apply(self, x: Tree) -> Tree:
        """Wx."""
        return self.inner.apply(x)

    def adjoint(self, y: Tree) -> Tree:
        """Wᵀy."""
        return self.inner.adjoint(y)

    def gram(self, x: Tree) -> Tree:
        """Tight · x."""
        return scale(x, self.tight)

    @property
    def norm(self) -> float:
        """√tight, and what rounding may add."""
        return math.sqrt(self.tight) * (1 + 1e-6)


@pytree("stored")
class Stack:
    """X ↦ the outputs of several operators, raveled, one after another; ‖·‖² ≤ Σ ‖W_i‖².

    `stored` says for each of them its logical shape, and whether its components are kept apart.
    """

    operators: tuple[Tree, ...]
    stored: tuple[tuple[tuple[int, ...], type[Packed | Components] | None], ...]

    def apply(self, x: Array) -> Array:
        """All outputs in one vector."""
        return jnp.concatenate([logical(one.apply(x)).reshape(-1) for one in self.operators])

    def adjoint(self, y: Array) -> Array:
        """Σ W_iᵀ y_i."""
        parts, start = [], 0
        for operator, (shape, kind) in zip(self.operators, self.stored, strict=True):
            piece = y[start : start + math.prod(shape)].reshape(shape)
            start += math.prod(shape)
            parts.append(operator.adjoint(piece if kind is None else kind.of(tuple(piece))))
        total: Array = functools.reduce(add, parts)
        return total

    def gram(self, x: Array) -> Array:
        """Σ W_iᵀW_i x."""
        total: Array = functools.reduce(add, [one.gram(x) for one in self.operators])
        return total

    @property
    def norm(self) -> float:
        """√Σ ‖W_i‖²."""
        return math.hypot(*(one.norm for one in self.operators))


@pytree("axis", "start", "stop", "step", "shape")
class Slice:
    """Every `step`-th entry along an axis, from `start` to before `stop`; norm 1."""

    axis: int
    start: int
    stop: int
    step: int
    shape: tuple[int, ...]
    cotight: ClassVar[float] = 1.0

    @property
    def _window(self) -> tuple[slice, ...]:
        chosen = slice(self.start, self.stop, self.step)
        return tuple(chosen if axis == self.axis else slice(None) for axis in range(len(self.shape)))

    def apply(self, x: Array) -> Array:
        """Those entries."""
        return x[self._window]

    def adjoint(self, y: Array) -> Array:
        """Back in their places, 0 elsewhere."""
        return jnp.zeros(self.shape, y.dtype).at[self._window].set(y)

    def gram(self, x: Array) -> Array:
        """X where it is chosen, else 0."""
        return self.adjoint(self.apply(x))

    @property
    def norm(self) -> float:
        """Exactly 1."""
        return 1.0


@pytree("shape", "norm", "cotight")
class Gather:
    """(Wx)_k = x at position i_k of the raveled array; ‖W‖² is how often the commonest position occurs."""

    positions: Int[Array, " m"]
    shape: tuple[int, ...]
    norm: float
    cotight: float | None

    def apply(self, x: Array) -> Array:
        """Those entries."""
        return x.reshape(-1)[self.positions]

    def adjoint(self, y: Array) -> Array:
        """Added up in their places."""
        return jnp.zeros(math.prod(self.shape), y.dtype).at[self.positions].add(y).reshape(self.shape)

    def gram(self, x: Array) -> Array:
        """Every entry times how often it is chosen."""
        return self.adjoint(self.apply(x))


@pytree("axis", "size")
class Broadcast:
    """X ↦ x repeated along a new axis; norm √size."""

    axis: int
    size: int

    def apply(self, x: Array) -> Array:
        """Copies."""
        return jnp.repeat(jnp.expand_dims(x, self.axis), self.size, axis=self.axis)

    def adjoint(self, y: Array) -> Array:
        """Their sum."""
        return jnp.sum(y, axis=self.axis)

    def gram(self, x: Array) -> Array:
        """Size · x."""
        return self.size * x

    @property
    def norm(self) -> float:
        """√size."""
        return math.sqrt(self.size)

    @property
    def tight(self) -> float:
        """Size."""
        return float(self.size)


def build_gather(positions: np.ndarray, shape: tuple[int, ...]) -> Gather:
    """Build the choice of these positions of arrays of this shape."""
    most = int(np.bincount(positions).max(initial=0))
    return Gather(placed(positions), shape, math.sqrt(most), 1.0 if most == 1 else None)
