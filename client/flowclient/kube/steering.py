"""The commands of `kubectl cflow` that change a flow's spec, and the support bundle."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from flowclient.kube import changes
from flowclient.kube.application import Context, Name, app
from flowclient.kube.kubectl import Json, Kubectl

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change; change nothing.")]


def _change(kubectl: Kubectl, flow: Json, operations: list[Json], what: str, *, dry_run: bool = False) -> None:
    name = flow["metadata"]["name"]
    if not operations:
        sys.stdout.write(f"{name} unchanged: it is {what} already\n")
        return
    if not dry_run:
        kubectl.patch(flow, operations)
    sys.stdout.write(f"{name} {'would be ' if dry_run else ''}{what}\n")
    sys.stderr.write(f"kubectl cflow: note: {changes.warning(flow)}\n")


@app.command()
def suspend(context: Context, name: Name, dry_run: DryRun = False) -> None:
    """Stop a flow at a checkpoint. It waits until it is resumed.

    Example: kubectl cflow suspend tv-deblur
    """
    kubectl: Kubectl = context.obj
    flow = kubectl.flow(name)
    _change(kubectl, flow, changes.suspend(flow, wanted=True), "suspended", dry_run=dry_run)


@app.command()
def resume(context: Context, name: Name, dry_run: DryRun = False) -> None:
    """Let a suspended flow go on from its checkpoint.

    Example: kubectl cflow resume tv-deblur
    """
    kubectl: Kubectl = context.obj
    flow = kubectl.flow(name)
    _change(kubectl, flow, changes.suspend(flow, wanted=False), "resumed", dry_run=dry_run)


@app.command()
def retry(context: Context, name: Name, dry_run: DryRun = False) -> None:
    """Try a stalled flow again: this writes another spec.retryNonce.

    Example: kubectl cflow retry tv-deblur
    """
    kubectl: Kubectl = context.obj
    flow = kubectl.flow(name)
    nonce = _nonce()
    _change(kubectl, flow, changes.retry(nonce), f"tried again (retryNonce {nonce})", dry_run=dry_run)


@app.command()
def rollback(
    context: Context,
    name: Name,
    to: Annotated[
        str,
        typer.Option(
            "--to", metavar="REV", help="r1, 1 or its hash. Default: the stable revision, else the one before."
        ),
    ] = "",
    dry_run: DryRun = False,
) -> None:
    """Go back to an earlier revision: it continues from its own newest checkpoint, bit for bit.

    Where a GitOps tool manages the flow, it undoes this: make the same change in Git (`git revert`).

    Examples:
      kubectl cflow rollback tv-deblur

      kubectl cflow rollback tv-deblur --to r1 --dry-run
    """
    from flowclient.kube.cluster import revision_file  # noqa: PLC0415 - numpy: not for every command

    kubectl: Kubectl = context.obj
    flow = kubectl.flow(name)
    record = changes.record(flow, to)
    operations = changes.rollback(flow, revision_file(kubectl, flow, record.hash))
    _change(kubectl, flow, operations, f"rolled back to r{record.number} ({record.hash})", dry_run=dry_run)


@app.command()
def restore(
    context: Context,
    name: Name,
    checkpoint: Annotated[
        str, typer.Argument(metavar="CHECKPOINT", help="As `checkpoints` names it, or REVISION/CHECKPOINT.")
    ],
    dry_run: DryRun = False,
) -> None:
    """Go on from a checkpoint of your choice, once: this writes spec.restore with a new nonce.

    Example: kubectl cflow restore tv-deblur 000000000400-e000001-3fa2c1
    """
    kubectl: Kubectl = context.obj
    flow = kubectl.flow(name)
    operations = changes.restore(flow, checkpoint, _nonce())
    place = operations[0]["value"]["checkpoint"]
    _change(kubectl, flow, operations, f"restored from {place}", dry_run=dry_run)


def _nonce() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")


@app.command("support-bundle")
def support_bundle(
    context: Context,
    name: Name,
    out: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Default: NAME-support.tar.gz.")
    ] = None,
    logs: Annotated[bool, typer.Option("--logs/--no-logs", help="The last 2,000 lines of each pod's log, too.")] = True,
) -> None:
    """Gather what somebody needs who is to help you: the flow, its objects, events and logs, in one archive.

    Values of environment variables, inline data and what kubectl keeps of the last apply are left out. Logs are what
    the engine and its libraries wrote: look at them before you send them.

    Example: kubectl cflow support-bundle tv-deblur
    """
    from flowclient.kube import bundle  # noqa: PLC0415 - numpy: not for every command
    from flowclient.taking import put_file  # noqa: PLC0415

    kubectl: Kubectl = context.obj
    target = out or Path(f"{name}-support.tar.gz")
    files = bundle.gather(kubectl, kubectl.flow(name), logs=logs)
    put_file(target, bundle.packed(name, files))
    sys.stdout.write(f"{target}: {', '.join(sorted(files))}\n")
