"""`cflow compare`, `query`, `init`, and the block that `cflow run` shows."""

import io
import json

import pytest
from rich.console import Console

from flowapi.reader import read_one
from flowapi.report import RunReport, SavedCheckpoint
from flowapi.spec import load_manifest
from flowclient.starting import begin, starters
from flowengine.cli.block import Block
from flowengine.cli.spark import MOST, Trace
from kit import folders
from kit.runs import here

OTHER = {**folders.FLOW, "params": {"lam": {"value": 0.5}}}


def test_query_sees_each_iteration_once_also_after_a_b_a(tmp_path) -> None:
    a = folders.interrupted(tmp_path)
    b = folders.epoch(tmp_path, range(10, 31, 10), flow=OTHER, saved=(30,))
    folders.epoch(tmp_path, range(70, 91, 10), saved=(90,))
    sql = "SELECT revision, list(iter ORDER BY iter) AS k, max(epoch) AS e FROM telemetry GROUP BY revision"
    found = {
        row["revision"]: (row["k"], row["e"]) for row in json.loads(here("query", sql, tmp_path, "--format", "json"))
    }
    assert found == {a: (list(range(10, 91, 10)), 4), b: ([10, 20, 30], 3)}
    rows = here("query", "SELECT revision, interruptions, rollbacks, abandoned_rows FROM runs ORDER BY 2", tmp_path)
    assert rows.splitlines() == ["revision,interruptions,rollbacks,abandoned_rows", f"{b},0,0,0", f"{a},1,1,2"]
    assert "The views are telemetry(root, run_id" in here("query", "SELECT", tmp_path, code=64)


def test_compare_says_what_was_asked_differently(tmp_path) -> None:
    folders.ended(tmp_path / "one")
    folders.ended(tmp_path / "two", flow=OTHER)
    said = here("compare", tmp_path / "one", tmp_path / "two", "-o", tmp_path / "curves.png")
    assert ["flow.params.lam.value", "0.25", "0.5"] in [line.split() for line in said.splitlines()]
    assert "the energies are not of the same function" in said
    assert "The results are the same, bit by bit." in said
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"
    found = json.loads(here("compare", tmp_path / "one", tmp_path / "one", "--json"))
    assert (found["asked"], found["found"]["energy"]) == ({}, ["1.016", "1.016"])


@pytest.mark.parametrize("start", starters())
def test_every_starting_point_is_a_manifest_with_its_data(tmp_path, start) -> None:
    path, *others = begin("my-flow", start, tmp_path, data=True)
    data = [one for one in others if one.suffix != ".py"]
    manifest = load_manifest(read_one(path))
    assert manifest.name == "my-flow"
    assert {str(one.relative_to(tmp_path)) for one in data} == set(manifest.document.files.values())
    modules = [f"{one.stem}:build" for one in others if one.suffix == ".py"]
    assert modules == ([manifest.document.entrypoint] if manifest.document.entrypoint else [])


def test_init_overwrites_nothing_and_names_what_it_knows(tmp_path) -> None:
    assert "denoise" in here("init")
    assert "Next: cflow lint" in here("init", "a", "--folder", tmp_path)
    assert "is there already" in here("init", "a", "--folder", tmp_path, code=65)
    assert "Known: completion" in here("init", "b", "--from", "x", "--folder", tmp_path, code=64)
    assert "no name of a flow" in here("init", "../b", "--folder", tmp_path, code=64)


def report(**more) -> RunReport:
    saved = SavedCheckpoint(revision="a" * 10, id="c", iteration=400, digest="d")
    values = {
        "state": "Running",
        "iteration": 500,
        "max_iterations": 1000,
        "energy": 1.5,
        "residual": 1e-3,
        "rate": 99.4,
        "eta": 5.0,
    }
    return RunReport(revision="a" * 10, attempt=1, saved=saved, **{**values, **more})


@pytest.mark.parametrize("width", [60, 120])
def test_the_block_on_a_terminal_fits_and_says_what_counts(width) -> None:
    times = iter([10.0, 25.0])
    block = Block("denoise", Console(file=io.StringIO(), width=width, force_terminal=True), lambda: next(times))
    for k in range(1, 50):
        block._residuals.add(k, 1 / k)
    block.observe(report(warnings=("mind this",), controller="GREEN"))
    text = block.text().plain
    assert max(map(len, text.splitlines())) <= width
    for words in (
        "iteration 500/1000  99 it/s  5 s left",
        "energy 1.5  residual 0.001",
        "✓ GREEN",
        "iteration 400, 15 s ago",
    ):
        assert words in text
    assert "█" in text
    assert "warning: mind this" in block.console.file.getvalue()


def test_a_sparkline_of_any_length_keeps_its_peak_and_little_memory() -> None:
    trace = Trace()
    for k in range(100_000):
        trace.add(k, 5.0 if k == 70_000 else 1.0 if k else 0.0)
    assert len(trace._largest) <= MOST
    line = trace.line(40)
    assert len(line) <= 40
    assert line.count("█") == 1
    assert Trace().line(40) == ""
