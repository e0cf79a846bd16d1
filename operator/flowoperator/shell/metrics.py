"""What the operator can be watched by: its own work, counted as it goes on, and every flow, read from the cache."""

from collections.abc import Callable, Iterable, Iterator
from typing import get_args

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from flowapi.status import FlowStatus, Phase
from flowoperator.core.observed import Flow
from flowoperator.core.troubles import moment

PASSES = Counter("flowoperator_passes", "Passes over a flow, by how they ended.", ["end"])
PASS_SECONDS = Histogram(
    "flowoperator_pass_seconds", "Seconds of a pass over a flow.", buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10)
)
REQUESTS = Counter("flowoperator_apiserver_requests", "Requests to the apiserver.", ["verb", "code"])
QUESTIONS = Counter("flowoperator_engine_questions", "Questions to engines, by whether they answered.", ["answered"])
RESTARTS = Counter("flowoperator_watch_restarts", "How often watches were begun again, because one was dead.")
QUEUE = Gauge("flowoperator_queue_length", "Flows that wait for a pass.")
LEADER = Gauge("flowoperator_leader", "Whether this operator holds the Lease.")
MOST_FLOWS = 5000  # time series are not free: beyond these, flows are left out and counted
PHASES: tuple[str, ...] = get_args(Phase)

_GAUGES: tuple[tuple[str, str, Callable[[FlowStatus], float | None]], ...] = (
    ("iteration", "Iterations done.", lambda status: status.progress.iteration),
    ("max_iterations", "Where the flow stops at the latest.", lambda status: status.progress.max_iterations),
    ("residual", "The stationarity residual at the last certificate.", lambda status: status.progress.residual),
    ("energy", "The energy at the last certificate.", lambda status: status.progress.energy),
    ("green", "Whether its certificates hold (GREEN).", lambda status: _green(status)),
    ("iterations_per_second", "Speed.", lambda status: status.progress.iterations_per_second),
    ("completion_timestamp_seconds", "When it reaches its limit.",
     lambda status: _seconds(status.progress.estimated_completion_time)),
    ("checkpoint_timestamp_seconds", "When its newest checkpoint was first seen.",
     lambda status: _seconds(status.checkpoint.time) if status.checkpoint else None),
)  # fmt: skip
_COUNTERS: tuple[tuple[str, str, Callable[[FlowStatus], float]], ...] = (
    ("lost_iterations", "Iterations that were computed twice.", lambda status: status.recoveries.lost_iterations),
    ("lost_seconds", "The time that those took.", lambda status: status.recoveries.lost_seconds),
    ("down_seconds", "Time from interruptions until an engine ran again.",
     lambda status: status.recoveries.down_seconds),
)  # fmt: skip
_LABELS = ("namespace", "flow")


class Flows(Collector):
    """Time series of flows, made when somebody asks: a flow that is gone leaves none behind."""

    def __init__(self, flows: Callable[[], Iterable[Flow]]) -> None:
        self._flows = flows

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        found = sorted(self._flows(), key=lambda one: (one.ref.namespace, one.ref.name))
        shown = [((one.ref.namespace, one.ref.name), one.status) for one in found[:MOST_FLOWS]]
        left = GaugeMetricFamily("computableflow_left_out", f"Flows beyond the first {MOST_FLOWS}, without series.")
        left.add_metric((), len(found) - len(shown))
        yield left
        yield from _phases(shown)
        for name, said, value in _GAUGES:
            gauge = GaugeMetricFamily(f"computableflow_{name}", said, labels=_LABELS)
            for labels, status in shown:
                if (number := value(status)) is not None:
                    gauge.add_metric(labels, float(number))
            yield gauge
        for name, said, count in _COUNTERS:
            counter = CounterMetricFamily(f"computableflow_{name}", said, labels=_LABELS)
            for labels, status in shown:
                counter.add_metric(labels, count(status))
            yield counter
        yield _recoveries(shown)


def _phases(shown: list[tuple[tuple[str, str], FlowStatus]]) -> Iterator[Metric]:
    phase = GaugeMetricFamily("computableflow_phase", "1 for the phase of a flow.", labels=(*_LABELS, "phase"))
    for labels, status in shown:
        for one in PHASES:
            phase.add_metric((*labels, one), float(status.phase == one))
    yield phase


def _recoveries(shown: list[tuple[tuple[str, str], FlowStatus]]) -> Metric:
    found = CounterMetricFamily(
        "computableflow_recoveries", "Starts after an interruption, by its cause.", labels=(*_LABELS, "cause")
    )
    for labels, status in shown:
        known = status.recoveries
        rest = max(known.count - known.evictions - known.crashes, 0)
        for cause, count in (("eviction", known.evictions), ("crash", known.crashes), ("unknown", rest)):
            found.add_metric((*labels, cause), count)
    return found


def _green(status: FlowStatus) -> float | None:
    return float(status.progress.health == "GREEN") if status.progress.health else None


def _seconds(text: str) -> float | None:
    found = moment(text)
    return found.timestamp() if found is not None else None
