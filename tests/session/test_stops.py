"""What ends a run before its flow is done, and how the same command goes on."""

import json
import re
import signal

import pytest

from kit.manifests import write_flow
from kit.runs import final_state, kill_when, progress, run, same_end, saved, start, summary


def test_sigterm_loses_nothing_and_exits_75(tmp_path) -> None:
    manifest = write_flow(tmp_path / "flow", limit=40_000, every=100_000)
    root = tmp_path / "root"
    process = start("run", manifest, "--root", root)
    out = kill_when(process, lambda: progress(root) > 1_000, signal.SIGTERM)
    assert process.returncode == 75
    assert "the same command goes on" in out
    stopped = saved(root)
    assert stopped > 1_000
    assert json.loads((root / "fence" / "0000000001.progress").read_bytes())["lastIteration"] == stopped
    out = run("run", manifest, "--root", root)
    assert f"going on from iteration {stopped}" in out
    assert "lost" not in out
    whole = tmp_path / "whole"
    run("run", manifest, "--root", whole, "--quiet")
    same_end(root, whole)


def test_until_pauses_and_more_iterations_continue(tmp_path, whole) -> None:
    manifest = write_flow(tmp_path / "flow", limit=400)
    root = tmp_path / "root"
    run("run", manifest, "--root", root, "--until", "130", code=75)
    assert saved(root) == 130
    run("run", manifest, "--root", root)
    assert summary(root)["iterations"] == 400
    longer = write_flow(tmp_path / "flow", limit=900)
    run("run", longer, "--root", root)
    assert summary(root)["iterations"] == 900
    same_end(root, whole)


def test_a_finished_flow_reprints_its_result_and_computes_nothing(tmp_path) -> None:
    manifest = write_flow(tmp_path / "flow", limit=200)
    root = tmp_path / "root"
    first = run("run", manifest, "--root", root)
    before = final_state(root), summary(root)
    again = run("run", manifest, "--root", root)
    assert first.splitlines()[-1] == again.splitlines()[-1]
    assert (final_state(root), summary(root)) == before


@pytest.mark.parametrize("before", [300, 0])
def test_a_wall_time_stops_and_says_that_bits_depend_on_it(tmp_path, before) -> None:
    """With certificates behind it, and before its first one."""
    manifest = write_flow(tmp_path / "flow", limit=10_000_000)
    root = tmp_path / "root"
    if before:
        run("run", manifest, "--root", root, "--until", before, code=75)
    manifest.write_text(manifest.read_text().replace("maxIterations: 10000000", "wallTime: 0.001"))
    run("run", manifest, "--root", root)
    ended = summary(root)
    assert (ended["reason"], ended["bitIdentical"], ended["iterations"]) == ("TimeLimit", False, before)
    assert (ended["energy"] is None) == (before == 0)


def test_a_limit_that_comes_first_names_what_would_have_helped(tmp_path) -> None:
    """Momentum, and a step for every entry: the columns are a hundred times apart."""
    (tmp_path / "flow.yaml").write_text(
        "flow:\n  name: f\n  data: {b: {inline: [1, 2, 3]}, A: {inline: [[1, 100, 2], [2, 300, 1], [1, 50, 2]]}}\n"
        "  variables: {x: {shape: [3]}}\n  operators: {A: {matrix: {matrix: A}}}\n"
        "  terms: [{atom: quadratic, arg: A x, data: b}, {atom: l1, arg: x, weight: 0.1}]\n"
        "  policy: {algorithm: pg}\n  stop: {maxIterations: 20, residual: 1.0e-9}\n"
    )
    out = run("run", tmp_path / "flow.yaml", "--root", tmp_path / "root")
    (said,) = summary(tmp_path / "root")["warnings"]
    assert "raise flow.stop.maxIterations; `policy: {algorithm: fista}` adds momentum" in said
    assert "`policy: {preconditioner: jacobi}`" in said
    assert "tried on the same problem" not in out

    manifest = (tmp_path / "flow.yaml").read_text()
    (tmp_path / "flow.yaml").write_text(manifest.replace("maxIterations: 20", "maxIterations: 1000"))
    out = run("run", tmp_path / "flow.yaml", "--root", tmp_path / "root")
    assert re.search(r"tried on the same problem, `policy: \{.*\}` was there after \d+ iterations", out)
