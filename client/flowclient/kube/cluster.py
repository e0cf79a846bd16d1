"""What a command needs to know of a flow on the cluster: the resource and what belongs to it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flowapi.errors import DataError
from flowapi.group import FLOW_LABEL
from flowapi.revision import REVISION_KEY, RevisionFile
from flowapi.status import FlowStatus
from flowclient.flows import Flow, open_flow
from flowclient.kube.kubectl import Json, Kubectl, KubectlError
from flowclient.kube.reader import fetch, image_of, reading
from flowclient.results import Result

PORT = 8080
ASK_SECONDS = 10


def belongings(kubectl: Kubectl, flow: Json, *kinds: str) -> list[list[Json]]:
    """The objects of these kinds that are a flow's."""
    inside = kubectl.within(flow["metadata"]["namespace"])
    return [inside.items(kind, "-l", f"{FLOW_LABEL}={flow['metadata']['name']}") for kind in kinds]


def revision_files(kubectl: Kubectl, flow: Json) -> dict[str, RevisionFile]:
    """Every revision whose ConfigMap is still there, by its hash."""
    (maps,) = belongings(kubectl, flow, "configmap")
    texts = [one.get("data", {}).get(REVISION_KEY, "") for one in maps]
    found = (RevisionFile.model_validate_json(text) for text in texts if text)
    return {one.hash: one for one in found}


def revision_file(kubectl: Kubectl, flow: Json, revision: str) -> RevisionFile:
    """One of them.

    Raises:
        DataError: its ConfigMap is gone.
    """
    found = revision_files(kubectl, flow).get(revision)
    if found is None:
        raise DataError(f"the ConfigMap of revision {revision} is gone", remedy="Take its text from Git.")
    return found


def engine_pod(kubectl: Kubectl, flow: Json) -> Json | None:
    """The pod that runs, if one does."""
    (pods,) = belongings(kubectl, flow, "pod")
    return running(pods)


def running(pods: Sequence[Json]) -> Json | None:
    """The one of a flow's pods that runs, if one does."""
    alive = [one for one in pods if one.get("status", {}).get("phase") == "Running"]
    return next((one for one in alive if "deletionTimestamp" not in one["metadata"]), None)


def telemetry(kubectl: Kubectl, pod: Json, points: int) -> Json:
    """What a running engine answers; empty where it can't be asked."""
    try:
        return ask_engine(kubectl, pod, points)
    except KubectlError:
        return {}


def ask_engine(kubectl: Kubectl, pod: Json, points: int) -> Json:
    """What a running engine answers to `GET /telemetry`, through the apiserver.

    Raises:
        KubectlError: it can't be asked, or answers something else.
    """
    meta = pod["metadata"]
    path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}:{PORT}/proxy/telemetry?points={points}"
    try:
        found = json.loads(kubectl.run("get", "--raw", path, seconds=ASK_SECONDS))
    except ValueError as error:
        raise KubectlError(
            f"pod {meta['name']} answered something that is not telemetry",
            remedy="Its engine may be of another version: `kubectl cflow report` reads the volume instead.",
        ) from error
    return found if isinstance(found, dict) else {}


@contextmanager
def volume(kubectl: Kubectl, flow: Json, *, arrays: bool) -> Iterator[Path]:
    """A copy of a flow's files, as far as they are needed, while the context lasts; the pod is gone by then."""
    pod = engine_pod(kubectl, flow)
    node = pod["spec"].get("nodeName", "") if pod else ""
    known = [json.loads(one.to_bytes()) for one in revision_files(kubectl, flow).values()]
    with tempfile.TemporaryDirectory(prefix="cflow-") as folder:
        with reading(kubectl, flow, image_of(known, flow), node) as name:
            root = fetch(kubectl, flow, name, Path(folder), arrays=arrays)
        yield root


def opened(root: Path) -> Flow:
    """The flow in such a copy."""
    return open_flow(root)


def check_digests(flow: Json, result: Result) -> str:
    """That the arrays are those that the status speaks of; a sentence about what was compared.

    Raises:
        DataError: they are others.
    """
    known = FlowStatus.read(flow.get("status", {})).result
    if result.provisional or known is None:
        return "the flow has not ended: the arrays are its newest checkpoint's"
    wrong = [name for name, digest in known.sha256.items() if result.sha256.get(name) != digest]
    if wrong:
        raise DataError(
            f"on the volume, the SHA-256 of {', '.join(wrong)} is not the one in the flow's status",
            remedy="The flow may have gone on meanwhile; try again.",
        )
    return f"SHA-256 of {', '.join(known.sha256)} as in the status"


def name_of(flow: Json) -> str:
    """Of a flow."""
    return str(flow["metadata"]["name"])


def events(kubectl: Kubectl, flow: Json) -> list[dict[str, Any]]:
    """What was said about it."""
    inside = kubectl.within(flow["metadata"]["namespace"])
    return inside.items("events", f"--field-selector=involvedObject.uid={flow['metadata']['uid']}")
