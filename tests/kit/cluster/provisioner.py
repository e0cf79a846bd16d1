"""Gives each claim of a class a folder that all nodes share, grows it when asked, and removes it after its claim.

Runs as a script in a pod of the cluster, on the operator's image.
"""

import json
import os
import shutil
import ssl
import sys
import threading
import time
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from flowapi.quantities import amount

Json = dict[str, Any]
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
USER = 65532  # the flows'; Kubernetes changes no owner of a hostPath
WATCH_SECONDS, PAUSE_SECONDS = 300, 1.0
CONFLICT, GONE = 409, 404
VOLUMES, CLAIMS = "/api/v1/persistentvolumes", "/api/v1/persistentvolumeclaims"


def ask(method: str, path: str, body: Json | None = None) -> Any:
    """The apiserver's answer, to be read: as this pod's service account."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    headers = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}", "Content-Type": kind}
    data = None if body is None else json.dumps(body).encode()
    request = Request(f"https://{host}:{port}{path}", data, headers, method=method)
    return urlopen(request, context=ssl.create_default_context(cafile=ACCOUNT / "ca.crt"))  # noqa: S310


def change(method: str, path: str, body: Json | None = None) -> None:
    """Make, patch or delete something."""
    with ask(method, path, body) as answer:
        answer.read()


def serve(name: str, folder: Path, claim: Json) -> None:
    """A volume for a claim that has none, a larger one for a claim that asks for it."""
    spec, phase = claim["spec"], claim["status"].get("phase")
    if spec.get("storageClassName") != name or "deletionTimestamp" in claim["metadata"]:
        return
    if phase == "Pending" and not spec.get("volumeName"):
        _make(name, folder, claim)
    elif phase == "Bound":
        _grow(claim)


def _make(name: str, folder: Path, claim: Json) -> None:
    """The volume, bound to this claim alone."""
    mine = claim["metadata"]
    volume = f"pvc-{mine['uid']}"
    place = folder / volume
    place.mkdir(exist_ok=True)
    os.chown(place, USER, USER)
    meta = {"name": volume, "annotations": {"pv.kubernetes.io/provisioned-by": name}}
    reference = {"kind": "PersistentVolumeClaim", "namespace": mine["namespace"], "name": mine["name"]}
    spec = {
        "storageClassName": name,
        "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
        "accessModes": claim["spec"]["accessModes"],
        "persistentVolumeReclaimPolicy": "Delete",
        "claimRef": {**reference, "uid": mine["uid"]},
        "hostPath": {"path": str(place), "type": "Directory"},
    }
    change("POST", VOLUMES, {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": meta, "spec": spec})


def _grow(claim: Json) -> None:
    """A folder has the room of its disk: what grows is the number."""
    mine, wanted = claim["metadata"], claim["spec"]["resources"]["requests"]["storage"]
    if (amount(wanted) or 0) <= (amount(claim["status"]["capacity"]["storage"]) or 0):
        return
    change("PATCH", f"{VOLUMES}/{claim['spec']['volumeName']}", {"spec": {"capacity": {"storage": wanted}}})
    path = f"/api/v1/namespaces/{mine['namespace']}/persistentvolumeclaims/{mine['name']}/status"
    change("PATCH", path, {"status": {"capacity": {"storage": wanted}}})


def remove(name: str, folder: Path, volume: Json) -> None:
    """A volume whose claim is gone, with what lies in it."""
    if volume["spec"].get("storageClassName") == name and volume["status"].get("phase") == "Released":
        shutil.rmtree(folder / volume["metadata"]["name"], ignore_errors=True)
        change("DELETE", f"{VOLUMES}/{volume['metadata']['name']}")


def follow(path: str, handle: Callable[[Json], None]) -> None:
    """Hand each object over as it is, and as it changes, for ever; what went wrong is tried with the next watch."""
    while True:
        try:
            with ask("GET", f"{path}?watch=1&timeoutSeconds={WATCH_SECONDS}") as events:
                for event in map(json.loads, events):
                    if event["type"] in {"ADDED", "MODIFIED"}:
                        _handle(event["object"], handle)
        except (OSError, HTTPException) as error:
            print(error, file=sys.stderr, flush=True)
            time.sleep(PAUSE_SECONDS)


def _handle(body: Json, handle: Callable[[Json], None]) -> None:
    try:
        handle(body)
    except HTTPError as error:
        if error.code not in {CONFLICT, GONE}:
            raise


def main() -> None:
    """Arguments: the class' name, and the folder that all nodes share."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    volumes = (VOLUMES, lambda one: remove(name, folder, one))
    threading.Thread(target=follow, args=volumes, daemon=True).start()
    follow(CLAIMS, lambda one: serve(name, folder, one))


if __name__ == "__main__":
    main()
