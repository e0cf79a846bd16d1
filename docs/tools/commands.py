"""The pages of the command lines, from the commands themselves."""

import re
from collections.abc import Iterator
from typing import Any

import typer
from tables import code, page, table

from flowclient.kube import commands, dashboard, fetching, steering
from flowclient.kube.application import app as plugin
from flowengine.cli.main import app as cflow

STATUS = {
    "0": "Done. A run that met its limit first ends with 0, too, and warns.",
    "64": "The manifest or the command line is wrong.",
    "65": "The data, the volume's content or the environment don't fit.",
    "70": "A bug, a hang, or no memory.",
    "74": "A file or the volume can't be read or written.",
    "75": "Stopped by a signal, Ctrl-C or `--until` after a checkpoint; the same command goes on.",
    "76": "The run is RED: the iterates diverged, or the problem has no solution.",
    "77": "Another process has the folder or volume.",
    "130": "A second Ctrl-C: left at once.",
}
ADDED_BY = (commands, dashboard, fetching, steering)  # importing them adds the commands to the plugin


def cflow_page() -> str:
    """`cflow` and its exit codes."""
    lead = (
        "`pip install 'computable-flows[engine,client]'` gives `cflow`. `--help` prints what is said here; "
        "`cflow --install-completion` teaches the shell its words."
    )
    codes = "## Exit codes\n\n" + table(["code", "meaning"], [(code(key), said) for key, said in STATUS.items()])
    return page("cflow", lead, *_sections(typer.main.get_command(cflow), "cflow"), codes)


def plugin_page() -> str:
    """`kubectl cflow`."""
    lead = (
        "`pip install 'computable-flows[client]'` puts `kubectl-cflow` beside `cflow`; kubectl finds it as a plugin. "
        "It does everything through kubectl, with your own rights. kubectl's flags (`-n`, `--context`, `--kubeconfig`, "
        "`--as`, …) may stand anywhere. How to use it, and how it reads a volume: "
        "[Flows on a cluster](../how-to/flows-on-a-cluster.md)."
    )
    codes = table(
        ["code", "meaning"],
        [
            ("`0`", "Done."),
            ("`1`", "kubectl refused; of `diff`: something differs; of `wait`: the flow is stalled."),
            ("`64`", "An unknown word."),
            ("`65`", "What is asked for is not there."),
            ("`74`", "A file can't be written."),
            ("`124`", "Of `wait`: not in time."),
        ],
    )
    sections = _sections(typer.main.get_command(plugin), "kubectl cflow")
    return page("kubectl cflow", lead, *sections, f"## Exit codes\n\n{codes}")


def _sections(group: Any, name: str) -> Iterator[str]:
    for word, command in group.commands.items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from _sections(command, f"{name} {word}")
        else:
            yield _section(f"{name} {word}", command)


def _section(name: str, command: Any) -> str:
    said, _, example = (command.help or "").partition("Example")
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    usage = " ".join([name, *map(_placed, arguments), "[OPTIONS]" if len(command.params) > len(arguments) + 1 else ""])
    rows = [*(_argument(one) for one in arguments), *(_option(one) for one in command.params if one.name != "help")]
    parts = [f"## {name}", f"`{usage.strip()}`", *(" ".join(one.split()) for one in said.split("\n\n") if one.strip())]
    if shown := [row for row in rows if row]:
        parts.append(table(["word", "default", "meaning"], shown))
    lines = [line.strip() for line in re.sub(r"^s?:", "", example).splitlines() if line.strip()]
    if lines:
        parts.append("For example:\n\n" + "\n".join(f"    {line}" for line in lines))
    return "\n\n".join(parts)


def _placed(one: Any) -> str:
    word = one.metavar or one.name.upper()
    return word if one.required else f"[{word}]"


def _argument(one: Any) -> tuple[str, str, str] | None:
    return (code(one.metavar or one.name.upper()), _shown(one.default), one.help) if one.help else None


def _option(one: Any) -> tuple[str, str, str] | None:
    if one.param_type_name == "argument" or one.hidden:
        return None
    words = ", ".join(one.opts)
    metavar = f" {one.metavar}" if one.metavar else ""
    return code(words + metavar), _shown(one.default), one.help or ""


def _shown(default: object) -> str:
    return code(default) if default and not callable(default) and default is not True else ""
