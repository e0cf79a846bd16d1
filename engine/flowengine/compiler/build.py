"""From a flow document and its data to a problem, a method and its steps."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import jax

from flowapi.errors import DocumentError
from flowapi.flow import FlowDocument
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
from flowengine.compiler.stops import check_gap, check_thresholds
from flowengine.compiler.terms import build_terms
from flowengine.compiler.units import units_of
from flowengine.compiler.variables import initial_value, structure, unknowns_of
from flowengine.linops import Matrix
from flowengine.loop import LoopSettings
from flowengine.methods import External
from flowengine.problem import Invariant, Problem, Role, Scalar, Term, Tree, Unknown
from flowengine.xla import placed


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
        by: The same flow by another policy, its data shared; None of an entry point's.
    """

    document: FlowDocument
    problem: Problem
    choice: Choice
    settings: LoopSettings
    roles: tuple[Classified, ...]
    digest: str
    largest: Largest
    by: Callable[[Policy], CompiledFlow] | None = None


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
    check_thresholds(document.stop, document.dtype, at)
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
    known = _Known(blank, terms, forced, largest(document, data, at), _digest(document, data), at)
    return _planned(document, known)


@frozen
class _Known:
    """What is known of a flow before a method is chosen: variables, terms and the roles that they are given."""

    blank: Problem
    terms: Sequence[Term]
    forced: Sequence[str | None]
    largest: Largest
    digest: str
    at: str


def _planned(document: FlowDocument, known: _Known) -> CompiledFlow:
    """Choose how to run."""
    at = known.at
    chained = document.policy.samples and named_chains(document) is not None
    policy, roles, problem = _with_roles(known, document, chained=chained)
    check_gap(document.stop, problem, at)
    settings = _settings(document, chained=chained)
    choice = sample(problem, document, at) if policy.samples else choose(problem, policy, at)
    idle = tuple(f"{path}: nothing uses it" for path in unused(document, at))
    choice = replace(choice, warnings=(*choice.warnings, *idle))
    if not policy.samples:
        problem = replace(problem, units=units_of(problem), equations=choice.equations)

    def by(other: Policy) -> CompiledFlow:
        return _planned(replace(document, policy=other), known)

    return CompiledFlow(document, problem, choice, settings, tuple(roles), known.digest, known.largest, by)


def _with_roles(known: _Known, document: FlowDocument, *, chained: bool) -> tuple[Policy, list[Classified], Problem]:
    """The policy that is followed, every term's role, and the problem: by the exact `admm` where that serves better."""
    gap, blank = document.stop.gap is not None, known.blank

    def usual(policy: Policy) -> tuple[list[Classified], Problem]:
        """The usual roles; others where a gap is asked for that those do not have."""
        roles = classify(known.terms, known.forced, policy, blank.unknowns)
        problem = _filled(blank, roles)
        if not gap or policy.samples or has_conjugate(problem):
            return roles, problem
        others = classify(known.terms, known.forced, policy, blank.unknowns, bounding=True)
        other = _filled(blank, others)
        return (others, other) if has_conjugate(other) else (roles, problem)

    policy = document.policy
    roles, problem = usual(policy)
    check_gradient(problem, known.largest, chained=chained)
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
    check_gap(document.stop, problem, at)
    settings = _settings(document, relative=not isinstance(choice.method, External))
    digest = hashlib.sha256(f"{_digest(document, data)} {source}".encode()).hexdigest()
    return CompiledFlow(document, problem, choice, settings, (), digest, largest(document, data, at))


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


def _digest(document: FlowDocument, data: Arrays) -> str:
    flow = {key: value for key, value in document.raw.items() if key not in ("name", "stop", "telemetry")}
    return hashlib.sha256(canonical_json({"flow": flow, "data": digest_of(data)})).hexdigest()
