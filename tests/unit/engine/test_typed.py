"""Hints name `cflow` as this shell finds it."""

import sys

import pytest

from flowengine.cli.typed import program, same_command


@pytest.fixture
def installed(tmp_path):
    """A `cflow` in a folder, as an installation has it."""
    script = tmp_path / "bin" / "cflow"
    script.parent.mkdir()
    script.touch(mode=0o755)
    return script


def test_one_that_is_found_by_name_is_called_by_name(installed, monkeypatch):
    monkeypatch.setenv("PATH", str(installed.parent))
    monkeypatch.setattr(sys, "argv", [str(installed), "run", "a.yaml"])
    assert same_command() == "cflow run a.yaml"


@pytest.mark.parametrize("path", ["", "/usr/bin"])
def test_one_that_is_not_is_called_as_it_was_typed(installed, monkeypatch, path):
    monkeypatch.setenv("PATH", path)
    monkeypatch.chdir(installed.parent.parent)
    monkeypatch.setattr(sys, "argv", ["bin/cflow", "run", "my flow.yaml", "--until", "30", "--fresh", "--from=x"])
    assert same_command() == "bin/cflow run 'my flow.yaml'"


def test_another_one_of_the_path_is_not_this_one(installed, tmp_path, monkeypatch):
    other = tmp_path / "other" / "cflow"
    other.parent.mkdir()
    other.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(other.parent))
    monkeypatch.setattr(sys, "argv", [str(installed)])
    assert program() == str(installed)


def test_a_module_that_python_runs_is_called_by_name(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["flowengine/cli/__main__.py"])
    assert program() == "cflow"
