"""What runs in a reader pod: a process that waits, and the files of a flow as one tar on standard output."""

from __future__ import annotations

import io
import json
import signal
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO as Stream
from typing import Annotated

import typer

from flowapi.errors import DataError
from flowengine.capsule.result import SUMMARY
from flowengine.cli.messages import plain_errors
from flowengine.store import IO, Layout, list_checkpoints
from flowengine.store.fence import read_claims
from flowengine.store.layout import MANIFEST_FILE, REVISION, STATE_FILE

WHOLE = ("telemetry.parquet", "events.parquet")
Root = Annotated[Path, typer.Argument(metavar="DIR", help="The mount of a flow's volume.")]


def serve_volume(root: Root) -> None:
    """Wait until SIGTERM, so that `kubectl exec` can read the volume; does nothing else."""
    with plain_errors():
        if not root.is_dir():
            raise DataError(f"{root} is not there", remedy="Mount a flow's volume there.")
        ending = {signal.SIGTERM, signal.SIGINT}
        signal.pthread_sigmask(signal.SIG_BLOCK, ending)
        signal.sigwait(ending)


def pack(
    root: Root,
    revision: Annotated[str, typer.Option("--revision", metavar="HASH", help="Default: the newest.")] = "",
    arrays: Annotated[bool, typer.Option("--arrays/--no-arrays", help="Result and newest checkpoint, too.")] = True,
) -> None:
    """Write the files of a flow as a tar to standard output: telemetry, result, manifests, the newest checkpoint."""
    with plain_errors():
        write_tar(root, sys.stdout.buffer, revision, arrays=arrays)


def write_tar(root: Path, out: Stream[bytes], revision: str = "", *, arrays: bool = True) -> None:
    """As `pack`; a file that goes meanwhile is left out, and whoever reads the tar verifies what is in it."""
    paths = Layout.at(root)
    with tarfile.open(fileobj=out, mode="w|") as tar:
        revision = revision or _newest(paths)
        for path in _files(paths, revision, arrays=arrays):
            _add(tar, path, path.relative_to(paths.root))
        for path in _plain(paths.telemetry(revision)):  # once more: a flow that ended has put its parts together
            if path.name in WHOLE:
                _add(tar, path, path.relative_to(paths.root))


def _newest(paths: Layout) -> str:
    claims = [one.revision for one in read_claims(IO(), paths) if one.revision]
    if not claims:
        raise DataError(f"{paths.root} holds no flow", remedy="Mount a flow's volume there.")
    return claims[-1]


def _files(paths: Layout, revision: str, *, arrays: bool) -> Iterator[Path]:
    if not REVISION.fullmatch(revision):
        raise DataError(f"{revision} is no revision's hash", remedy="It has ten hexadecimal digits.")
    yield from _plain(paths.fence)
    yield paths.revision_file(revision)
    yield from _plain(paths.telemetry(revision))
    found = [one for one in list_checkpoints(paths.root) if one.ref.revision == revision]
    for one in found:
        folder = paths.checkpoints(revision) / one.ref.id
        yield from (path for path in _plain(folder) if path.name != STATE_FILE)
    if not arrays:
        return
    yield from _plain(paths.result(revision))
    newest = next((one for one in found if one.visible and one.good and not one.problem), None)
    if newest is not None and _iterations(paths.result(revision)) != newest.ref.iteration:
        yield paths.checkpoints(revision) / newest.ref.id / STATE_FILE


def _iterations(result: Path) -> int | None:
    """Whose state a result is."""
    try:
        found = json.loads((result / SUMMARY).read_bytes())["iterations"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, int) else None


def _plain(folder: Path) -> list[Path]:
    """Regular files, not hidden: no link is followed out of the volume."""
    if not folder.is_dir() or folder.is_symlink():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and not path.is_symlink() and (path.name == MANIFEST_FILE or not path.name.startswith("."))
    )


def _add(tar: tarfile.TarFile, path: Path, name: Path) -> None:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        info = tarfile.TarInfo(name.as_posix())
        info.size, info.mode = file.seek(0, io.SEEK_END), 0o644
        file.seek(0)
        tar.addfile(info, file)
