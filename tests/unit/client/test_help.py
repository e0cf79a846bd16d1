"""`--help` of every command of `cflow` and `kubectl cflow` ends with an example, which the command takes as it stands."""

import shlex

import pytest
import typer

from flowclient.kube import commands, dashboard, fetching, steering
from flowclient.kube.application import app as plugin
from flowengine.cli.main import app as cflow

ADDED_BY = (commands, dashboard, fetching, steering)  # importing them adds the commands to the plugin


def found(group, words):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from found(command, [*words, name])
        elif not command.hidden:
            yield [*words, name], command


COMMANDS = {
    " ".join(words): (words, command)
    for app, name in ((cflow, ["cflow"]), (plugin, ["kubectl", "cflow"]))
    for words, command in found(typer.main.get_command(app), name)
}


def test_there_are_as_many_as_the_pages_say() -> None:
    assert len(COMMANDS) == 17 + 17


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_ends_with_an_example(name) -> None:
    words, command = COMMANDS[name]
    said, _, examples = command.help.partition("Example")
    lines = [line.strip() for line in examples.lstrip("s:").splitlines() if line.strip()]
    assert said.strip()
    assert lines
    for line in lines:
        given = shlex.split(line)
        assert given[: len(words)] == words
        command.make_context(name, given[len(words) :])


@pytest.mark.parametrize("name", COMMANDS)
def test_every_word_of_a_command_is_explained(name) -> None:
    _, command = COMMANDS[name]
    assert [one.name for one in command.params if one.name != "help" and not one.help] == []
