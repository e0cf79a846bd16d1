"""The table of failures on a laptop: exit codes that the commands give, and reasons that the code knows."""

import ast
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from flowapi import errors
from flowapi.report import ExitCode
from kit.pages import ROOT
from kit.runs import here

PAGE = (ROOT / "docs" / "failure-modes.md").read_text(encoding="utf-8")
LAPTOP, _, CLUSTER = PAGE.partition("## On a cluster")
CORE = ROOT / "operator" / "flowoperator" / "core"
BASE = """
data: {b: {npy: b.npy}}
variables: {x: {like: b}}
operators: {D: {gradient: {}}}
terms:
- {atom: quadratic, arg: x, data: b}
- {atom: norm_l21, arg: D x, weight: 0.1}
stop: {maxIterations: 10}
"""
Edit = Callable[[dict], object]
EDITS: dict[str, Edit] = {
    "Unknown key, atom or operator": lambda flow: flow["terms"][0].update(atom="lasso"),
    "A key that this version doesn't act on": lambda flow: flow.update(tuner={}),
    "A name that nothing defines": lambda flow: flow["terms"][1].update(arg="E x"),
    "A forced role or algorithm is impossible": lambda flow: flow.update(policy={"algorithm": "fista"}),
    "An atom that is not convex behind an operator": lambda flow: flow["terms"].append(
        {"atom": "cardinality", "arg": "D x", "count": 2}
    ),
    "A term without a Lipschitz constant forced": lambda flow: flow["terms"].append(
        {"atom": "log_barrier", "arg": "x", "as": "smooth"}
    ),
    "Bounds on one variable that no number is within": lambda flow: flow["terms"].extend(
        [{"atom": "box", "arg": "x", "lo": 1}, {"atom": "box", "arg": "x", "hi": 0}]
    ),
    "A constraint with a `weight`": lambda flow: flow["terms"].append({"atom": "nonnegative", "arg": "x", "weight": 2}),
    "Labels other than −1 and 1": lambda flow: flow["terms"].append({"atom": "hinge", "arg": "x", "data": "b"}),
    "A data file is missing or unreadable": lambda flow: flow["data"].update(b={"npy": "c.npy"}),
    "NaN or infinities in the data": lambda flow: flow["data"].update(b={"npy": "nan.npy"}),
    "A wavelet that is unknown or not orthogonal": lambda flow: flow["terms"].append(
        {"atom": "wavelet_l1", "arg": "x", "name": "db99"}
    ),
    "Operators made of themselves": lambda flow: flow["operators"].update(D={"compose": ["D", "D"]}),
    "Shapes of data, operator and variable don't fit": lambda flow: flow["variables"].update(x={"shape": [3, 3]}),
    "An `entrypoint` whose module or function is missing": lambda flow: (
        flow.update(entrypoint="nowhere:build"), [flow.pop(key) for key in ("variables", "operators", "terms")],
    ),
}  # fmt: skip


def exit_of(title: str) -> int:
    """What the row of the page says."""
    (row,) = [line for line in LAPTOP.splitlines() if line.startswith(f"| {title}")]
    return int(row.split(" | ")[1])


@pytest.mark.parametrize("title", EDITS)
def test_a_refusal_has_the_exit_code_of_its_row_and_names_the_place(tmp_path, monkeypatch, title) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("b.npy", np.full((4, 4), 0.5))
    np.save("nan.npy", np.full((4, 4), np.nan))
    flow = yaml.safe_load(BASE)
    EDITS[title](flow)
    Path("flow.yaml").write_text(yaml.safe_dump({"flow": flow}))
    said = here("lint", "flow.yaml", code=exit_of(title))
    assert re.match(r"cflow: flow\.[\w.\[\]]+: .+\. .+[.?]", said), said


def test_every_exit_code_is_on_the_page() -> None:
    codes = set(re.findall(r"\| (\d+)", LAPTOP)) | set(re.findall(r"/ (\d+) \|", LAPTOP))
    assert {str(int(code)) for code in ExitCode} - {"0"} <= codes


def reasons() -> set[str]:
    """Those of the engine's errors, and those that the operator's decision gives a condition."""
    found = {one.reason for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.FlowError)}
    for path in CORE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"conditions.stalled", "conditions.waiting"}:
                first = node.args[0]
                found |= {first.value} if isinstance(first, ast.Constant) else set()
    return found


@pytest.mark.parametrize("reason", sorted(reasons()))
def test_every_reason_is_on_the_page(reason) -> None:
    assert re.search(rf"(/|`){reason}\b", CLUSTER), reason
