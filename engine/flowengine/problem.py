"""The values that every part of the engine may import: terms, the problem they make, and what a method must offer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, dataclass_transform

import jax
import numpy as np
from jax import Array

from flowapi.frozen import frozen

if TYPE_CHECKING:
    from jaxtyping import Float, Int

Scalar: TypeAlias = "Float[Array, '']"
Tree = Any
"""Variables, or an operator's output: an array, a dict of them by variable, or a dataclass (see `storage`)."""

C = TypeVar("C")


@dataclass_transform(frozen_default=True)
def pytree(*static: str) -> Callable[[type[C]], type[C]]:
    """Make a value that jax sees through: all fields hold arrays or trees of them but those named here."""

    def register(cls: type[C]) -> type[C]:
        made = frozen(cls)
        names = [field.name for field in fields(made) if field.name not in static]  # type: ignore[arg-type]
        jax.tree_util.register_dataclass(made, data_fields=names, meta_fields=list(static))
        return made

    return register


class Role(StrEnum):
    """How a term enters a method: by its gradient, by its prox, or by the prox of its conjugate."""

    SMOOTH = "smooth"
    PROX = "prox"
    DUAL = "dual"


class LinearOperator(Protocol):
    """A linear map W with its adjoint: ⟨Wx, y⟩ = ⟨x, Wᵀy⟩."""

    def apply(self, x: Tree) -> Tree:
        """Wx."""

    def adjoint(self, y: Tree) -> Tree:
        """Wᵀy."""

    def gram(self, x: Tree) -> Tree:
        """WᵀWx, by a shorter way where there is one."""

    @property
    def norm(self) -> float:
        """An upper bound of ‖W‖, never below it."""


class Atom(Protocol):
    """A function ψ with its weight and data inside; those that have no prox, or no conjugate, say so."""

    def value(self, z: Tree) -> Scalar:
        """ψ(z); an indicator counts as 0 (its violation shows as `feasibility`)."""

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """argmin_z ½‖z − v‖² + step · ψ(z)."""

    def prox_conjugate(self, u: Tree, step: Scalar) -> Tree:
        """argmin_y ½‖y − u‖² + step · ψ*(y)."""

    def conjugate(self, y: Tree) -> Scalar:
        """ψ*(y) for y in its domain."""


@pytree("path")
class Term:
    """ψ(Wx): an atom on a linear map of the variable.

    Attributes:
        atom: ψ, weight and data inside.
        operator: W.
        pulled: Wᵀdata of a smooth quadratic, computed once; None else.
        path: Where in the YAML it stands.
    """

    atom: Any
    operator: Any
    pulled: Any
    path: str


@pytree("kind")
class Invariant:
    """A quantity that an exact run would keep.

    Attributes:
        operator: W.
        tolerance: Of the relative drift.
        kind: `sum`: Σ (Wx)ᵢ; `norm`: ‖Wx‖₂.
    """

    operator: Any
    tolerance: Scalar
    kind: str


@frozen
class Unknown:
    """A variable: its name, the shape of its array, and what it lies on (see `steps.manifolds`)."""

    name: str
    shape: tuple[int, ...]
    manifold: str = "euclidean"

    @property
    def curved(self) -> bool:
        """Whether it lies on a manifold that is not the whole space."""
        return self.manifold != "euclidean"


@pytree()
class Units:
    """Sizes that residuals are divided by, entry by entry, before their norms are taken; None: 1.

    Attributes:
        columns: Of the variable's entries in an imbalance.
        rows: Of the entries of each W_j x.
    """

    columns: Array | None
    rows: tuple[Array | None, ...]


@pytree("unknowns", "dtype")
class Problem:
    """min_x Σ f_i(x) + g(x) + Σ h_j(W_j x).

    x is an array where there is one variable, and a dict of arrays by name where there are several.

    Attributes:
        smooth: The f_i, with a gradient.
        prox: The g, one atom (several were merged), or None.
        dual: The h_j∘W_j, by the prox of their conjugates.
        init: Where x starts; with an axis of chains in front for a sampler.
        unknowns: The variables.
        invariants: What is watched for drift.
        dtype: Of their arrays.
        units: Of rows and columns, where they differ by much.
        equations: H and P of a direct solver (see `steps.banded`); None where none is used.
        curvature: A bound of that of f, and of g's and the h_j's that have one; None where an f_i has none, or is flat.
    """

    smooth: tuple[Term, ...]
    prox: Any
    dual: tuple[Term, ...]
    init: Tree
    unknowns: tuple[Unknown, ...]
    dtype: str
    invariants: tuple[Invariant, ...] = ()
    units: Units | None = None
    curvature: Scalar | None = None
    equations: Tree = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the only variable."""
        (unknown,) = self.unknowns
        return unknown.shape

    @property
    def real(self) -> str:
        """The type of steps, norms and energies."""
        return str(np.finfo(self.dtype).dtype)

    @property
    def convex(self) -> bool:
        """Whether every term is, and the space that the variables are in."""
        terms = (*self.smooth, *self.dual)
        flat = not self.curved and (self.prox is None or bool(self.prox.convex))
        return flat and all(term.atom.convex for term in terms)

    @property
    def curved(self) -> bool:
        """Whether a variable lies on a manifold."""
        return any(one.curved for one in self.unknowns)


@pytree()
class Hypers:
    """Step sizes: part of the carry, saved with it, so that a resumed run never chooses them again.

    Attributes:
        tau: Primal step; one an entry where a diagonal metric scales it.
        sigma: Dual step of each dual term; one an entry where its rows are scaled.
        least: Below it a primal step that changes doesn't go; None where it is fixed.
        most: Above it a step that is balanced doesn't go; None where none is.
        temperature: T of a sampler's exp(−E/T); None else.
        smoothing: λ of the Moreau envelopes; None without any.
        widths: Of a sampler's entries, the square roots of a diagonal inverse mass matrix; None: 1.
    """

    tau: Tree
    sigma: tuple[Array, ...]
    least: Scalar | None = None
    most: Scalar | None = None
    temperature: Scalar | None = None
    smoothing: Scalar | None = None
    widths: Tree | None = None


@pytree()
class Evidence:
    """What a method knows of its last step, for every certificate.

    Attributes:
        x: The point.
        imbalance: ∇f(x) + ξ + Σ W_jᵀy_j, zero at a solution; None for a sampler, which seeks none.
        images: W_j x.
        defects: W_j x − z_j, zero at a solution; z_j is the Moreau point with y_j ∈ ∂h_j(z_j).
        energy: Where the method has it at hand; None else.
        smooth: `steps.smooth_images`, where the method has them at hand.
        residual: Of an iteration that tells its own; None else.
    """

    x: Tree
    imbalance: Tree
    images: tuple[Tree, ...]
    defects: tuple[Tree, ...]
    energy: Scalar | None = None
    smooth: tuple[Tree | None, ...] = ()
    residual: Scalar | None = None


@pytree()
class Sizes:
    """Lengths as the last look found them; rounding is a share of them.

    Attributes:
        point: Of x.
        forces: The largest of what adds up to an imbalance.
        images: Of each W_j x.
        duals: Of each y_j.
    """

    point: Scalar
    forces: Scalar
    images: tuple[Scalar, ...]
    duals: tuple[Scalar, ...]


@pytree()
class Balance:
    """The summands of the imbalance, for the certificates that need them apart.

    Attributes:
        gradient: ∇f(x) of the smooth part; None where there is none.
        subgradient: ξ ∈ ∂g(x), from the last prox.
        dual: y_j.
        pull: Σ W_jᵀ y_j; None where there are no dual terms.
    """

    gradient: Tree | None
    subgradient: Tree
    dual: tuple[Tree, ...]
    pull: Tree | None

    @property
    def summands(self) -> tuple[Tree, ...]:
        """Those that are there."""
        return tuple(part for part in (self.gradient, self.subgradient, self.pull) if part is not None)


@pytree()
class Lyapunov:
    """A quantity that must not grow.

    Attributes:
        value: What it is after a step.
        before: What it was before that step; None where it is compared with the last certificate's instead.
        size: What its rounding is relative to.
    """

    value: Scalar
    before: Scalar | None
    size: Scalar


class Method(Protocol):
    """An iteration. Static and hashable: a method is part of the compiled program."""

    @property
    def name(self) -> str:
        """As in `policy.algorithm`."""

    def init(self, problem: Problem, hypers: Hypers, key: Array) -> Tree:
        """The state before the first step; what is drawn comes from the key."""

    def step(self, problem: Problem, hypers: Hypers, state: Tree) -> Tree:
        """One iteration."""

    def point(self, state: Tree) -> Tree:
        """The variables in a state."""

    def observed_step(self, problem: Problem, hypers: Hypers, state: Tree) -> tuple[Tree, Evidence]:
        """One iteration, and what every certificate needs to know of it."""

    def balance(self, problem: Problem, hypers: Hypers, old: Tree, new: Tree) -> Balance:
        """What adds up to the imbalance."""

    def lyapunov(self, problem: Problem, hypers: Hypers, old: Tree, new: Tree) -> Lyapunov:
        """The quantity that must not grow from step to step."""

    def adapted(
        self,
        problem: Problem,
        hypers: Hypers,
        old: Tree,
        new: Tree,
        evidence: Evidence,
        sizes: Sizes,
        iterations: Int[Array, ""],
    ) -> Tree:
        """The new state, its steps to come set by what the last one did, as far as it was more than rounding.

        `iterations` have passed since the last time; 0, which must change nothing, where a limit cut a block short, so
        that a higher limit goes on as if it had always held.
        """

    def pace(self, hypers: Hypers, state: Tree) -> Scalar:
        """The primal step that led to a state."""
