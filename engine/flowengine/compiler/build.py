"""From a flow document and its data to a problem, a method and its steps."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np

from flowapi.errors import DocumentError
from flowapi.flow import FlowDocument, Stop
from flowapi.frozen import frozen
from flowapi.model import join
from flowapi.numbers import canonical_json
from flowapi.policy import Policy
from flowapi.references import unused
from flowengine.arithmetic import real_dtype, zero_for
from flowengine.atoms import Quadratic, has_bound
from flowengine.certify import has_conjugate
from flowengine.compiler.arguments import Maps
from flowengine.compiler.choice import Choice, lipschitz
from flowengine.compiler.choose import choose
from flowengine.compiler.classify import classify, merge
from flowengine.compiler.entry import built_by_entry
from flowengine.compiler.load import Arrays, digest_of, load_data
from flowengine.compiler.magnitudes import Largest, check_gradient, largest
from flowengine.compiler.roles import Classified
from flowengine.compiler.sampling import chains_of, named_chains, sample
from flowengine.compiler.site import Site
from flowengine.compiler.splitting import exactly, not_by_admm
from flowengine.compiler.terms import build_terms
from flowengine.compiler.units import units_of
from flowengine.compiler.variables import initial_value, structure, unknowns_of
from flowengine.linops import Matrix
from flowengine.loop import LoopSettings, Stops
from flowengine.methods import External
from flowengine.problem import Invariant, Problem, Role, Scalar, Term, Tree, Unknown
from flowengine.xla import placed

FLOAT32_FLOOR = 1e-6  # below this float32 residuals are rounding


@frozen
class CompiledFlow:
    """A flow ready to run.

    Attributes:
        document: What was compiled.
        problem: Terms with their data, on the device.
        choice: Method, steps and reasons.
        settings: The static part of the loop.
        roles: Every term's role, with the reason.
        digest: Hash of the canonical flow and of every input array; a checkpoint of another is refused.
        largest: The largest number that it was given.
    """

    document: FlowDocument
    problem: Problem
    choice: Choice
    settings: LoopSettings
    roles: tuple[Classified, ...]
    digest: str
    largest: Largest


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
    if document.entrypoint is not None:
        return _by_entry(document, document.entrypoint, data, at)
    unknowns = unknowns_of(document, data, at)
    maps = Maps(document, data, unknowns, at)
    terms, forced = [], []
    for index, spec in enumerate(document.terms):
        made = build_terms(spec, Site.of(spec, maps, index))
        terms += made
        forced += [spec.as_] * len(made)
    curved = [one.name for one in unknowns if one.curved]
    if curved and document.policy.samples:
        raise DocumentError(
            "samplers don't support variables on manifolds",
            path=join(at, "variables", curved[0], "manifold"),
            remedy="Remove `manifold`, or leave `policy.family` out to minimise.",
        )
    blank = Problem((), None, (), _start(document, data, unknowns, at), unknowns, document.dtype, _invariants(maps))
    chained = document.policy.samples and named_chains(document) is not None
    biggest = largest(document, data, at)
    policy, roles, problem = _with_roles(
        blank, terms, forced, document, lambda one: check_gradient(one, biggest, chained=chained)
    )
    _check_gap(document.stop, problem, at)
    settings = _settings(document, chained=chained)
    choice = sample(problem, document, at) if policy.samples else choose(problem, policy, at)
    idle = tuple(f"{path}: nothing uses it" for path in unused(document, at))
    choice = replace(choice, warnings=(*choice.warnings, *idle))
    if not policy.samples:
        problem = replace(problem, units=units_of(problem), equations=choice.equations)
    return CompiledFlow(document, problem, choice, settings, tuple(roles), _digest(document, data), biggest)


def _with_roles(
    blank: Problem,
    terms: Sequence[Term],
    forced: Sequence[str | None],
    document: FlowDocument,
    check: Callable[[Problem], None],
) -> tuple[Policy, list[Classified], Problem]:
    """The policy that is followed, every term's role, and the problem: by the exact `admm` where that serves better."""
    gap = document.stop.gap is not None

    def usual(policy: Policy) -> tuple[list[Classified], Problem]:
        """The usual roles; others where a gap is asked for that those do not have."""
        roles = classify(terms, forced, policy, blank.unknowns)
        problem = _filled(blank, roles)
        if not gap or policy.samples or has_conjugate(problem):
            return roles, problem
        others = classify(terms, forced, policy, blank.unknowns, bounding=True)
        other = _filled(blank, others)
        return (others, other) if has_conjugate(other) else (roles, problem)

    policy = document.policy
    roles, problem = usual(policy)
    check(problem)
    if exactly(problem, policy):
        exact = policy.model_copy(update={"algorithm": "admm"})
        others, other = usual(exact)
        if not not_by_admm(other) and (not gap or has_conjugate(other)):
            return exact, others, other
    return policy, roles, problem


def _filled(blank: Problem, roles: list[Classified]) -> Problem:
    """The problem with its terms."""
    like = structure(blank.unknowns, blank.dtype)
    return replace(
        blank,
        smooth=tuple(_with_pull(one.term, like) for one in roles if one.role is Role.SMOOTH),
        prox=merge(roles, blank.unknowns),
        dual=tuple(one.term for one in roles if one.role is Role.DUAL),
        curvature=_curvature(roles, blank.real),
    )


def _curvature(roles: list[Classified], dtype: str) -> Scalar | None:
    """See `Problem`."""
    smooth = [lipschitz([one.term]) for one in roles if one.role is Role.SMOOTH]
    by_prox = [lipschitz([one.term]) for one in roles if one.role is not Role.SMOOTH and has_bound(one.term.atom)]
    bounds = [*smooth, *by_prox]
    return placed(sum(bounds), dtype) if bounds and all(0 < one < math.inf for one in bounds) else None


def _settings(document: FlowDocument, *, chained: bool = False, relative: bool = True) -> LoopSettings:
    return LoopSettings(
        every=document.certificates.every,
        rare=5 if document.stop.gap is not None else LoopSettings.rare,
        with_gap=document.stop.gap is not None,
        with_residual=relative and not document.policy.samples,
        chained=chained,
    )


def _by_entry(document: FlowDocument, entrypoint: str, data: Arrays, at: str) -> CompiledFlow:
    """As `compile_flow`, of what a function builds."""
    problem, choice, source = built_by_entry(document, entrypoint, data, at)
    _check_gap(document.stop, problem, at)
    settings = _settings(document, relative=not isinstance(choice.method, External))
    digest = hashlib.sha256(f"{_digest(document, data)} {source}".encode()).hexdigest()
    return CompiledFlow(document, problem, choice, settings, (), digest, largest(document, data, at))


def stops_of(stop: Stop, dtype: str) -> Stops:
    """The traced thresholds of a document's stop rules."""
    return Stops(
        limit=placed(stop.max_iterations or 2**53, np.int64),
        residual=placed(stop.residual or 0, real_dtype(dtype)),
        gap=placed(stop.gap or 0, real_dtype(dtype)),
        change=placed(stop.relative_change or 0, real_dtype(dtype)),
    )


def _start(document: FlowDocument, data: Arrays, unknowns: tuple[Unknown, ...], at: str) -> Tree:
    """Every variable where it starts; a sampler's with an axis of chains in front."""
    chains = chains_of(document) if document.policy.samples else None
    starts = {one.name: initial_value(one, document, data, chains, join(at, "variables", one.name)) for one in unknowns}
    return starts if len(unknowns) > 1 else starts[unknowns[0].name]


def _invariants(maps: Maps) -> tuple[Invariant, ...]:
    found = []
    for index, spec in enumerate(maps.document.certificates.invariants):
        operator = maps.argument(spec.arg, join(maps.at, "certificates", "invariants", index, spec.kind))
        found.append(Invariant(operator, placed(spec.tolerance, real_dtype(maps.document.dtype)), spec.kind))
    return tuple(found)


def _with_pull(term: Term, like: Tree) -> Term:
    """The term with Wᵀdata, which a quadratic's gradient needs in every iteration; one 0 where no data are given."""
    if not isinstance(term.atom, Quadratic):
        return term
    images, data = jax.eval_shape(term.operator.apply, like), term.atom.data
    operator = term.operator.with_gram() if isinstance(term.operator, Matrix) else term.operator
    if any(a.shape != b.shape for a, b in zip(jax.tree.leaves(images), jax.tree.leaves(data), strict=True)):
        return Term(term.atom, operator, zero_for(like), term.path)
    pulled = jax.jit(lambda one: one.operator.adjoint(one.atom.data))(term)
    return Term(term.atom, operator, pulled, term.path)


def _check_thresholds(stop: Stop, dtype: str, at: str) -> None:
    for key, value in (("residual", stop.residual), ("gap", stop.gap), ("relativeChange", stop.relative_change)):
        if real_dtype(dtype) == "float32" and value is not None and value < FLOAT32_FLOOR:
            raise DocumentError(
                f"{dtype} can't reach {value:g}",
                path=join(at, "stop", key),
                remedy=f"Use at least {FLOAT32_FLOOR:g}, or a dtype of twice the bits.",
            )


def _check_gap(stop: Stop, problem: Problem, at: str) -> None:
    if stop.gap is None or has_conjugate(problem):
        return
    reason, remedy = "no finite dual of this energy is known", "Stop at a `residual`."
    if away := next((term.path for term in problem.dual if term.atom.indicator), None):
        reason = f"{away}, a constraint that is not in the prox, is met at the end only"
    elif problem.convex:
        remedy = "Stop at a `residual`, or bound the variable with a box."
    raise DocumentError(f"{reason}, so there is no gap to stop at", path=join(at, "stop", "gap"), remedy=remedy)


def _digest(document: FlowDocument, data: Arrays) -> str:
    flow = {key: value for key, value in document.raw.items() if key not in ("name", "stop", "telemetry")}
    return hashlib.sha256(canonical_json({"flow": flow, "data": digest_of(data)})).hexdigest()
