"""What an operator can be watched by: flows as they are now, under names that the page explains."""

from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from flowapi.report import RunReport
from flowengine.run.metrics import Series
from flowoperator.core.observed import Flow
from flowoperator.objects.meta import FlowRef
from flowoperator.shell import metrics
from kit.world import World

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"


def scraped(*flows: Flow) -> dict[str, dict[tuple[str, ...], float]]:
    """What a scraper reads: name, values of labels, value."""
    registry = CollectorRegistry()
    registry.register(metrics.Flows(lambda: flows))
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            labels = tuple(
                sample.labels[name] for name in ("namespace", "flow", "phase", "cause") if name in sample.labels
            )
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def running() -> World:
    world = World()
    world.settle()
    world.say(120, 100, rate=10.0, energy=2.5, residual=0.25, max_iterations=1000)
    world.step()
    return world


def test_a_flow_is_seen_as_its_status_says():
    world = running()
    found = scraped(Flow(FlowRef("work", "denoise", "uid"), 1, world.wanted, world.status))
    place = ("work", "denoise")
    assert found["computableflow_iteration"] == {place: 120}
    assert found["computableflow_max_iterations"] == {place: 1000}
    assert found["computableflow_energy"] == {place: 2.5}
    assert found["computableflow_green"] == {place: 1}
    assert found["computableflow_checkpoint_timestamp_seconds"] == {place: world.now.timestamp()}
    assert {labels[2] for labels, value in found["computableflow_phase"].items() if value} == {"Running"}


def test_recoveries_are_counted_by_their_cause():
    world = running()
    world.end(75, disrupted=True)
    world.settle()
    found = scraped(Flow(FlowRef("work", "denoise", "uid"), 1, world.wanted, world.status))
    counted = {labels[2]: value for labels, value in found["computableflow_recoveries_total"].items()}
    assert counted == {"eviction": 1, "crash": 0, "unknown": 0}


def test_what_is_not_known_has_no_series():
    found = scraped(Flow(FlowRef("work", "denoise", "uid"), 1, World().wanted, World().status))
    assert "computableflow_residual" not in found
    assert "computableflow_checkpoint_timestamp_seconds" not in found


def test_flows_beyond_the_bound_are_counted_and_left_out(monkeypatch):
    monkeypatch.setattr(metrics, "MOST_FLOWS", 2)
    world = running()
    flows = [Flow(FlowRef("work", f"flow-{number}", "uid"), 1, world.wanted, world.status) for number in range(5)]
    found = scraped(*flows)
    assert found["computableflow_left_out"] == {(): 3}
    assert len(found["computableflow_iteration"]) == 2


def test_the_page_names_every_series_and_no_other():
    world = running()
    flow = Flow(FlowRef("work", "denoise", "uid"), 1, world.wanted, world.status)
    ours = [one for one in REGISTRY.collect() if one.name.startswith("flowoperator_")]
    names = {
        f"{one.name}_total" if one.type == "counter" else one.name
        for one in (*metrics.Flows(lambda: [flow]).collect(), *ours)
    }
    rows = [line.split("`")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    told = {name.split("{")[0] for name in rows if name.startswith(("flowoperator_", "computableflow_"))}
    assert told == names
    report = RunReport(revision="r", attempt=1, max_iterations=1, energy=1, residual=1, gap=1, rate=1, durable=1)
    engines = {f"{one.name}_total" if one.type == "counter" else one.name for one in Series(report).collect()}
    assert {name for name in rows if name.startswith("cflow_")} == engines
