"""What somebody needs who is to help, without what is nobody's business."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any

import yaml

from flowapi.errors import FlowError
from flowapi.revision import REVISION_KEY
from flowclient.kube.cluster import belongings, engine_pod, events, telemetry
from flowclient.kube.kubectl import Json, Kubectl

LINES = 2000
POINTS = 2000
HIDDEN = "(left out)"
_ANNOTATIONS = ("kubectl.kubernetes.io/last-applied-configuration",)


def gather(kubectl: Kubectl, flow: Json, *, logs: bool) -> dict[str, str]:
    """Texts by file name; what can't be read is said in its place."""
    kinds = ("job", "pod", "configmap", "pvc")
    files = {"flow.yaml": _yaml(redacted(flow))}
    files["version.txt"] = _attempt(lambda: kubectl.run("version", "-o", "yaml"))
    files["events.yaml"] = _attempt(lambda: _yaml([redacted(one) for one in events(kubectl, flow)]))
    for kind in kinds:
        files[f"{kind}s.yaml"] = _attempt(
            lambda kind=kind: _yaml([redacted(one) for (found,) in [belongings(kubectl, flow, kind)] for one in found])
        )
    pod = _pod(kubectl, flow)
    if pod is not None:
        files["telemetry.json"] = json.dumps(telemetry(kubectl, pod, POINTS))
    if logs:
        files |= _logs(kubectl, flow)
    return files


def redacted(value: Any) -> Any:
    """A copy without the values of environment variables, inline data, and copies of either; of any object."""
    match value:
        case Mapping():
            found = {
                str(key): _part(str(key), one)
                for key, one in value.items()
                if key not in ("managedFields", *_ANNOTATIONS)
            }
            if set(found) <= {"name", "value", "valueFrom"} and "name" in found and "value" in found:
                found["value"] = HIDDEN  # of an environment variable
            return found
        case list() | tuple():
            return [redacted(one) for one in value]
        case _:
            return value


def _part(key: str, value: Any) -> Any:
    if key == "inline":
        return HIDDEN
    if key == "env" and isinstance(value, list):
        return [{**redacted(one), "value": HIDDEN} if isinstance(one, Mapping) else HIDDEN for one in value]
    if key == REVISION_KEY and isinstance(value, str):
        try:
            return json.dumps(redacted(json.loads(value)))
        except ValueError:
            return HIDDEN
    if key == "args" and isinstance(value, list):
        return list(value)
    return redacted(value)


def packed(name: str, files: Mapping[str, str]) -> bytes:
    """A tar.gz with a folder."""
    file = io.BytesIO()
    with gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for path, text in sorted(files.items()):
            data = text.encode()
            info = tarfile.TarInfo(f"{name}-support/{path}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


def _pod(kubectl: Kubectl, flow: Json) -> Json | None:
    try:
        return engine_pod(kubectl, flow)
    except FlowError:
        return None


def _logs(kubectl: Kubectl, flow: Json) -> dict[str, str]:
    try:
        (pods,) = belongings(kubectl, flow, "pod")
    except FlowError as error:
        return {"logs.txt": f"{error}\n"}
    inside = kubectl.within(flow["metadata"]["namespace"])
    names = [one["metadata"]["name"] for one in pods]
    return {
        f"log-{name}.txt": _attempt(lambda name=name: inside.run("logs", name, "-c", "engine", f"--tail={LINES}"))
        for name in names
    }


def _attempt(read: Any) -> str:
    try:
        found: str = read()
    except FlowError as error:
        return f"{error}\n"
    return found


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
