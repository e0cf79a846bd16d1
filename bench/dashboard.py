"""How smooth the dashboard's list is with many flows, in a headless Chromium: the first picture, and each update.

    .venv/bin/python -P bench/dashboard.py

Times of the first picture are the browser's own, from the navigation on, by the clock: the smallest of several loads.
An update changes some of the flows; its cost is CPU time, of the page's main thread (script, style, layout, and the
questions of this script, twenty a second) and of the server's process, which this script runs in: the median of
several. A frame lasts 16.7 ms at 60 a second.
"""

import argparse
import json
import sys
import time
from statistics import median

from flowclient.dashboard.source import key_of
from kit import browser, screens
from kit.dashboards import Rows, flow_row, served

PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
READY = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
SHOWN = "document.querySelector('[data-name=\"flow-{number}\"]').textContent.includes('{iteration}')"


def cpu(tab: browser.Tab) -> dict[str, float]:
    """Milliseconds that the page's main thread has computed since it began."""
    found = {one["name"]: one["value"] for one in tab.call("Performance.getMetrics")["metrics"]}
    parts = {
        "all": "TaskDuration",
        "script": "ScriptDuration",
        "style": "RecalcStyleDuration",
        "layout": "LayoutDuration",
    }
    return {name: 1e3 * found[metric] for name, metric in parts.items()}


def first_picture(tab: browser.Tab, address: str, loads: int) -> dict[str, float]:
    """Of a list that is opened, milliseconds: until it is seen, and until it can be used."""
    seen, ready = [], []
    for _ in range(loads):
        screens.show(tab, address)
        tab.until(f"({PAINT}) > 0")
        seen.append(tab.run(PAINT))
        ready.append(tab.run(READY))
    return {"firstPaintMs": round(min(seen), 1), "usableMs": round(min(ready), 1)}


def update(tab: browser.Tab, source: Rows, changed: int, times: int) -> dict[str, object]:
    """What it takes to show that so many flows have gone on."""
    page: list[dict[str, float]] = []
    server = []
    for index in range(times):
        iteration = 3300 + index + 100 * len(str(changed))
        before, began = cpu(tab), time.process_time()
        source.now = {**source.now, **{key_of(str(one)): flow_row(one, iteration=iteration) for one in range(changed)}}
        tab.until(SHOWN.format(number=changed - 1, iteration=iteration))
        server.append(1e3 * (time.process_time() - began))
        page.append({name: value - before[name] for name, value in cpu(tab).items()})
    return {
        "changed": changed,
        "pageCpuMs": {name: round(median(one[name] for one in page), 2) for name in page[0]},
        "serverCpuMs": round(median(server), 1),
    }


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flows", type=int, default=500)
    parser.add_argument("--times", type=int, default=10)
    options = parser.parse_args()
    if not browser.program():
        sys.exit(browser.MISSING)
    source = Rows(*(flow_row(number) for number in range(options.flows)))
    with served(source) as found, browser.tab() as tab:
        tab.call("Performance.enable", timeDomain="threadTicks")
        opened = first_picture(tab, found.address, options.times)
        updates = [update(tab, source, changed, options.times) for changed in (1, 50, options.flows)]
    print(json.dumps({"flows": options.flows, **opened, "updates": updates}, indent=1))


if __name__ == "__main__":
    main()
