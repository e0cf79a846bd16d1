"""`cflow atoms`, `operators` and `plan`: what they print runs as printed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CFLOW = Path(sys.executable).parent / "cflow"
ROOT = Path(__file__).parent.parent.parent


def cflow(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run([CFLOW, *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("kind", "name"), [("atoms", "kullback_leibler"), ("operators", "incidence")])
def test_a_printed_example_runs_as_it_is(tmp_path, kind, name) -> None:
    done = cflow(kind, name)
    head, example = done.stdout.split("\n\n", 1)
    assert head.startswith(f"{name}: ")
    (tmp_path / "flow.yaml").write_text(example)
    ran = cflow("run", tmp_path / "flow.yaml", "--root", tmp_path / "out", "--quiet")
    assert ran.returncode == 0, ran.stderr
    assert json.loads((tmp_path / "out/result/summary.json").read_text())["reason"] == "Converged"


def test_lists_and_a_misspelt_name() -> None:
    assert {"quadratic", "tv", "simplex"} <= {one["name"] for one in json.loads(cflow("atoms", "--json").stdout)}
    assert "conv " in cflow("operators").stdout
    wrong = cflow("atoms", "hubr")
    assert wrong.returncode == 65
    assert "Did you mean `huber`?" in wrong.stderr


def test_a_plan_names_method_cost_and_what_would_help() -> None:
    manifest = ROOT / "examples/deblur/deblur.yaml"
    assert "tv-deblur: admm" in cflow("plan", manifest).stdout
    plan = json.loads(cflow("plan", manifest, "--json").stdout)
    assert plan["cost"]["state"] == pytest.approx(7 * 512 * 512 * 8, rel=0.01)
    assert any("float32" in hint for hint in plan["advice"])
    assert not any("spec.flow.terms" in hint for hint in plan["advice"])
