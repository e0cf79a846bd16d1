"""What plans are made of: the next attempt, Jobs to stop, objects to repair, a verdict in the status."""

import math
from dataclasses import replace
from datetime import datetime

from flowapi.spec import FlowSpec
from flowapi.status import FlowStatus
from flowoperator.core import conditions
from flowoperator.core.attempts import advanced, next_attempt, without_failures
from flowoperator.core.observed import Job, Observed
from flowoperator.core.plan import Action, Create, Delete, Event, NoteSettings, Plan
from flowoperator.core.reporting import due_in
from flowoperator.core.revisions import revision_file
from flowoperator.core.volume import claim_note, claim_repairs, growth, is_refused
from flowoperator.core.wanted import ValidSpec
from flowoperator.objects.configmap import build_configmap, saved_settings

_ASKED_FOR = frozenset({"Retried", "Resumed", "Restarted", "Restoring"})
_NAMED_BY_REASON = frozenset({"Suspended", "ImagePullFailed", "VolumeLost"})


def stamp_of(now: datetime) -> str:
    """As Kubernetes writes times."""
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def closed(
    observed: Observed,
    status: FlowStatus,
    verdict: conditions.Verdict,
    now: datetime,
    actions: tuple[Action, ...] = (),
    events: tuple[Event, ...] = (),
    requeue_after: float | None = None,
) -> Plan:
    """A plan with the verdict in the status, unless only progress of the last moments would be written.

    A verdict that a person has to act on is an event too, once.
    """
    old, verdict, note = observed.flow.status, conditions.standing(status, verdict), claim_note(observed)
    if note:
        verdict = replace(verdict, message=f"{verdict.message} {note}")
    status = conditions.with_verdict(status, verdict, observed.flow.generation, stamp_of(now))
    if verdict.phase in {"Stalled", "Suspended"} and not events and _says_anew(old, verdict):
        kind = verdict.reason if verdict.reason in _NAMED_BY_REASON else verdict.phase
        events = (Event(kind, verdict.message, "Warning" if verdict.phase == "Stalled" else "Normal"),)
    if note and observed.refusal is not None and not _is_said(old, note):
        events = (*events, Event("ResizeRefused", note, "Warning"))
    if (due := due_in(old, status, now)) <= 0:
        return Plan(status, actions, events, requeue_after)
    if math.isfinite(due):  # an engine that says nothing more brings no other pass
        requeue_after = due if requeue_after is None else min(due, requeue_after)
    return Plan(None, actions, events, requeue_after)


def _is_said(old: FlowStatus, note: str) -> bool:
    return any(one.type == "Ready" and note in one.message for one in old.conditions)


def _says_anew(old: FlowStatus, verdict: conditions.Verdict) -> bool:
    if old.phase != verdict.phase:
        return True
    said = next((one for one in old.conditions if one.type == "Stalled"), None)
    return verdict.phase == "Stalled" and (said is None or said.reason != verdict.reason)


def again(
    observed: Observed, status: FlowStatus, now: datetime, event: Event, *, above: int = 0,
    also: tuple[Action, ...] = (),
) -> Plan:  # fmt: skip
    """The same revision in a new Job."""
    stamp, flow = stamp_of(now), observed.flow
    status = without_failures(status) if event.reason in _ASKED_FOR else status
    status = next_attempt(status, flow.ref.name, stamp, event.reason, above=max(above, highest(observed)))
    verdict = conditions.standing(status, conditions.waiting("Restoring", event.message))
    status = conditions.with_verdict(status, verdict, flow.generation, stamp)
    return Plan(status, (*stop_all(observed), *also), (event,), 0.0)


def highest(observed: Observed) -> int:
    """The highest attempt among the Jobs of this name, should the status have forgotten it."""
    return max((job.attempt for job in observed.jobs), default=0)


def stop_all(observed: Observed, *, except_for: str = "") -> tuple[Action, ...]:
    """Delete the Jobs of this flow."""
    return stop(observed, tuple(job for job in observed.jobs if job.name != except_for))


def stop(observed: Observed, jobs: tuple[Job, ...]) -> tuple[Action, ...]:
    """Delete Jobs of this flow; a Job of another owner is never touched."""
    mine = observed.flow.ref.uid
    return tuple(Delete("Job", job.name, job.uid) for job in jobs if job.owner_uid == mine and not job.deleting)


def with_repairs(plan: Plan, observed: Observed, valid: ValidSpec) -> Plan:
    """The plan, and what the spec says of objects in every phase, before the status says that it was seen."""
    plan = with_claim(plan, observed, valid.spec)
    return replace(plan, before=(*_map_repairs(observed, valid), *plan.before))


def with_claim(plan: Plan, observed: Observed, spec: FlowSpec) -> Plan:
    """The plan, and the claim as the spec asks.

    It grows last: a new try on a volume that was full is written down before, or it would never come.
    """
    plan = replace(plan, before=(*claim_repairs(observed, spec), *plan.before))
    if not (actions := growth(observed, spec)):
        return plan
    return replace(plan, actions=(*plan.actions, *actions), requeue_after=0.0)  # to say that it is being resized


def _map_repairs(observed: Observed, valid: ValidSpec) -> tuple[Action, ...]:
    """Pods of a Job wait for ever for a ConfigMap that was deleted; those of forgotten revisions go.

    One whose revision has saved under other run-time settings notes those: they are what it goes back to.
    """
    job, status, ref = observed.job, observed.flow.status, observed.flow.ref
    known = {one.hash for one in status.revisions} | {valid.hash, valid.asked}
    found: list[Action] = [
        Delete("ConfigMap", one.name, one.uid)
        for one in observed.maps
        if one.owner_uid == ref.uid and one.revision not in known
    ]
    if job is None or job.deleting or job.revision != valid.asked or is_refused(observed, "ConfigMap"):
        return tuple(found)
    mine, saved = observed.map_of(valid.asked), advanced(observed) and job.settings == valid.settings_hash
    if mine is None and not job.finished:
        found.append(Create(build_configmap(ref, revision_file(observed, valid), valid.asked_settings)))
    elif mine is not None and saved and mine.settings != valid.asked_settings and saved_settings(valid.asked_settings):
        found.append(NoteSettings(mine.name, mine.uid, valid.asked_settings))
    return tuple(found)
