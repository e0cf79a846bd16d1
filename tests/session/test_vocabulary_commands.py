"""`cflow atoms`, `operators` and `plan`: what they print runs as printed."""

import json
from pathlib import Path

import pytest

from kit.runs import here, run, summary

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(("kind", "name"), [("atoms", "kullback_leibler"), ("operators", "incidence")])
def test_a_printed_example_runs_as_it_is(tmp_path, kind, name) -> None:
    head, example = here(kind, name).split("\n\n", 1)
    assert head.startswith(f"{name}: ")
    (tmp_path / "flow.yaml").write_text(example)
    run("run", tmp_path / "flow.yaml", "--root", tmp_path / "out", "--quiet")
    assert summary(tmp_path / "out")["reason"] == "Converged"


def test_lists_and_a_misspelt_name() -> None:
    assert {"quadratic", "tv", "simplex"} <= {one["name"] for one in json.loads(run("atoms", "--json"))}
    assert "conv " in here("operators")
    assert "Did you mean `huber`?" in here("atoms", "hubr", code=65)


def test_a_plan_names_method_cost_and_what_would_help() -> None:
    manifest = ROOT / "examples/deblur/deblur.yaml"
    assert "tv-deblur: admm" in here("plan", manifest)
    plan = json.loads(here("plan", manifest, "--json"))
    assert plan["cost"]["state"] == pytest.approx(7 * 512 * 512 * 8, rel=0.01)
    assert any("float32" in hint for hint in plan["advice"])
    assert not any("spec.flow.terms" in hint for hint in plan["advice"])
