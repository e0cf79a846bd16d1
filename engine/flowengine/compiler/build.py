"""From a flow document and its data to a problem, a method and its steps."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flowapi.errors import DataError, DocumentError
from flowapi.flow import FlowDocument, Stop
from flowapi.model import join
from flowapi.numbers import canonical_json
from flowapi.terms import L1 as L1Spec
from flowapi.terms import Box, Nonnegative, TermSpec
from flowapi.terms import NormL21 as NormL21Spec
from flowapi.terms import Quadratic as QuadraticSpec
from flowengine.atoms import L1, Interval, NormL21, Quadratic
from flowengine.certify import has_conjugate
from flowengine.compiler.choose import Choice, choose
from flowengine.compiler.classify import Classified, classify, merge
from flowengine.compiler.lint import build_argument, initial_value, output_shape, variable_shape
from flowengine.compiler.load import digest_of, load_data
from flowengine.loop import LoopSettings, Stops
from flowengine.problem import Problem, Role, Term, Tree
from flowengine.storage import Components, Packed

FLOAT32_FLOOR = 1e-6  # below this float32 residuals are rounding


@dataclass(frozen=True)
class CompiledFlow:
    """A flow ready to run.

    Attributes:
        document: What was compiled.
        problem: Terms with their data, on the device.
        choice: Method, steps and reasons.
        settings: The static part of the loop.
        roles: Every term's role, with the reason.
        digest: Hash of the canonical flow and of every input array; a checkpoint of another is refused.
    """

    document: FlowDocument
    problem: Problem
    choice: Choice
    settings: LoopSettings
    roles: tuple[Classified, ...]
    digest: str


def compile_flow(document: FlowDocument, inputs: Path, *, at: str = "flow") -> CompiledFlow:
    """Load the data, check everything, and choose how to run.

    Args:
        document: The flow.
        inputs: The folder that data paths start from.
        at: Path of the document in its file, for messages.

    Raises:
        DocumentError: wrong from the document alone.
        DataError: wrong in the light of the data.
    """
    _check_thresholds(document.stop, document.dtype, at)
    data = load_data(document, inputs, at)
    name, shape = variable_shape(document, data, at)
    variable = document.variables[name]
    init = initial_value(variable, shape, data, document.dtype, join(at, "variables", name))
    terms = [
        _term(spec, document, data, shape, at, join(at, "terms", index)) for index, spec in enumerate(document.terms)
    ]
    roles = classify(terms, [spec.as_ for spec in document.terms], document.policy.algorithm)
    problem = Problem(
        smooth=tuple(_with_pull(one.term, shape, document.dtype) for one in roles if one.role is Role.SMOOTH),
        prox=merge(roles),
        dual=tuple(one.term for one in roles if one.role is Role.DUAL),
        init=jnp.asarray(init),
        variable=name,
        shape=shape,
        dtype=document.dtype,
    )
    _check_gap(document.stop, problem, at)
    settings = LoopSettings(every=document.certificates.every, with_gap=document.stop.gap is not None)
    return CompiledFlow(
        document, problem, choose(problem, document.policy, at), settings, tuple(roles), _digest(document, data)
    )


def stops_of(stop: Stop, dtype: str) -> Stops:
    """The traced thresholds of a document's stop rules."""
    return Stops(
        limit=jnp.asarray(stop.max_iterations or 2**53, jnp.int64),
        residual=jnp.asarray(stop.residual or 0, dtype),
        gap=jnp.asarray(stop.gap or 0, dtype),
        change=jnp.asarray(stop.relative_change or 0, dtype),
    )


def _term(
    spec: TermSpec,
    document: FlowDocument,
    data: Mapping[str, np.ndarray],
    shape: tuple[int, ...],
    at: str,
    place: str,
) -> Term:
    operator = build_argument(spec, document, dict(data), shape, at, place)
    output = jax.eval_shape(operator.apply, jax.ShapeDtypeStruct(shape, document.dtype))
    wanted = output_shape(operator, shape, document.dtype)
    weight = document.params[spec.weight] if isinstance(spec.weight, str) else spec.weight
    if weight <= 0:
        raise DocumentError(
            f"the weight {weight} is not above 0", path=join(place, "weight"), remedy="Write a positive one."
        )
    scalar = jnp.asarray(weight, document.dtype)
    atom: Any
    match spec:
        case QuadraticSpec(data=name) | L1Spec(data=name):
            target = _target(data[name] if name else None, wanted, output, document.dtype, join(place, "data"))
            atom = (Quadratic if isinstance(spec, QuadraticSpec) else L1)(scalar, target)
        case NormL21Spec(axis=axis):
            atom = NormL21(scalar, _block_axes(axis, len(wanted), join(place, "axis")))
        case Box(lo=lo, hi=hi):
            atom = _interval(-np.inf if lo is None else lo, np.inf if hi is None else hi, document.dtype)
        case Nonnegative():
            atom = _interval(0.0, np.inf, document.dtype)
        case _:
            raise DocumentError("this atom has no builder", path=place)
    return Term(atom, operator, None, place)


def _interval(lo: float, hi: float, dtype: str) -> Interval:
    return Interval(jnp.asarray(lo, dtype), jnp.asarray(hi, dtype))


def _target(array: np.ndarray | None, wanted: tuple[int, ...], output: Tree, dtype: str, place: str) -> Tree:
    """A term's data in the storage of its operator's output; zeros when there are none."""
    values = np.zeros(wanted, dtype) if array is None else array
    if values.shape != wanted:
        raise DataError(
            f"the data have the shape {values.shape}, the argument {wanted}",
            path=place,
            remedy="Make the shapes equal.",
        )
    if isinstance(output, Packed | Components):
        return type(output).of(tuple(jnp.asarray(part) for part in values))
    return jnp.asarray(values)


def _block_axes(axis: int | tuple[int, ...], ndim: int, place: str) -> tuple[int, ...]:
    axes = axis if isinstance(axis, tuple) else (axis,)
    chosen = tuple(sorted(one + ndim if one < 0 else one for one in axes))
    if not chosen or len(set(chosen)) != len(chosen) or not all(0 <= one < ndim for one in chosen):
        raise DocumentError(
            f"{axis} is no axis of an argument with {ndim} dimensions", path=place, remedy=f"Use 0 to {ndim - 1}."
        )
    return chosen


def _with_pull(term: Term, shape: tuple[int, ...], dtype: str) -> Term:
    """The term with Wᵀdata, which its gradient needs in every iteration."""
    pulled = jax.jit(lambda one: one.operator.adjoint(one.atom.data))(term)
    return Term(term.atom, term.operator, jnp.asarray(pulled, dtype).reshape(shape), term.path)


def _check_thresholds(stop: Stop, dtype: str, at: str) -> None:
    for key, value in (("residual", stop.residual), ("gap", stop.gap), ("relativeChange", stop.relative_change)):
        if dtype == "float32" and value is not None and value < FLOAT32_FLOOR:
            raise DocumentError(
                f"float32 can't reach {value:g}",
                path=join(at, "stop", key),
                remedy=f"Use at least {FLOAT32_FLOOR:g}, or dtype float64.",
            )


def _check_gap(stop: Stop, problem: Problem, at: str) -> None:
    if stop.gap is not None and not has_conjugate(problem):
        raise DocumentError(
            "this energy has no finite dual, so there is no gap to stop at",
            path=join(at, "stop", "gap"),
            remedy="Stop at a `residual`, or bound the variable with a box.",
        )


def _digest(document: FlowDocument, data: dict[str, np.ndarray]) -> str:
    flow = {key: value for key, value in document.raw.items() if key not in ("name", "stop", "telemetry")}
    return hashlib.sha256(canonical_json({"flow": flow, "data": digest_of(data)})).hexdigest()
