"""The commands of docs/results.md, as written, on flows that were killed once."""

import re
import shlex
from pathlib import Path

from kit import folders
from kit.dashboards import until_interrupted
from kit.runs import here, run

PAGE = Path(__file__).parents[2] / "docs" / "results.md"


def test_the_commands_of_the_page_run(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, weight in (("tv-deblur", 0.25), ("weight-1", 0.25), ("weight-2", 0.5)):
        folders.ended(tmp_path / f"{name}.flow", flow={**folders.FLOW, "params": {"lam": {"value": weight}}})
    commands = [
        shlex.split(line, comments=True) for line in re.findall(r"^    (cflow .*)$", PAGE.read_text(), re.MULTILINE)
    ]
    assert {words[1] for words in commands} == {"result", "report", "dashboard", "compare", "query", "init", "run"}
    runners = {"run": run, "dashboard": until_interrupted}
    for words in commands:
        runners.get(words[1], here)(*words[1:])
    assert (tmp_path / "my-picture.flow" / "result" / "x.npy").exists()
