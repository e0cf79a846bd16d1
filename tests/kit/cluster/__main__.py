"""`python -P -m kit.cluster`: bring a cluster up, look at it, take it away."""

import sys
from typing import Annotated

import typer

from kit import cluster as kit
from kit.cluster import images
from kit.cluster.builtin import machine
from kit.cluster.errors import KitError
from kit.cluster.run import say

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)


@app.command()
def up(install: Annotated[bool, typer.Option("--install", help="Install the operator too.")] = False) -> None:
    """Bring up a cluster with the project's images on its nodes; one that is healthy stays."""
    cluster = kit.ensure(install=install)
    say(f"The cluster ({cluster.provider}) is up. export KUBECONFIG={cluster.kubeconfig}")


@app.command()
def prepare() -> None:
    """Build and install what a cluster is made of, without starting one; a person may be asked."""
    kit.prepare()


@app.command()
def down() -> None:
    """Take the cluster away without a trace; what is in the cache stays."""
    kit.down()
    say("No cluster of ours is on this machine any more.")


@app.command("images")
def build() -> None:
    """Build the engine's and the operator's images."""
    for image in images.build().values():
        print(image.name, image.archive)


@app.command()
def traces() -> None:
    """List what the built-in cluster has on this machine now."""
    for trace in machine.traces():
        print(trace)


if __name__ == "__main__":
    try:
        app()
    except KitError as error:
        say(f"Error: {error}")
        sys.exit(1)
