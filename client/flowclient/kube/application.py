"""The application that all commands of `kubectl cflow` belong to, and the options that several have."""

from __future__ import annotations

from typing import Annotated

import typer

from flowapi.errors import DocumentError
from flowclient.kube import showing

app = typer.Typer(
    name="kubectl cflow",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Flows on a cluster, with your own rights: everything goes through kubectl.\n\n"
    "kubectl's own flags (-n, --context, --kubeconfig, --as, ...) may stand anywhere.",
)

Context = typer.Context
Name = Annotated[str, typer.Argument(metavar="NAME", help="A flow.")]
Output = Annotated[str, typer.Option("--output", "-o", metavar="FORMAT", help="wide, json, yaml or name.")]
Every = Annotated[bool, typer.Option("--all-namespaces", "-A", help="In all namespaces.")]
Selector = Annotated[str, typer.Option("--selector", "-l", metavar="LABELS", help="Only flows with these labels.")]


def output_of(word: str) -> showing.Output:
    """A word after -o.

    Raises:
        DocumentError: it is none that is known.
    """
    for one in showing.OUTPUTS:
        if one == word:
            return one
    raise DocumentError(f"unknown output `{word}`", path="--output", remedy="Known: wide, json, yaml, name.")
