"""A flow that was killed five times, edited and reverted has one curve: each iteration once, and a mark for each break."""

import json

from flowclient.dashboard.folders import Folders
from kit.dashboards import marks, served
from kit.manifests import write_flow
from kit.runs import here, kill_when, progress, run, saved, start, summary

KILLS = 5
LIMIT = 10_000_000


def test_five_interruptions_and_a_detour_are_one_curve_with_their_marks(tmp_path) -> None:
    manifest, root = write_flow(tmp_path / "flow", limit=LIMIT, every=200, seconds=0.5), tmp_path / "one.flow"
    original = manifest.read_text()
    lost = 0
    for _ in range(KILLS):
        base = saved(root)
        process = start("run", manifest, "--root", root, "--json")
        kill_when(process, lambda base=base: progress(root) > saved(root) > base)
        lost += progress(root) - saved(root)
    assert lost > 0
    run("run", manifest, "--root", root, "--quiet", "--until", saved(root) + 200, code=75)

    last = saved(root) + 2000
    manifest.write_text(original.replace("weight: 0.1", "weight: 0.2"))
    assert "starting" in run("run", manifest, "--root", root, "--until", "200", code=75)
    manifest.write_text(original.replace(str(LIMIT), str(last)))
    run("run", manifest, "--root", root, "--quiet")
    assert summary(root)["iterations"] == last

    revision = summary(root)["revision"]
    sql = "SELECT revision, iter FROM telemetry ORDER BY iter"
    rows = json.loads(here("query", sql, root, "--format", "json"))
    iterations = [row["iter"] for row in rows if row["revision"] == revision]
    every = iterations[0]
    assert iterations == list(range(every, last + 1, every))

    here("report", root, "-o", tmp_path / "report.html")
    in_report = marks((tmp_path / "report.html").read_text(encoding="utf-8"))
    source = Folders([tmp_path])
    (key,) = source.rows()
    with served(source) as found:
        in_dashboard = marks(found.page(f"flow/{key}"))
    assert set(in_report) == {(KILLS, 1)}
    assert in_dashboard == in_report
