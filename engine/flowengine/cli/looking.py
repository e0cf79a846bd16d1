"""`cflow result` and what else only looks at a flow's folder, of one that runs, too. `flowclient` does the work."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from flowengine.cli.messages import plain_errors

Root = Annotated[Path, typer.Argument(metavar="DIR", help="A flow's folder, or the mount of its volume.")]
Revision = Annotated[
    str, typer.Option("--revision", metavar="HASH", help="Default: the revision that had the folder last.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def result(
    root: Root,
    out: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="OUT", help="A new folder. Default: NAME-result.")
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format", "-f", metavar="FORMAT", help="npy, npz, csv, png, tiff, safetensors; may be repeated."
        ),
    ] = None,
    revision: Revision = "",
    as_json: Json = False,
) -> None:
    """Take the result out of a flow's folder: arrays for other programs, summary, telemetry.

    Every byte is verified. Of a flow that has not ended the variables come from its newest checkpoint, and the summary
    says `provisional`. Without --format: npy, a png of each picture, a csv of each vector.

    Examples:
      cflow result tv-deblur.flow -o deblurred

      cflow result tv-deblur.flow -o deblurred -f tiff -f safetensors
    """
    with plain_errors():
        from flowclient.flows import open_flow  # noqa: PLC0415 - commands that run flows do without
        from flowclient.formats import known_formats  # noqa: PLC0415
        from flowclient.results import result_of  # noqa: PLC0415
        from flowclient.taking import about, take  # noqa: PLC0415

        wanted = known_formats(formats or [])
        flow = open_flow(root, revision)
        found = result_of(flow)
        target = out or Path(f"{flow.name}-result")
        for note in take(flow, found, target, wanted):
            sys.stderr.write(f"cflow: note: {note}\n")
        if as_json:
            sys.stdout.write(json.dumps({"folder": str(target), **about(flow, found)}) + "\n")
            return
        where = f"checkpoint {found.checkpoint}, the flow has not ended" if found.provisional else flow.state
        sys.stdout.write(f"{target}: {flow.name} at iteration {found.iteration} ({where})\n")
        sys.stdout.writelines(f"  {name}  sha256 {digest}\n" for name, digest in found.sha256.items())


def report(
    root: Root,
    out: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Default: report.html in DIR; a .png beside it."),
    ] = None,
    revision: Revision = "",
    as_json: Json = False,
) -> None:
    """Write a page about a flow, also while it runs: curves, interruptions, checkpoints, result, what was asked.

    The HTML needs no network and prints well; a PNG of the curves stands beside it.

    Example: cflow report tv-deblur.flow -o report.html
    """
    with plain_errors():
        from flowclient import report as reports  # noqa: PLC0415 - commands that run flows do without
        from flowclient.flows import open_flow  # noqa: PLC0415
        from flowclient.taking import put_file  # noqa: PLC0415

        flow = open_flow(root, revision)
        if as_json:
            sys.stdout.write(reports.as_json(flow) + "\n")
            return
        target = out or root / "report.html"
        found, missing = reports.result_or_none(flow)
        put_file(target, reports.page(flow, found, missing).encode())
        put_file(target.with_suffix(".png"), reports.figure(flow, found))
        sys.stdout.write(f"{target}\n{target.with_suffix('.png')}\n")


def dashboard(
    roots: Annotated[
        list[Path] | None,
        typer.Argument(metavar="DIR...", help="Flows' folders, or folders that hold some. Default: this folder."),
    ] = None,
    port: Annotated[int, typer.Option("--port", metavar="N", help="Where to listen; 0 takes a free one.")] = 0,
    show: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
) -> None:
    """Show flows in a browser, live: a list, a page about each, comparisons. Ctrl-C ends it.

    It listens on 127.0.0.1 alone, asks for the token that is part of the printed address, and only reads.

    Examples:
      cflow dashboard

      cflow dashboard ~/flows tv-deblur.flow --port 8765
    """
    with plain_errors():
        from flowclient.dashboard.folders import Folders  # noqa: PLC0415 - commands that run flows do without
        from flowclient.dashboard.server import serve  # noqa: PLC0415

        serve(Folders(roots or [Path()]), port, show=show)
