"""`kubectl cflow dashboard`: flows of a cluster in a browser, with the caller's own rights."""

from __future__ import annotations

from typing import Annotated

import typer

from flowclient.kube.application import Context, Every, Selector, app
from flowclient.kube.kubectl import Kubectl


@app.command()
def dashboard(
    context: Context,
    every: Every = False,
    labels: Selector = "",
    port: Annotated[int, typer.Option("--port", metavar="N", help="Where to listen; 0 takes a free one.")] = 0,
    show: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
) -> None:
    """Show flows in a browser, live, with your own rights. Nothing in the cluster is exposed or changed.

    Ctrl-C ends it. It listens on 127.0.0.1 alone, and asks for the token that is part of the printed address.

    Examples:
      kubectl cflow dashboard

      kubectl cflow dashboard -A -l team=imaging --port 8765
    """
    from flowclient.dashboard.server import serve  # noqa: PLC0415 - numpy: not for every command
    from flowclient.kube.source import Cluster  # noqa: PLC0415

    kubectl: Kubectl = context.obj
    serve(Cluster(kubectl, every=every, labels=labels), port, show=show)
