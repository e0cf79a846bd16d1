"""`cflow checkpoints`: what is on a volume, whether it is whole, and what of it to keep or to take elsewhere."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from flowapi.errors import DataError
from flowapi.report import ExitCode
from flowapi.revision import RevisionFile
from flowengine.cli.export import Format, export
from flowengine.cli.messages import plain_errors
from flowengine.store import Layout, Listed, list_checkpoints, pin, read_checkpoint, thin_out

app = typer.Typer(
    no_args_is_help=True,
    help="A flow's checkpoints: look at them, and after them. `list`, `verify` and `export` only read; a read-only "
    "mount is enough.",
)

Root = Annotated[Path, typer.Argument(metavar="DIR", help="A flow's folder, or the mount of its volume.")]
Identity = Annotated[str, typer.Argument(metavar="ID", help="A checkpoint, as `list` names it.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_(root: Root, as_json: Json = False) -> None:
    """List the checkpoints, newest first; those that an abandoned or fenced attempt left are marked hidden.

    Example: cflow checkpoints list tv-deblur.flow
    """
    with plain_errors():
        _show(_listing(root, deep=False), as_json=as_json)


@app.command()
def verify(
    root: Root,
    as_json: Json = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every byte of every array, not only the manifests.")
    ] = False,
) -> None:
    """Verify the checkpoints against their digests; exit 65 when one is damaged.

    Example: cflow checkpoints verify tv-deblur.flow --deep
    """
    with plain_errors():
        found = _listing(root, deep=deep)
        _show(found, as_json=as_json)
        damaged = [one for one in found if one.problem]
        if not as_json:
            how = "every byte" if deep else "manifests"
            sys.stdout.write(f"{len(found) - len(damaged)} of {len(found)} checkpoints are intact ({how})\n")
        if damaged:
            raise SystemExit(int(ExitCode.DATA))


@app.command("pin")
def pin_(
    root: Root,
    identity: Identity,
    remove: Annotated[bool, typer.Option("--remove", help="Leave it to retention again.")] = False,
) -> None:
    """Keep a checkpoint for good, whatever retention says.

    Example: cflow checkpoints pin tv-deblur.flow 000000000400-e000001-3fa2c1
    """
    with plain_errors():
        pin(root, identity, wanted=not remove)
        sys.stdout.write(f"{identity} is {'no longer pinned' if remove else 'pinned'}\n")


@app.command()
def gc(
    root: Root,
    keep: Annotated[int, typer.Option(min=1, help="Good checkpoints of the newest revision to keep.")] = 3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; remove nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Remove old checkpoints of a flow that isn't running; a running flow does it by itself.

    The newest good ones of the newest revision stay, one of every other, and those that are pinned or continued from.

    Example: cflow checkpoints gc tv-deblur.flow --keep 1 --dry-run
    """
    with plain_errors():
        gone = thin_out(root, keep, dry_run=dry_run)
        if as_json:
            body = [{"revision": revision, "id": name} for revision, name in gone]
            sys.stdout.write(json.dumps({"dryRun": dry_run, "removed": body}) + "\n")
            return
        sys.stdout.writelines(f"{'would remove' if dry_run else 'removed'} {name} of {one}\n" for one, name in gone)
        sys.stdout.write(f"{len(gone)} checkpoints {'would go' if dry_run else 'went'}\n")


@app.command("export")
def export_(
    root: Root,
    target: Annotated[Path, typer.Argument(metavar="OUT", help="A new file, or a new folder for Orbax.")],
    checkpoint: Annotated[
        str, typer.Option("--checkpoint", metavar="ID", help="Which one; default: the newest good one.")
    ] = "",
    form: Annotated[
        Format | None,
        typer.Option("--format", metavar="FORMAT", help="npz, safetensors or orbax. Default: by the suffix of OUT."),
    ] = None,
) -> None:
    """Write a checkpoint's arrays for other programs, after verifying every byte.

    The variables stand under their own names, whatever the method keeps; beside them stands all else of the run, such
    as `state/…`.

    Examples:
      cflow checkpoints export tv-deblur.flow state.npz

      cflow checkpoints export tv-deblur.flow state.orbax --checkpoint 000000000400-e000001-3fa2c1
    """
    with plain_errors():
        found = read_checkpoint(root, checkpoint)
        for sentence in export(found, _variables(root, found.ref.revision), target, form):
            sys.stderr.write(f"cflow: note: {sentence}\n")
        sys.stdout.write(f"{target}: arrays of {found.ref.id} (revision {found.ref.revision})\n")


def _variables(root: Path, revision: str) -> list[str]:
    """The names of the flow's variables; none of an entry point's, or where nobody can read what was computed."""
    try:
        flow = RevisionFile.model_validate_json(Layout(root).revision_file(revision).read_bytes()).tuple.flow
    except (OSError, ValueError):
        return []
    return list(flow.get("variables", {}))


def _listing(root: Path, *, deep: bool) -> list[Listed]:
    if not Layout(root).revisions.is_dir():
        raise DataError(f"{root} holds no flow", remedy="Give the --root of `cflow run`, or a flow's volume.")
    return list_checkpoints(root, deep=deep)


def _show(found: list[Listed], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps([dataclasses.asdict(one) for one in found]) + "\n")
        return
    from rich.console import Console  # noqa: PLC0415 - tables only
    from rich.table import Table  # noqa: PLC0415

    table = Table("revision", "checkpoint", "iteration", "reason", "size", "state", box=None)
    for one in found:
        state = f"damaged: {one.problem}" if one.problem else "good" if one.good else "not good"
        marks = ("" if one.visible else ", hidden") + (", pinned" if one.pinned else "")
        table.add_row(one.ref.revision, one.ref.id, str(one.ref.iteration), one.reason, _size(one.bytes), state + marks)
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
