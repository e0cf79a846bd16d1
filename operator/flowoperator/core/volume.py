"""The checkpoint volume: whose claim it is, whether it is still there, and what to do about it."""

from flowapi.quantities import amount
from flowapi.spec import FlowSpec
from flowapi.status import CheckpointStatus, DisplayStatus, FlowStatus, ProgressStatus
from flowoperator.core import conditions, troubles
from flowoperator.core.observed import Claim, Observed
from flowoperator.core.plan import Action, GrowClaim, SetClaimOwners
from flowoperator.core.wanted import ValidSpec
from flowoperator.objects.claim import claim_owners
from flowoperator.objects.meta import VOLUME_LABEL, FlowRef


def newest_checkpoint(status: FlowStatus) -> CheckpointStatus | None:
    """The newest checkpoint that is known of any revision: of the last revision that has one."""
    known = [one.checkpoint for one in status.revisions if one.checkpoint is not None]
    return status.checkpoint or (known[-1] if known else None)


def volume_trouble(observed: Observed, valid: ValidSpec, status: FlowStatus) -> conditions.Verdict | None:
    """Why no engine may start on the volume; None when one may, or when the claim has yet to be made.

    A flow that has checkpoints never starts on an empty volume by itself.
    """
    claim, name = observed.claim, observed.flow.claim_name
    named = bool(valid.spec.checkpoint.volume.claim_name)
    held = newest_checkpoint(status)
    if claim is None and held is not None:
        return _lost(held, f"Claim {name} is gone.")
    if claim is None:
        return _to_be_made(name) if named else None
    if claim.deleting and held is not None:
        return _lost(held, f"Claim {name} is being deleted; its volume goes once no pod uses it.")
    if claim.deleting:
        return conditions.waiting("Scheduling", f"Waiting until the old claim {name} is deleted.")
    if claim.phase == "Lost":
        return _lost(held, f"Claim {name} has lost its volume. Delete it first.")
    if _of_a_deleted_flow(claim, observed.flow.ref):
        return conditions.waiting("Scheduling", f"Waiting until claim {name} of the deleted flow of this name is gone.")
    if not (named or claim.ours or claim.offered):
        return conditions.stalled(
            "VolumeInUse",
            f"Claim {name} exists and was not made for this flow. If the flow may write to it, label it "
            f"{VOLUME_LABEL}=true or name it in spec.checkpoint.volume.claimName; else rename the flow.",
        )
    return None


def _to_be_made(name: str) -> conditions.Verdict:
    return conditions.stalled(
        "Unschedulable",
        f"spec.checkpoint.volume.claimName: there is no claim {name}. Create it; the flow then starts.",
    )


def _lost(held: CheckpointStatus | None, what: str) -> conditions.Verdict:
    kept = f" It held checkpoint {held.id} of revision {held.revision} (iteration {held.iteration})." if held else ""
    return conditions.stalled(
        "VolumeLost",
        f"{what}{kept} Restore the claim from a backup, or start anew on an empty volume with another spec.retryNonce.",
    )


def _of_a_deleted_flow(claim: Claim, ref: FlowRef) -> bool:
    """The garbage collector takes such a claim away."""
    return claim.name == ref.name and bool(claim.flow_uids) and ref.uid not in claim.flow_uids


def claim_repairs(observed: Observed, spec: FlowSpec) -> tuple[Action, ...]:
    """The flow's own claim follows the deletion policy in every phase."""
    claim, ref = _own_claim(observed), observed.flow.ref
    if claim is None or is_refused(observed, "PersistentVolumeClaim"):
        return ()
    owners = tuple(claim_owners(ref, spec.deletion_policy))
    same = claim.flow_uids == frozenset(owner["uid"] for owner in owners)
    return () if same else (SetClaimOwners(claim.name, claim.uid, owners),)


def growth(observed: Observed, spec: FlowSpec) -> tuple[Action, ...]:
    """The flow's own claim follows `size` in every phase, upwards: a volume never shrinks, also not on a revert."""
    claim, size = _own_claim(observed), spec.checkpoint.volume.size
    if claim is None or size is None or claim.phase != "Bound" or is_refused(observed, "PersistentVolumeClaim"):
        return ()
    wanted, requested = amount(size), amount(claim.requested)
    grows = wanted is not None and requested is not None and wanted > requested
    return (GrowClaim(claim.name, claim.uid, size),) if grows else ()


def claim_note(observed: Observed) -> str:
    """Why the claim is not yet as the spec asks; empty where it is. Nothing else waits for that."""
    claim, refusal = _own_claim(observed), observed.refusal
    if claim is None:
        return ""
    if refusal is not None and refusal.changing and refusal.generation == observed.flow.generation:
        return troubles.refused(refusal).message
    requested, capacity = amount(claim.requested), amount(claim.capacity)
    if requested is None or capacity is None or capacity >= requested:
        return ""
    said = f" ({claim.resizing})" if claim.resizing else ""
    return f"Claim {claim.name} is being resized from {claim.capacity} to {claim.requested}{said}."


def is_refused(observed: Observed, kind: str) -> bool:
    """Whether the apiserver has just refused an object of this kind: what can't be repaired holds nothing else up."""
    refusal = observed.refusal
    return refusal is not None and refusal.kind == kind and refusal.retry_in > 0


def _own_claim(observed: Observed) -> Claim | None:
    """The claim, if this flow's operator made it for this very flow: another flow's or the user's is left alone."""
    claim, ref = observed.claim, observed.flow.ref
    if claim is None or not claim.ours or claim.name != ref.name or claim.deleting or _of_a_deleted_flow(claim, ref):
        return None
    return claim


def says_lost(status: FlowStatus) -> bool:
    """Whether the status says that the volume is lost."""
    return any((one.type, one.status, one.reason) == ("Stalled", "True", "VolumeLost") for one in status.conditions)


def without_checkpoints(status: FlowStatus) -> FlowStatus:
    """The status once a person has said that what was on the volume is given up: the next attempt's is a new one."""
    records = tuple(one.model_copy(update={"checkpoint": None}) for one in status.revisions)
    update = {
        "revisions": records,
        "checkpoint": None,
        "restored_from": None,
        "revision": status.revision.model_copy(update={"stable": ""}),
        "restore": status.restore.model_copy(update={"revision": ""}),
        "attempt": status.attempt.model_copy(update={"since": status.attempt.number + 1, "epoch": 0}),
        "progress": ProgressStatus(),
        "display": DisplayStatus(),
    }
    return conditions.without(status.model_copy(update=update), "Checkpointed", "Certified")
