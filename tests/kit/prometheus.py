"""A real Prometheus on loopback, and promtool, from their Go modules."""

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kit.cluster import golang
from kit.cluster.operator import CHART
from kit.cluster.run import WITH_PARENT, run
from kit.ports import free_port

COMMANDS = "github.com/prometheus/prometheus/cmd"
DASHBOARD = CHART / "files" / "dashboard.json"
ALERTS = CHART / "files" / "alerts.yaml"


def tools() -> Path:
    """The folder of `prometheus` and `promtool`, without what finds targets in clouds."""
    return golang.ensure("prometheus", [f"{COMMANDS}/prometheus", f"{COMMANDS}/promtool"], "-tags", "remove_all_sd")


def promtool(*arguments: str | Path) -> str:
    """What it prints; KitError where it finds fault."""
    return run([tools() / "promtool", *arguments])


def rules(folder: Path) -> Path:
    """The chart's alerts as a file of rules."""
    path = folder / "rules.yaml"
    path.write_text(json.dumps({"groups": yaml.safe_load(ALERTS.read_text())}))
    return path


def queries() -> Iterator[tuple[str, str]]:
    """The dashboard's panels: title and query, its variables filled in for everything there is."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            text = target["expr"].replace("$__range_s", "300").replace("$__range", "5m")
            yield panel["title"], text.replace("$namespace", ".*").replace("$flow", ".*")


@dataclass(frozen=True)
class Prometheus:
    """A running one."""

    port: int

    def query(self, text: str) -> list[Any]:
        """The samples that a query finds now."""
        return list(self._get("query", query=text)["data"]["result"])

    def up(self) -> int:
        """How many targets answer."""
        try:
            return sum(one["value"][1] == "1" for one in self.query("up"))
        except OSError:
            return 0

    def _get(self, path: str, **parameters: str) -> Any:
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.loads(answer.read())


@contextmanager
def prometheus(folder: Path, targets: Mapping[int, Mapping[str, str]]) -> Iterator[Prometheus]:
    """One that scrapes ports of this machine each second, each with labels of its own, and knows the chart's alerts."""
    scraped = [{"targets": [f"127.0.0.1:{port}"], "labels": dict(labels)} for port, labels in targets.items()]
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules(folder))],
        "scrape_configs": [{"job_name": "flows", "honor_labels": True, "static_configs": scraped}],
    }
    (folder / "prometheus.yaml").write_text(json.dumps(config))
    port = free_port()
    with (folder / "prometheus.log").open("wb") as log:
        child = subprocess.Popen(
            [
                *WITH_PARENT, tools() / "prometheus", f"--config.file={folder / 'prometheus.yaml'}",
                f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield Prometheus(port)
    finally:
        child.kill()
        child.wait()
