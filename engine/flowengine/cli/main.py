"""`cflow`: run a flow on this machine, look at its checkpoints, check a manifest. No jax until a flow runs."""

from pathlib import Path
from typing import Annotated

import typer

from flowapi import catalogue
from flowengine.cli import asking, checkpoints, local, looking, serving, vocabulary

app = typer.Typer(
    name="cflow",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Runs long optimisation jobs (flows) that survive being killed.\n\n"
    "A manifest says what is minimised. `cflow run` works on it, saves checkpoints, and goes on where it was when "
    "the same command is given again. The same file is a Kubernetes resource.",
)
app.add_typer(checkpoints.app, name="checkpoints")
app.command()(looking.result)
app.command()(looking.report)
app.command()(looking.dashboard)
app.command()(asking.compare)
app.command()(asking.query)
app.command()(asking.init)
app.command("serve-volume", hidden=True)(serving.serve_volume)
app.command(hidden=True)(serving.pack)

File = Annotated[Path, typer.Argument(metavar="FILE", help="A manifest: a ComputableFlow, or a bare `flow:` document.")]
Root = Annotated[
    Path | None,
    typer.Option("--root", metavar="DIR", help="Where checkpoints and results go. Default: NAME.flow in this folder."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")]
Lines = Annotated[bool, typer.Option("--json", help="Print JSON: a line for each checkpoint, and the summary.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def run(
    file: File,
    root: Root = None,
    until: Annotated[
        int | None, typer.Option(min=1, metavar="K", help="Pause after iteration K, with a checkpoint.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start from the beginning, whatever is in DIR.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask before --fresh leaves checkpoints behind.")] = False,
    quiet: Quiet = False,
    as_json: Lines = False,
) -> None:
    """Run a flow, or go on with it.

    Ctrl-C saves a checkpoint and ends with exit code 75; the same command goes on. A second Ctrl-C leaves at once.
    The result is DIR/result: one .npy file for each variable, and summary.json.

    Examples:
      cflow run examples/deblur/deblur.yaml

      cflow run flow.yaml --root /scratch/flow --until 1000
    """
    local.run(file, root, until=until, fresh=fresh, yes=yes, quiet=quiet, as_json=as_json)


@app.command()
def lint(
    file: File,
    strict: Annotated[bool, typer.Option("--strict", help="Treat warnings as errors (exit 64).")] = False,
    as_json: Json = False,
) -> None:
    """Check a manifest and its data, and say what would run; nothing is computed.

    Example: cflow lint examples/deblur/deblur.yaml --strict
    """
    local.lint(file, strict=strict, as_json=as_json)


@app.command()
def plan(file: File, as_json: Json = False) -> None:
    """Say what would run and why, what an iteration costs, and what would make it cheaper.

    Example: cflow plan examples/deblur/deblur.yaml
    """
    local.plan(file, as_json=as_json)


@app.command()
def atoms(
    name: Annotated[str, typer.Argument(metavar="NAME", help="One of them, with its keys and a flow that runs.")] = "",
    as_json: Json = False,
) -> None:
    """List the terms that an energy can be made of.

    Example: cflow atoms huber
    """
    vocabulary.show(catalogue.atoms(), name, "atom", as_json=as_json)


@app.command()
def operators(
    name: Annotated[str, typer.Argument(metavar="NAME", help="One of them, with its keys and a flow that runs.")] = "",
    as_json: Json = False,
) -> None:
    """List the linear operators that a term's argument can be made of.

    Example: cflow operators gradient
    """
    vocabulary.show(catalogue.operators(), name, "operator", as_json=as_json)


@app.command()
def resume(
    root: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a flow that was run before.")],
    checkpoint: Annotated[
        str, typer.Option("--from", metavar="ID", help="Go back to this checkpoint; see `cflow checkpoints list`.")
    ] = "",
    quiet: Quiet = False,
    as_json: Lines = False,
) -> None:
    """Go on with a flow from its folder alone, or go back to one of its checkpoints.

    Example: cflow resume tv-deblur.flow --from 000000000400-e000001-3fa2c1
    """
    local.resume(root, checkpoint, quiet=quiet, as_json=as_json)
