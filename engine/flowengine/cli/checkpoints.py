"""`cflow checkpoints`: what is on a volume, and whether it is whole."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from flowapi.errors import DataError
from flowapi.report import ExitCode
from flowengine.cli.messages import plain_errors
from flowengine.store import Layout, Listed, list_checkpoints

app = typer.Typer(no_args_is_help=True, help="Look at a flow's checkpoints. Reads only; a read-only mount is enough.")

Root = Annotated[Path, typer.Argument(metavar="DIR", help="A flow's folder, or the mount of its volume.")]
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
        hidden = "" if one.visible else ", hidden"
        table.add_row(
            one.ref.revision, one.ref.id, str(one.ref.iteration), one.reason, _size(one.bytes), state + hidden
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
