"""The page about a flow: self-contained, everything of the volume's escaped, interruptions marked where they were."""

import re

import numpy as np
import pytest

from flowapi.atoms import ATOMS
from flowclient import chart, formula, report, story
from flowclient.flows import open_flow
from flowclient.pictures import show
from flowengine.capsule import Curve
from kit import folders
from kit.runs import here


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> str:
    root = tmp_path_factory.mktemp("flow")
    folders.ended(root)
    said = here("report", root, "-o", root / "out" / "r.html")
    assert said.split() == [str(root / "out" / "r.html"), str(root / "out" / "r.png")]
    assert (root / "out" / "r.png").read_bytes()[:4] == b"\x89PNG"
    return (root / "out" / "r.html").read_text()


def test_the_page_needs_no_network_and_runs_no_script(page) -> None:
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "a &lt;b&gt;warning&lt;/b&gt;" in page


def test_the_page_says_what_was_asked_and_what_happened(page) -> None:
    assert "<mi>E</mi><mo>(</mo><mi>x</mi><mo>)</mo>" in page
    assert "<code>lam</code> = 0.25" in page
    assert "It met its stop rule at iteration 60. It was interrupted once" in page
    assert page.count('class="mark interruption"') == page.count("went on after an interruption at iteration 30")
    assert "7 iterations computed again" in page
    assert 'class="AMBER"' in page


def test_every_atom_has_a_formula() -> None:
    assert set(formula.FORMULAS) == set(ATOMS)
    for atom in ATOMS:
        assert "{" not in formula.energy({"terms": [{"atom": atom, "arg": "K x", "data": "b", "with": "y"}]})
    assert "<mi>&lt;x&gt;</mi>" in formula.energy({"terms": [{"atom": "l1", "arg": "<x>"}]})


def test_the_cost_of_an_interruption_is_the_time_between_kept_rows(tmp_path) -> None:
    folders.interrupted(tmp_path)
    flow = open_flow(tmp_path)
    cost = story.cost(flow, Curve.of_table(flow.history.table))
    assert (cost.interruptions, cost.lost_iterations) == (1, 7)
    assert cost.seconds == pytest.approx((2_000_000 + 400 - 1_000_000 - 300) / 1000)


def test_curves_break_where_a_value_is_missing() -> None:
    values = np.array([1.0, 0.1, np.nan, 0.01, np.inf])
    svg = chart.chart(np.arange(5), [chart.Series("gap", values)], [], log=True, title="a & b")
    assert len(re.findall("M", re.search(r' d="([^"]*)"', svg)[1])) == 2
    assert "a &amp; b" in svg
    assert chart.chart(np.arange(5), [chart.Series("gap", np.full(5, np.nan))], [], log=True, title="") == ""


@pytest.mark.parametrize(
    ("array", "kind", "seen"),
    [
        (np.zeros((20, 30)), "", "images"), (np.zeros((20, 30, 3)), "", "images"), (np.zeros((16, 17, 18)), "", "images"),
        (np.arange(80.0), "", "svg"), (np.ones((40, 3)), "chains", "svg"), (np.ones((4, 3)), "chains", "numbers"), (np.arange(3.0), "", "numbers"),
        (np.ones((20, 20), complex), "", "images"), (np.full(80, np.nan), "chains", "about"), (np.zeros((0, 3)), "", "about"),
    ],
)  # fmt: skip
def test_every_kind_of_array_has_something_to_look_at(array, kind, seen) -> None:
    assert getattr(show("x", array, kind), seen)


def test_a_fall_is_drawn_on_a_logarithmic_axis_and_a_samplers_energy_is_not(rng) -> None:
    assert chart.falls(1 + 0.9 ** np.arange(100.0))
    assert not chart.falls(rng.exponential(size=1000))
    assert not chart.falls(np.array([np.inf, 1.0]))


def test_what_has_not_begun_yet_has_a_page_too(tmp_path) -> None:
    folders.epoch(tmp_path, range(10, 21, 10))
    flow = open_flow(tmp_path)
    result, missing = report.result_or_none(flow)
    assert result is None
    assert "no good checkpoint yet" in report.page(flow, result, missing)


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([14.0, 55.0], ["20", "50"]),
        ([0.015, 0.5], ["0.02", "0.05", "0.1", "0.2", "0.5"]),
        ([1e-6, 1.0], ["1e-6", "1e-4", "1e-2", "1e0"]),
    ],
)
def test_a_logarithmic_axis_has_round_numbers(values, labels) -> None:
    series = [chart.Series("E", np.array(values))]
    drawn = chart.chart(np.array([1, 2]), series, [], log=True, title="E")
    assert re.findall(rf'x="{chart.LEFT - 6}" y="[\d.]+" text-anchor="end">([^<]+)', drawn) == labels
