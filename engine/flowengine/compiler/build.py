"""From a flow document and its data to a problem, a method and its steps."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from flowapi.errors import DocumentError
from flowapi.flow import FlowDocument, Stop
from flowapi.model import join
from flowapi.numbers import canonical_json
from flowengine.atoms import Quadratic
from flowengine.certify import has_conjugate
from flowengine.compiler.atoms import build_terms
from flowengine.compiler.choose import Choice, choose
from flowengine.compiler.classify import Classified, classify, merge
from flowengine.compiler.lint import initial_value, variable_shape
from flowengine.compiler.load import digest_of, load_data
from flowengine.compiler.site import Site
from flowengine.loop import LoopSettings, Stops
from flowengine.problem import Problem, Role, Term

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
    terms, forced = [], []
    for index, spec in enumerate(document.terms):
        made = build_terms(spec, Site.of(spec, document, data, shape, at, index))
        terms += made
        forced += [spec.as_] * len(made)
    roles = classify(terms, forced, document.policy)
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


def _with_pull(term: Term, shape: tuple[int, ...], dtype: str) -> Term:
    """The term with Wᵀdata, which a quadratic's gradient needs in every iteration."""
    if not isinstance(term.atom, Quadratic):
        return term
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
