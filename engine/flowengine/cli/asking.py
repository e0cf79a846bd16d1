"""`cflow compare`, `query` and `init`. `flowclient` does the work."""

import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flowengine.cli.messages import plain_errors
from flowengine.cli.typed import program

if TYPE_CHECKING:
    from flowclient.compare import Comparison

Roots = Annotated[list[Path], typer.Argument(metavar="DIR...", help="Flows' folders, or mounts of their volumes.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PLAIN_WIDTH = 160


def compare(
    roots: Roots,
    out: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Draw the curves, as PNG.")] = None,
    as_json: Json = False,
) -> None:
    """Compare flows: what was asked differently, what each has found, whether the bits are the same.

    Example: cflow compare weight-1.flow weight-2.flow -o curves.png
    """
    with plain_errors():
        from flowclient import compare as comparing  # noqa: PLC0415 - commands that run flows do without
        from flowclient.flows import open_flow  # noqa: PLC0415
        from flowclient.taking import put_file  # noqa: PLC0415

        flows = [open_flow(root) for root in roots]
        found = comparing.compare(flows)
        if out:
            put_file(out, comparing.figure(flows))
        if as_json:
            sys.stdout.write(json.dumps(comparing.as_dict(found)) + "\n")
        else:
            _show(found)


def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One statement, in DuckDB's SQL.")],
    roots: Roots,
    form: Annotated[
        Literal["table", "csv", "json"] | None,
        typer.Option("--format", metavar="FORMAT", help="table, csv or json. Default: table on a terminal, else csv."),
    ] = None,
) -> None:
    """Ask flows' telemetry in SQL: the views are `telemetry`, `events`, `checkpoints` and `runs`.

    Each iteration is there once, as the newest state came about; `root` and `revision` tell the flows apart.

    Examples:
      cflow query "SELECT iter, E, residual FROM telemetry ORDER BY iter DESC LIMIT 5" tv-deblur.flow

      cflow query "SELECT root, state, iterations, energy FROM runs" *.flow
    """
    with plain_errors():
        from flowclient.flows import open_flow  # noqa: PLC0415 - commands that run flows do without
        from flowclient.query import ask, every_revision  # noqa: PLC0415

        flows = [one for root in roots for one in every_revision(open_flow(root))]
        columns, rows = ask(sql, flows)
        _answer(columns, rows, form or ("table" if sys.stdout.isatty() else "csv"))


def init(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the flow: lower-case letters, digits, hyphens.")] = "",
    start: Annotated[
        str, typer.Option("--from", metavar="START", help="A starting point; without a NAME they are listed.")
    ] = "denoise",
    folder: Annotated[Path, typer.Option("--folder", metavar="DIR", help="Where to write it.")] = Path(),
    data: Annotated[bool, typer.Option("--data", help="Small made-up data, too, so that it runs at once.")] = False,
) -> None:
    """Write a commented manifest to start from: NAME.yaml.

    Examples:
      cflow init

      cflow init my-picture --from denoise --data
    """
    with plain_errors():
        from flowclient.starting import begin, starters  # noqa: PLC0415 - commands that run flows do without

        if not name:
            sys.stdout.writelines(f"{start:16}{about}\n" for start, about in starters().items())
            return
        written = begin(name, start, folder, data=data)
        sys.stdout.writelines(f"{path}\n" for path in written)
        path = f"PYTHONPATH={folder} " if any(one.suffix == ".py" for one in written) else ""
        cflow = f"{path}{program()}"
        sys.stdout.write(f"Next: {cflow} lint {written[0]}; {cflow} run {written[0]}\n")


def _show(found: "Comparison") -> None:
    from rich.console import Console  # noqa: PLC0415 - tables only
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    for rows in (found.asked, found.found):
        if rows:
            table = Table("", box=None)
            for name in found.names:
                table.add_column(Text(name))
            for name, values in rows:
                table.add_row(Text(name), *(Text(value) for value in values))
            console.print(table)
            console.print()
    for sentence in found.remarks:
        console.print(Text(sentence))


def _answer(columns: list[str], rows: list[tuple[Any, ...]], form: str) -> None:
    if form == "json":
        sys.stdout.write(json.dumps([dict(zip(columns, row, strict=True)) for row in rows], default=str) + "\n")
        return
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([columns, *rows] if columns else [])
        return
    from rich.console import Console  # noqa: PLC0415 - tables only
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None)
    for name in columns:
        table.add_column(Text(name))
    for row in rows:
        table.add_row(*(Text("–" if value is None else str(value)) for value in row))
    Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH).print(table)
