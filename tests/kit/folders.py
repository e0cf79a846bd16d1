"""A flow's folder as runs leave it, without the computing: killed once, gone on, ended or not."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from flowapi.revision import RevisionFile, RevisionTuple
from flowengine import capsule
from flowengine.store import CheckpointStore, Health, Latest, Leaf, Lineage, Owner, SaveMeta

FLOW: dict[str, Any] = {
    "data": {"b": {"npy": "b.npy"}},
    "variables": {"x": {"like": "b"}},
    "operators": {"D": {"gradient": {}}},
    "params": {"lam": {"value": 0.25}},
    "terms": [
        {"atom": "quadratic", "arg": "x", "data": "b"},
        {"atom": "norm_l21", "arg": "D x", "weight": "lam"},
        {"atom": "box", "arg": "x", "lo": 0},
    ],
}
OWNER = Owner(namespace="local", name="denoise", uid="local")
WHY = "pd3o: <script>alert(1)</script>"


def picture(iteration: int) -> np.ndarray:
    """What the flow has found by an iteration."""
    return np.linspace(0, 1, 12 * 16).reshape(12, 16) * iteration / 60


def measured(k: int) -> dict[str, Any]:
    """What a certificate finds at an iteration."""
    return {"E": 1 + 1 / k, "residual": 1 / k**2, "controller": "GREEN" if k > 20 else "AMBER"}


def epoch(
    root: Path,
    iterations: range,
    *,
    flow: dict[str, Any] | None = None,
    saved: Sequence[int] = (),
    name: str = OWNER.name,
    found: Callable[[int], dict[str, Any]] = measured,
    began_ms: int = 0,
    last: capsule.Event | None = None,
) -> str:
    """One process's share: rows at these iterations, checkpoints at some of them, and no end; the revision's hash.

    Args:
        root: The folder.
        iterations: Those with a certificate.
        flow: The document.
        saved: Those with a checkpoint.
        name: The flow's.
        found: What a certificate finds at an iteration.
        began_ms: When it began; default: a time by the number of its epoch.
        last: What happens at the end.
    """
    tuple_ = RevisionTuple(flow=flow or FLOW)
    owner = Owner(namespace=OWNER.namespace, name=name, uid=OWNER.uid)
    file = RevisionFile(hash=tuple_.hash, name=name, namespace=owner.namespace, uid=owner.uid, tuple=tuple_)
    store = CheckpointStore.open(root, owner)
    try:
        claimed = store.claim(tuple_.hash, file.to_bytes(), Latest())
        kept = _capsule(store, tuple_.hash, claimed.epoch)
        began = began_ms or claimed.epoch * 1_000_000
        if claimed.base is None:
            kept.event("RUN_STARTED", 0, began)
        else:
            ref = claimed.base.ref
            word: capsule.Event = "ROLLBACK" if claimed.returned else "FLOW_RESUMED"
            kept.event(word, ref.iteration, began, checkpoint=ref.id, from_epoch=ref.epoch, lost=7)
        for k in iterations:
            time = began + k * 10
            kept.row(iter=k, t_wall_ms=time, **found(k))
            if k in saved:
                kept.flush(k)
                meta = SaveMeta(Lineage(revision=tuple_.hash, attempt=1), Health(controller="GREEN"))
                made = store.save(k, {"state/x": Leaf(picture(k))}, meta)
                kept.event("CHECKPOINT_CREATED", k, time, checkpoint=made.id, from_epoch=made.epoch)
        if last is not None:
            kept.event(last, iterations[-1], time, detail="the energy grows. Lower policy.step")
        kept.flush(iterations[-1])
    finally:
        store.close()
    return tuple_.hash


def interrupted(root: Path, *, flow: dict[str, Any] | None = None) -> str:
    """Killed at 50 with a checkpoint at 30, gone on to 60, and not ended."""
    epoch(root, range(10, 51, 10), flow=flow, saved=(30,))
    return epoch(root, range(40, 61, 10), flow=flow, saved=(60,))


def finish(root: Path, arrays: dict[str, np.ndarray], **summary: Any) -> None:
    """Write the result of a flow, with its summary."""
    sums = {name: capsule.digest(array) for name, array in arrays.items()}
    store = CheckpointStore.open(root, Owner(namespace=OWNER.namespace, name=summary["flow"], uid=OWNER.uid))
    capsule.write_result(store.files, store.layout.result(summary["revision"]), arrays, {**summary, "sha256": sums})
    store.close()


def ended(root: Path, *, flow: dict[str, Any] | None = None) -> str:
    """The same, ended at 60."""
    revision = interrupted(root, flow=flow)
    finish(
        root, {"x": picture(60), "s": np.arange(20.0)},
        flow=OWNER.name, revision=revision, reason="Converged", iterations=60, energy=1.016, residual=1 / 3600, gap=None,
        certificate="GREEN", method="pd3o", bitIdentical=True, wallSeconds=12.5, iterationsPerSecond=4.8,
        warnings=["a <b>warning</b>"],
    )  # fmt: skip
    return revision


def _capsule(store: CheckpointStore, revision: str, number: int) -> capsule.Capsule:
    common = {"run_id": "r", "flow_name": OWNER.name, "revision": revision, "epoch": number}
    about = {"method": "pd3o", "why": [WHY], "env": {"jax": "1"}}
    return capsule.Capsule(store.layout.telemetry(revision), common, store.files, about)
