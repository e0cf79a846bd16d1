"""The commands of `kubectl cflow` that read a flow's volume, through a pod that is there for them alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from flowclient.kube import showing
from flowclient.kube.application import Context, Name, Output, app, output_of
from flowclient.kube.kubectl import Kubectl


@app.command()
def checkpoints(context: Context, name: Name, output: Output = "") -> None:
    """List the checkpoints on a flow's volume, through a short-lived pod that reads it.

    Example: kubectl cflow checkpoints tv-deblur
    """
    from flowclient.kube.cluster import opened, volume  # noqa: PLC0415 - numpy: not for every command
    from flowclient.report import checkpoints as listed  # noqa: PLC0415

    kubectl: Kubectl = context.obj
    with volume(kubectl, kubectl.flow(name), arrays=False) as root:
        rows = listed(opened(root))
    if output_of(output) == "json":
        sys.stdout.write(json.dumps(rows) + "\n")
        return
    titles = ["ID", "ITERATION", "REASON", "BYTES", "STATE"]
    sys.stdout.write(showing.aligned([titles, *([str(cell) for cell in row.values()] for row in rows)]))


@app.command()
def result(
    context: Context,
    name: Name,
    out: Annotated[Path | None, typer.Option("--output-dir", "-o", metavar="DIR", help="Default: NAME-result.")] = None,
    formats: Annotated[
        list[str] | None, typer.Option("--format", "-f", help="npy, npz, csv, png, tiff, safetensors; may be repeated.")
    ] = None,
) -> None:
    """Fetch a flow's result, through a short-lived pod that reads its volume.

    The SHA-256 of each array is compared with the one in the flow's status. Of a flow that has not ended you get the
    variables of its newest checkpoint, marked as provisional.

    Examples:
      kubectl cflow result tv-deblur

      kubectl cflow result tv-deblur -o deblurred -f tiff
    """
    from flowclient.formats import known_formats  # noqa: PLC0415 - numpy: not for every command
    from flowclient.kube.cluster import check_digests, opened, volume  # noqa: PLC0415
    from flowclient.results import result_of  # noqa: PLC0415
    from flowclient.taking import take  # noqa: PLC0415

    kubectl: Kubectl = context.obj
    wanted = known_formats(formats or [])
    flow, target = kubectl.flow(name), out or Path(f"{name}-result")
    with volume(kubectl, flow, arrays=True) as root:
        found = opened(root)
        arrays = result_of(found)
        checked = check_digests(flow, arrays)
        for note in take(found, arrays, target, wanted):
            sys.stderr.write(f"kubectl cflow: note: {note}\n")
    sys.stdout.write(f"{target}: {name} at iteration {arrays.iteration}; {checked}\n")
    sys.stdout.writelines(f"  {array}  sha256 {digest}\n" for array, digest in arrays.sha256.items())


@app.command()
def report(
    context: Context,
    name: Name,
    out: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Default: NAME.html.")] = None,
) -> None:
    """Write a page about a flow, and a PNG of its curves, through a short-lived pod that reads its volume.

    Example: kubectl cflow report tv-deblur -o tv-deblur.html
    """
    from flowclient import report as reports  # noqa: PLC0415 - numpy: not for every command
    from flowclient.kube.cluster import opened, volume  # noqa: PLC0415
    from flowclient.taking import put_file  # noqa: PLC0415

    kubectl: Kubectl = context.obj
    target = out or Path(f"{name}.html")
    with volume(kubectl, kubectl.flow(name), arrays=True) as root:
        flow = opened(root)
        found, missing = reports.result_or_none(flow)
        put_file(target, reports.page(flow, found, missing).encode())
        put_file(target.with_suffix(".png"), reports.figure(flow, found))
    sys.stdout.write(f"{target}\n{target.with_suffix('.png')}\n")
