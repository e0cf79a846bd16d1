"""From a term's argument to the linear map that it is, with everything that data and document can get wrong in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flowapi import operators as specs
from flowapi.argument import Summand
from flowapi.errors import DataError
from flowapi.flow import FlowDocument
from flowapi.frozen import frozen
from flowapi.model import join
from flowengine import linops
from flowengine.arithmetic import dot, norm, subtract
from flowengine.compiler.load import Arrays
from flowengine.compiler.operators import build_operator, gives_complex
from flowengine.problem import Tree, Unknown
from flowengine.storage import Components, Packed, logical

FRAME_TOLERANCE = 1e3  # of the dtype's rounding: how well WᵀWx must agree with bound · x


@frozen
class Maps:
    """What the operators of a document are built from.

    Attributes:
        document: The flow.
        data: Its arrays.
        unknowns: The variables.
        at: The document's path.
    """

    document: FlowDocument
    data: Arrays
    unknowns: tuple[Unknown, ...]
    at: str

    def argument(self, summands: tuple[Summand, ...], place: str) -> Tree:
        """The linear map Σ sᵢ W₁W₂… of an argument, from all variables.

        Raises:
            DocumentError: an operator doesn't fit the shape that it is given.
            DataError: its data don't, or the summands' shapes differ.
        """
        likes = {one.name: jax.ShapeDtypeStruct(one.shape, self.document.dtype) for one in self.unknowns}
        pieces = [as_one(self.chain(one.operators, likes[one.var])) for one in summands]
        _check_equal([output_shape(one, likes[each.var]) for one, each in zip(pieces, summands, strict=True)], place)
        pieces = _stored_alike(pieces, [likes[one.var] for one in summands])
        parts: dict[str, Tree] = {}
        for name in likes:
            mine = [(piece, one.scale) for piece, one in zip(pieces, summands, strict=True) if one.var == name]
            if mine:
                ((first, scale), *rest) = mine
                maps, scales = zip(*mine, strict=True)
                parts[name] = first if not rest and scale == 1 else linops.Sum(maps, tuple(map(float, scales)))
        if len(self.unknowns) == 1:
            return parts[self.unknowns[0].name]
        return linops.Blocks(parts, self.unknowns, self.document.dtype)

    def chain(self, names: Sequence[str], like: Any) -> tuple[Tree, ...]:
        """The operators of these names one after another, the outermost first, with what must stand between them."""
        built: tuple[Tree, ...] = ()
        for name in reversed(names):
            for operator in self._operators(name, like):
                built = (operator, *built)
                like = jax.eval_shape(operator.apply, like)
        return built

    def _operators(self, name: str, like: Any) -> list[Tree]:
        """One operator, the innermost first of what it takes to apply it to an output like this."""
        spec, place = self.document.operators[name], join(self.at, "operators", name)
        before: list[Tree] = []
        if isinstance(like, Packed | Components):
            before.append(linops.Logical(type(like)))
        if not jnp.iscomplexobj(_leaf(like)) and gives_complex(spec, self.data):
            before.append(linops.Embed())
        for one in before:
            like = jax.eval_shape(one.apply, like)
        match spec:
            case specs.Identity():
                return []
            case specs.Compose():
                return [*before, *reversed(self.chain(spec.of, like))]
            case specs.Stack():
                return [*before, self._stack(spec, like)]
            case specs.Frame():
                return [*before, self._frame(spec, like, join(place, "frame", "bound"))]
        return [*before, build_operator(spec, self.data, like.shape, place)]

    def _stack(self, spec: specs.Stack, like: Any) -> linops.Stack:
        parts = [as_one(self.chain((name,), like)) for name in spec.of]
        outputs = [jax.eval_shape(part.apply, like) for part in parts]
        if len({jnp.iscomplexobj(_leaf(one)) for one in outputs}) > 1:
            parts = [
                part if jnp.iscomplexobj(_leaf(one)) else as_one((linops.Embed(), part))
                for part, one in zip(parts, outputs, strict=True)
            ]
        stored = tuple(
            (output_shape(part, like), type(one) if isinstance(one, Packed | Components) else None)
            for part, one in zip(parts, outputs, strict=True)
        )
        return linops.Stack(tuple(parts), stored)

    def _frame(self, spec: specs.Frame, like: Any, place: str) -> linops.TightFrame:
        """The operator, once WᵀWx = bound · x has been seen on a random x."""
        inner = as_one(self.chain((spec.of,), like))
        x = jnp.asarray(np.random.default_rng(0).standard_normal(like.shape), like.dtype)
        image = inner.apply(x)
        found = float(dot(image, image) / dot(x, x))
        away = float(norm(subtract(inner.adjoint(image), spec.bound * x)) / (spec.bound * norm(x)))
        if away > FRAME_TOLERANCE * np.finfo(like.dtype).eps:
            raise DataError(
                f"`{spec.of}` is no tight frame with the bound {spec.bound:g}: WᵀWx is off by {away:.2g} of it",
                path=place,
                remedy=f"‖Wx‖²/‖x‖² is {found:.6g} on a random x; or use `{spec.of}` without a frame.",
            )
        square = sum(leaf.size for leaf in jax.tree.leaves(image)) == x.size and image.dtype == x.dtype
        return linops.TightFrame(inner, float(spec.bound), float(spec.bound) if square else None)


def as_one(operators: tuple[Tree, ...]) -> Tree:
    """Operators one after another as one, the outermost first."""
    if not operators:
        return linops.Identity()
    flat = [part for one in operators for part in (one.operators if isinstance(one, linops.Chain) else (one,))]
    return flat[0] if len(flat) == 1 else linops.Chain(tuple(flat))


def output_shape(operator: Tree, like: Tree) -> tuple[int, ...]:
    """The logical shape of Wx."""
    return tuple(jax.eval_shape(lambda x: logical(operator.apply(x)), like).shape)


def _stored_alike(pieces: list[Tree], likes: list[Any]) -> list[Tree]:
    """The maps with outputs that can be added: all of them complex if one is, and stored apart if one is."""
    outputs = [jax.eval_shape(piece.apply, like) for piece, like in zip(pieces, likes, strict=True)]
    if len({(type(one), jnp.iscomplexobj(_leaf(one))) for one in outputs}) < 2:
        return pieces
    kinds = [type(one) if isinstance(one, Packed | Components) else None for one in outputs]
    wanted, is_complex = (
        next((kind for kind in kinds if kind), None),
        any(jnp.iscomplexobj(_leaf(one)) for one in outputs),
    )
    found = []
    for piece, output, kind in zip(pieces, outputs, kinds, strict=True):
        embeds = is_complex and not jnp.iscomplexobj(_leaf(output))
        if kind is wanted and not embeds:
            found.append(piece)
            continue
        before = (piece,) if kind is None else (linops.Logical(kind), piece)
        before = (linops.Embed(), *before) if embeds else before
        found.append(as_one(before if wanted is None else (linops.Apart(wanted), *before)))
    return found


def _leaf(like: Any) -> Any:
    return jax.tree.leaves(like)[0]


def _check_equal(shapes: list[tuple[int, ...]], place: str) -> None:
    if len(set(shapes)) > 1:
        raise DataError(
            f"the summands have different shapes: {', '.join(map(str, sorted(set(shapes))))}",
            path=place,
            remedy="Sum only what has one shape.",
        )
