"""`cflow dashboard` over real flows: seen while they run, after a kill, gone on, ended; it ends cleanly at Ctrl-C."""

import re
import signal
import socket

from flowclient.dashboard.folders import Folders
from flowclient.dashboard.source import Row
from kit import folders
from kit.dashboards import served, until_interrupted
from kit.manifests import write_flow
from kit.runs import here, kill_when, run, saved, start, wait_until


def row_of(source: Folders, name: str) -> Row:
    source._read_at = source._searched = -100.0
    return next(row for row in source.rows().values() if row.place == name)


def test_a_flow_is_seen_running_killed_gone_on_and_ended(tmp_path) -> None:
    manifest, root = (
        write_flow(tmp_path / "flow", limit=10_000_000, every=200, seconds=0.5),
        tmp_path / "flows" / "one.flow",
    )
    process = start("run", manifest, "--root", root, "--quiet")
    wait_until(process, lambda: saved(root) >= 200)
    source = Folders([tmp_path / "flows"])
    wait_until(process, lambda: row_of(source, "one.flow").rate is not None)
    running = row_of(source, "one.flow")
    assert (running.state, running.name, running.most) == ("Running", "denoise", 10_000_000)
    assert running.iteration >= 200
    assert running.left
    assert running.saved_at.endswith("Z")
    with served(source) as found:
        page = found.page(f"flow/{running.key}")
        version = int(re.search(r'data-version="(\d+)"', page)[1])
        with found.updates(f"flow/{running.key}/updates?", version) as updates:
            seen = {name for _, (_, change) in zip(range(6), updates, strict=False) for name in change["parts"]}
        assert "head" in seen
        kill_when(process, lambda: True, signal.SIGKILL)
    assert "goes on" in row_of(Folders([root], clock=lambda: 4e9), "one.flow").sentence
    assert row_of(Folders([root], clock=lambda: 4e9), "one.flow").state == "Stopped"

    run("run", write_flow(tmp_path / "flow", limit=saved(root) + 500), "--root", root, "--quiet")
    ended = row_of(source, "one.flow")
    assert (ended.state, ended.left) == ("Completed", None)
    with served(Folders([tmp_path / "flows"])) as found:
        page = found.page(f"flow/{ended.key}")
    assert 'class="mark interruption"' in page
    assert "data:image/png;base64" in page or "<figure>" in page


def test_the_command_ends_cleanly_and_says_in_a_sentence_what_it_can_not_do(tmp_path) -> None:
    folders.ended(tmp_path / "flows" / "one.flow")
    assert "Completed" in until_interrupted("dashboard", tmp_path / "flows")
    assert "holds no flow" in here("dashboard", tmp_path / "flows" / "one.flow" / "fence", code=65)
    assert "is no folder" in here("dashboard", tmp_path / "none", code=65)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = here("dashboard", tmp_path / "flows", "--port", taken.getsockname()[1], code=65)
    assert "--port: port" in said
    assert "another program has it" in said
