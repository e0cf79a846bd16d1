"""A run's report as Prometheus metrics."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from flowapi.report import RunReport


def metrics(report: RunReport) -> bytes:
    """What `GET /metrics` answers."""
    registry = CollectorRegistry()
    registry.register(Series(report))
    return generate_latest(registry)


class Series(Collector):
    """The time series of one process, with its revision as their label; what is not known has none."""

    def __init__(self, report: RunReport) -> None:
        self._report = report

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        report, saves = self._report, self._report.saves
        yield from self._gauge("iteration", "Iterations done.", report.iteration)
        yield from self._gauge("max_iterations", "Iterations at which the flow stops.", report.max_iterations)
        yield from self._gauge("energy", "Energy at the last certificate.", report.energy)
        yield from self._gauge("residual", "Relative residual at the last certificate.", report.residual)
        yield from self._gauge("gap", "Relative duality gap at the last certificate.", report.gap)
        yield from self._gauge("iterations_per_second", "Rate of the last chunk.", report.rate)
        yield from self._gauge("durable_iteration", "Iteration of the newest durable checkpoint.", report.durable)
        yield from self._gauge(
            "lost_iterations", "Iterations that the process before had not saved.", report.lost_iterations
        )
        yield from self._gauge("epoch", "Number of this process's claim on the volume.", report.epoch)
        yield self._counter("saves", "Checkpoints saved.", saves.count)
        yield self._counter("saves_failed", "Saves that failed.", saves.failed)
        yield self._counter("saves_replaced", "States that a newer one replaced before their save.", saves.replaced)
        yield self._counter("save_seconds", "Seconds of saving, beside the loop.", saves.seconds)
        yield self._counter("saved_bytes", "Bytes of the states saved.", saves.bytes)
        yield self._counter("save_wait_seconds", "Seconds for which the loop stood still for a save.", saves.waited)

    def _gauge(self, name: str, said: str, value: float | None) -> Iterator[Metric]:
        if value is not None:
            family = GaugeMetricFamily(f"cflow_{name}", said, labels=("revision",))
            family.add_metric((self._report.revision,), value)
            yield family

    def _counter(self, name: str, said: str, value: float) -> Metric:
        family = CounterMetricFamily(f"cflow_{name}", said, labels=("revision",))
        family.add_metric((self._report.revision,), value)
        return family
