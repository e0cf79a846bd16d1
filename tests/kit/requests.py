"""A request to run a manifest, as `cflow run` makes it, for tests that run a flow in their own process."""

from pathlib import Path
from typing import Any

from flowapi.reader import read_one
from flowapi.revision import RevisionFile, RevisionTuple, RuntimeSettings
from flowapi.spec import load_manifest
from flowengine.run.request import RunRequest
from flowengine.store import Owner


def request_of(manifest: Path, root: Path, **changes: Any) -> RunRequest:
    """The first or next start of a manifest in a folder; `changes` are other fields of the request."""
    read = load_manifest(read_one(manifest))
    computed = RevisionTuple.of(read.spec)
    revision = RevisionFile(hash=computed.hash, name=read.name, namespace="local", uid="local", tuple=computed)
    owner = Owner(namespace="local", name=read.name, uid="local")
    settings = RuntimeSettings.of(read.spec, read.document)
    return RunRequest(revision, settings, root, manifest.parent, owner, at=read.at, **changes)
