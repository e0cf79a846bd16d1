"""What `cflow resume DIR` needs of the run before: kept in two places below DIR, once the run has the folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

from flowapi.errors import CorruptError, DataError, VolumeError
from flowapi.model import Model
from flowapi.revision import RevisionFile, RuntimeSettings
from flowengine.run.request import RunRequest
from flowengine.store import IO, At, CheckpointStore, Files, Latest, Layout, Owner, Start, list_checkpoints
from flowengine.store.fence import read_claims
from flowengine.store.manifest import parse_body, seal, unseal

LOCAL = "local"
FILE = "local.json"
MOST_BYTES = 4 * 2**20


class Local(Model):
    """The file: the inputs' folder (percent-encoded: a path is bytes), where in its file the flow stands, the flow."""

    inputs: str
    at: str
    settings: RuntimeSettings
    revision: RevisionFile


def owner(name: str) -> Owner:
    """Whose the folder of a local flow is."""
    return Owner(namespace=LOCAL, name=name, uid=LOCAL)


def remember(request: RunRequest, store: CheckpointStore) -> None:
    """Keep it at the root, and beside the revision's checkpoints; errors as `Files.put`."""
    body = {
        "inputs": quote_from_bytes(os.fsencode(request.inputs)),
        "at": request.at,
        "settings": json.loads(request.settings.to_json()),
        "revision": json.loads(request.revision.to_bytes()),
    }
    data = seal(body)
    for folder in _places(store.layout, request.revision.hash):
        store.files.sweep(folder)
        store.files.put(folder / FILE, [data])


def recall(root: Path, checkpoint: str) -> RunRequest:
    """What goes on in a folder: its newest run, or the one that has this checkpoint.

    Raises:
        DataError: no local run left what is needed, or there is no such checkpoint.
    """
    layout = Layout.at(root)
    start: Start = Latest()
    wanted = _by_claims(layout)
    if checkpoint:
        revisions = [one.ref.revision for one in list_checkpoints(root) if one.ref.id == checkpoint]
        if not revisions:
            raise DataError(f"there is no checkpoint {checkpoint}", remedy=f"See `cflow checkpoints list {root}`.")
        wanted = revisions[:1]
        start = At(revisions[0], checkpoint)
    for found in (one for revision in wanted for one in _kept(layout, revision)):
        inputs = Path(os.fsdecode(unquote_to_bytes(found.inputs)))
        name = found.revision.name
        return RunRequest(found.revision, found.settings, root, inputs, owner(name), start=start, at=found.at)
    raise DataError(
        f"{root} is not the folder of a local run, or what it was told is damaged ({FILE})",
        remedy="Give the --root of `cflow run`, or run `cflow run FILE --root` again: it goes on, too.",
    )


def _by_claims(layout: Layout) -> list[str]:
    """The revisions that had the folder, newest first; one that was refused then has left nothing to go on with."""
    claims = read_claims(IO(), layout)
    return list(dict.fromkeys(one.revision for one in reversed(claims) if one.revision))


def _kept(layout: Layout, revision: str) -> Iterator[Local]:
    """What is intact of what was kept for a revision."""
    for folder in _places(layout, revision):
        try:
            found = parse_body(Local, unseal(Files().read(folder / FILE, MOST_BYTES), FILE))
        except (OSError, ValueError, CorruptError, VolumeError):
            continue
        if found.revision.hash == revision:
            yield found


def _places(layout: Layout, revision: str) -> tuple[Path, Path]:
    return layout.revision(revision), layout.root
