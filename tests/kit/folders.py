"""A flow's folder as runs leave it, without the computing: killed once, gone on, ended or not."""

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


def epoch(root: Path, iterations: range, *, flow: dict[str, Any] | None = None, saved: tuple[int, ...] = ()) -> str:
    """One process's share: rows at these iterations, checkpoints at some of them, and no end; the revision's hash."""
    tuple_ = RevisionTuple(flow=flow or FLOW)
    file = RevisionFile(hash=tuple_.hash, name=OWNER.name, namespace=OWNER.namespace, uid=OWNER.uid, tuple=tuple_)
    store = CheckpointStore.open(root, OWNER)
    try:
        claimed = store.claim(tuple_.hash, file.to_bytes(), Latest())
        kept = _capsule(store, tuple_.hash, claimed.epoch)
        if claimed.base is None:
            kept.event("RUN_STARTED", 0, 1_000_000)
        else:
            ref = claimed.base.ref
            word: capsule.Event = "ROLLBACK" if claimed.returned else "FLOW_RESUMED"
            kept.event(word, ref.iteration, claimed.epoch * 1_000_000, checkpoint=ref.id, from_epoch=ref.epoch, lost=7)
        for k in iterations:
            time = claimed.epoch * 1_000_000 + k * 10
            kept.row(iter=k, t_wall_ms=time, E=1 + 1 / k, residual=1 / k**2, controller="GREEN" if k > 20 else "AMBER")
            if k in saved:
                kept.flush(k)
                meta = SaveMeta(Lineage(revision=tuple_.hash, attempt=1), Health(controller="GREEN"))
                made = store.save(k, {"state/x": Leaf(picture(k))}, meta)
                kept.event("CHECKPOINT_CREATED", k, time, checkpoint=made.id, from_epoch=made.epoch)
        kept.flush(iterations[-1])
    finally:
        store.close()
    return tuple_.hash


def interrupted(root: Path, *, flow: dict[str, Any] | None = None) -> str:
    """Killed at 50 with a checkpoint at 30, gone on to 60, and not ended."""
    epoch(root, range(10, 51, 10), flow=flow, saved=(30,))
    return epoch(root, range(40, 61, 10), flow=flow, saved=(60,))


def ended(root: Path, *, flow: dict[str, Any] | None = None) -> str:
    """The same, ended at 60."""
    revision = interrupted(root, flow=flow)
    store = CheckpointStore.open(root, OWNER)
    arrays = {"x": picture(60), "s": np.arange(20.0)}
    summary = {
        "flow": OWNER.name, "revision": revision, "reason": "Converged", "iterations": 60, "energy": 1.016,
        "residual": 1 / 3600, "gap": None, "certificate": "GREEN", "method": "pd3o", "bitIdentical": True,
        "wallSeconds": 12.5, "iterationsPerSecond": 4.8, "warnings": ["a <b>warning</b>"],
        "sha256": {name: capsule.digest(array) for name, array in arrays.items()},
    }  # fmt: skip
    capsule.write_result(store.files, store.layout.result(revision), arrays, summary)
    store.close()
    return revision


def _capsule(store: CheckpointStore, revision: str, number: int) -> capsule.Capsule:
    common = {"run_id": "r", "flow_name": OWNER.name, "revision": revision, "epoch": number}
    about = {"method": "pd3o", "why": [WHY], "env": {"jax": "1"}}
    return capsule.Capsule(store.layout.telemetry(revision), common, store.files, about)
