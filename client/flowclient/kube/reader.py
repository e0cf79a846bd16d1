"""A pod that reads a flow's volume and nothing else: made for one command, and removed whatever happens."""

from __future__ import annotations

import signal
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from flowapi.errors import CorruptError, DataError
from flowapi.status import FlowStatus
from flowclient.kube.kubectl import Kubectl, KubectlError, owner_reference

Json = dict[str, Any]
USER = 65532
CONTAINER = "reader"
DEADLINE_SECONDS = 900
START_SECONDS = 90
MOUNT = "/flow"


def reader_pod(flow: Json, image: str, node: str = "", *, deadline: int = DEADLINE_SECONDS) -> Json:
    """The pod: restricted, the volume mounted read-only, no token, an end of its own, and it goes with its flow.

    Its name makes it the only one of its flow. It has none of the labels by which the operator knows an engine's pod.

    Args:
        flow: The resource.
        image: The engine's.
        node: Where the flow's pod runs: a ReadWriteOnce volume can be mounted there alone.
        deadline: Seconds after which Kubernetes ends it, should nobody remove it.
    """
    meta, spec = flow["metadata"], flow["spec"]
    engine = spec.get("engine", {})
    claim = spec.get("checkpoint", {}).get("volume", {}).get("claimName") or meta["name"]
    placed = {key: engine[key] for key in ("imagePullSecrets", "nodeSelector", "tolerations") if engine.get(key)}
    if node:
        field = {"key": "metadata.name", "operator": "In", "values": [node]}
        terms = {"nodeSelectorTerms": [{"matchFields": [field]}]}
        placed["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{meta['name']}-reader",
            "namespace": meta["namespace"],
            "labels": {"app.kubernetes.io/name": "cflow-reader", "app.kubernetes.io/instance": meta["name"]},
            "ownerReferences": [owner_reference(flow)],
        },
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": deadline,
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER,
                "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [_container(image)],
            "volumes": [
                {"name": "flow", "persistentVolumeClaim": {"claimName": claim}},
                {"name": "scratch", "emptyDir": {"sizeLimit": "64Mi"}},
            ],
            **placed,
        },
    }  # fmt: skip


def _container(image: str) -> Json:
    return {
        "name": CONTAINER,
        "image": image,
        "args": ["serve-volume", MOUNT],
        "resources": {"requests": {"cpu": "50m", "memory": "96Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "flow", "mountPath": MOUNT, "readOnly": True},
            {"name": "scratch", "mountPath": "/tmp"},  # noqa: S108 - an emptyDir of the pod's own
        ],
    }  # fmt: skip


def image_of(revisions: Sequence[Mapping[str, Any]], flow: Json) -> str:
    """The engine's image: the one that the newest revision has pinned.

    Raises:
        DataError: nothing has run yet.
    """
    current = FlowStatus.read(flow.get("status", {})).revision.current
    newest = sorted(revisions, key=lambda one: one.get("hash") == current)
    for one in reversed(newest):
        if found := one.get("resolvedImage") or flow["spec"].get("engine", {}).get("image"):
            return str(found)
    raise DataError(
        f"{flow['metadata']['name']} has not run yet, so there is nothing to read",
        remedy="See `kubectl cflow status`.",
    )


@contextmanager
def reading(kubectl: Kubectl, flow: Json, image: str, node: str = "") -> Iterator[str]:
    """A reader pod that is ready, by its name; gone when the context ends, also after Ctrl-C, SIGTERM or SIGHUP.

    Raises:
        DataError: another one reads this flow, or it can't start.
        KubectlError: it may not be made.
    """
    body = reader_pod(flow, image, node)
    name = str(body["metadata"]["name"])
    inside = kubectl.within(flow["metadata"]["namespace"])
    with _signals_end_the_context():
        _make(inside, body)
        try:
            _wait(inside, name)
            yield name
        finally:
            _remove(inside, name)


def _make(kubectl: Kubectl, body: Json) -> None:
    name = body["metadata"]["name"]
    try:
        kubectl.create(body)
    except KubectlError as error:
        if not error.exists:
            raise
    else:
        return
    old = kubectl.get("pod", name)
    if old.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
        raise DataError(
            f"pod {name} reads this flow already", remedy=f"Wait for it, or remove it: kubectl delete pod {name}."
        )
    kubectl.run("delete", "pod", name, "--ignore-not-found", "--wait=true")
    kubectl.create(body)


def _wait(kubectl: Kubectl, name: str) -> None:
    try:
        kubectl.run("wait", "--for=condition=Ready", f"pod/{name}", f"--timeout={START_SECONDS}s")
    except KubectlError as error:
        why = _why(kubectl.get("pod", name)) or error.message
        raise DataError(
            f"pod {name} can't start: {why}",
            remedy="A ReadWriteOnce volume is mounted on one node alone: is there room beside the flow's own pod?",
        ) from error


def _why(pod: Json) -> str:
    status = pod.get("status", {})
    for one in status.get("containerStatuses", ()):
        waiting = one.get("state", {}).get("waiting", {})
        if waiting.get("reason"):
            return f"{waiting['reason']} {waiting.get('message', '')}".strip()
    return next((one["message"] for one in status.get("conditions", ()) if one.get("message")), "")


def _remove(kubectl: Kubectl, name: str) -> None:
    try:
        kubectl.run("delete", "pod", name, "--ignore-not-found", "--wait=false", "--grace-period=1")
    except KubectlError as error:
        sys.stderr.write(
            f"kubectl cflow: warning: pod {name} could not be removed ({error.message}); it ends by itself within "
            f"{DEADLINE_SECONDS} s. kubectl delete pod {name}\n"
        )


@contextmanager
def _signals_end_the_context() -> Iterator[None]:
    """Signals become an exit, so that what was made is removed; a second one does not cut that short."""

    def leave(number: int, _: FrameType | None) -> NoReturn:
        for one in caught:
            signal.signal(one, signal.SIG_IGN)
        raise SystemExit(128 + number)

    caught = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {one: signal.signal(one, leave) for one in caught}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def fetch(kubectl: Kubectl, flow: Json, pod: str, target: Path, *, arrays: bool, revision: str = "") -> Path:
    """A copy of a flow's files, as far as a command needs them, in a new folder.

    Raises:
        CorruptError: what arrived is not a whole tar of plain files.
    """
    archive = target / "flow.tar"
    words = [
        "cflow",
        "pack",
        MOUNT,
        *(["--revision", revision] if revision else []),
        *([] if arrays else ["--no-arrays"]),
    ]
    kubectl.within(flow["metadata"]["namespace"]).save(archive, "exec", pod, "-c", CONTAINER, "--", *words)
    root = target / "flow"
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(root, filter="data")
    except (tarfile.TarError, OSError) as error:
        raise CorruptError(f"the copy of the volume arrived incomplete ({error})", remedy="Try again.") from error
    finally:
        archive.unlink(missing_ok=True)
    return root
