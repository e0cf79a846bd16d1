"""What the plugin changes of a flow: the spec alone, by JSON patches; and what a GitOps tool will say to that. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from flowapi.errors import DataError
from flowapi.status import FlowStatus, RevisionRecord

if TYPE_CHECKING:
    from flowapi.revision import RevisionFile

Json = dict[str, Any]
KEPT = ("name", "stop", "telemetry")  # of a flow; they are no part of a revision
_OWNERS = {
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
}


def suspend(flow: Json, *, wanted: bool) -> list[Json]:
    """Stop at a checkpoint, or go on; nothing where it is so already."""
    now = bool(flow["spec"].get("suspend", False))
    return [] if now == wanted else [_put("/spec/suspend", wanted)]


def retry(nonce: str) -> list[Json]:
    """Try a stalled flow again."""
    return [_put("/spec/retryNonce", nonce)]


def restore(flow: Json, checkpoint: str, nonce: str) -> list[Json]:
    """Go on from a checkpoint, once for each nonce.

    Args:
        flow: As it is.
        checkpoint: REVISION/NAME, or its name alone: of the revision that is known to have it, else of the wanted one.
        nonce: Any text that is new.

    Raises:
        DataError: nothing has run yet.
    """
    status = FlowStatus.read(flow.get("status", {}))
    revision, _, name = checkpoint.rpartition("/")
    known = {one.checkpoint.id: one.hash for one in status.revisions if one.checkpoint}
    revision = revision or known.get(name, status.revision.desired)
    if not revision:
        raise DataError(
            "this flow has not run yet, so there is nothing to go back to", remedy="See `kubectl cflow status`."
        )
    return [_put("/spec/restore", {"nonce": nonce, "checkpoint": f"{revision}/{name}"})]


def record(flow: Json, word: str = "") -> RevisionRecord:
    """A revision by its number (`r2`, `2`) or hash; without a word the stable one, or the one before the wanted one.

    Raises:
        DataError: the status knows no such revision.
    """
    known = FlowStatus.read(flow.get("status", {})).revisions
    revision = FlowStatus.read(flow.get("status", {})).revision
    if not word:
        others = [one for one in known if one.hash != revision.desired and one.outcome != "Failed"]
        if others:
            return next((one for one in others if one.hash == revision.stable), others[-1])
        raise DataError("there is no earlier revision to go back to", remedy="See `kubectl cflow history`.")
    for one in known:
        if word in (one.hash, str(one.number), f"r{one.number}"):
            return one
    names = ", ".join(f"r{one.number} {one.hash}" for one in known) or "none yet"
    raise DataError(f"there is no revision {word}", remedy=f"Known: {names}.")


def rollback(flow: Json, revision: RevisionFile) -> list[Json]:
    """The spec with an earlier revision's numbers; what is no part of a revision stays as it is."""
    spec = flow["spec"]
    parts = revision.tuple.parts
    document = {**revision.tuple.flow, **{key: spec["flow"][key] for key in KEPT if key in spec["flow"]}}
    engine = {key: value for key, value in spec.get("engine", {}).items() if key not in ("env", "image", "processes")}
    engine |= {key: parts[key] for key in ("env", "image", "processes") if key in parts}
    wanted = {key: value for key, value in spec.items() if key not in ("flow", "inputs", "engine")}
    wanted |= {"flow": document, "inputs": parts.get("inputs"), "engine": engine}
    wanted = {key: value for key, value in wanted.items() if value}
    return [] if wanted == spec else [{"op": "replace", "path": "/spec", "value": wanted}]


def warning(flow: Json) -> str:
    """That a GitOps tool will put its own text back, where one owns the flow."""
    meta = flow["metadata"]
    marks = {**meta.get("annotations", {}), **meta.get("labels", {})}
    tool = next((name for key, name in _OWNERS.items() if key in marks), "")
    name = tool or "a GitOps tool, should one manage this flow,"
    return (
        f"Git is the truth: {name} puts the old text back. Make the same change in Git (`git revert`), or it is undone."
    )


def waited(flow: Json, wanted: str) -> tuple[bool, str]:
    """Whether a flow has what is waited for, and else why it can't have it any more; the status must speak of now.

    Args:
        flow: As it is.
        wanted: `completed`, `running`, `suspended`, or `stable`: the revision asked for is one to go back to.
    """
    status = FlowStatus.read(flow.get("status", {}))
    if status.observed_generation < flow["metadata"].get("generation", 0):
        return False, ""
    stable = bool(status.revision.stable) and status.revision.stable == status.revision.desired
    holds = {
        "completed": status.phase == "Completed",
        "stable": status.phase == "Completed" or stable,
        "running": status.phase == "Running",
        "suspended": status.phase == "Suspended",
    }
    if holds[wanted]:
        return True, ""
    stalled = next((one.message for one in status.conditions if one.type == "Stalled" and one.status == "True"), "")
    return False, stalled if status.phase == "Stalled" else ""


def history(flow: Json) -> list[list[str]]:
    """Rows of a table: what ran, newest last."""
    status = FlowStatus.read(flow.get("status", {}))
    rows = [["REVISION", "HASH", "OUTCOME", "GENERATION", "STARTED", "CHECKPOINT"]]
    for one in status.revisions:
        marks: Sequence[str] = [
            word for word in ("current", "desired", "stable") if getattr(status.revision, word) == one.hash
        ]
        outcome = f"{one.outcome} ({', '.join(marks)})" if marks else one.outcome
        saved = f"{one.checkpoint.iteration}" if one.checkpoint else "–"
        rows.append([f"r{one.number}", one.hash, outcome, str(one.generation), one.started_at or "–", saved])
    return rows


def _put(path: str, value: object) -> Json:
    return {"op": "add", "path": path, "value": value}
