"""The dashboard without a browser: who may ask, what a page holds, and that an update holds what changed and no more."""

import re
from pathlib import Path

import pytest

from flowapi.errors import DataError, DocumentError
from flowapi.report import PreviousEpoch
from flowclient.dashboard import views
from flowclient.dashboard.feed import MOST, Feed
from flowclient.dashboard.folders import Folders, find
from flowclient.dashboard.glance import Facts, row
from flowclient.dashboard.server import listen
from flowclient.dashboard.source import STATES, Row, key_of
from flowengine.capsule import history
from flowengine.capsule.parts import Kept
from flowengine.store import Files
from kit import folders, gallery
from kit.dashboards import TOKEN, Rows, flow_row, served


@pytest.fixture(scope="module")
def dashboard():
    with served(Rows(flow_row(1))) as found:
        yield found


def test_who_lacks_the_token_gets_a_sentence_and_nothing_of_the_flows(dashboard) -> None:
    for token in ("", "wrong", TOKEN[:-1], f"{TOKEN}x", f"static/{TOKEN}", "%00", "%C3%A9"):
        status, headers, body = dashboard.ask("", token=token)
        assert dashboard.ask("static/dashboard.js", token=token)[0] == 403
        assert (status, "flow-1" in body) == (403, False), token
        assert "token" in body
        assert "default-src 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil", "", "127.0.0.1@evil"]
)
def test_another_name_that_leads_here_is_refused(dashboard, host) -> None:
    status, _, body = dashboard.ask("", headers={"Host": host})
    assert (status, "flow-1" in body) == (421, False)


@pytest.mark.parametrize("host", ["localhost", "localhost:9000", "127.0.0.1:1", "[::1]:8080"])
def test_a_forwarded_port_is_still_this_machine(dashboard, host) -> None:
    assert dashboard.ask("", headers={"Host": host})[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_nothing_changes_anything(dashboard, method) -> None:
    for path in ("", "updates", f"flow/{key_of('1')}", "compare", "static/style.css"):
        assert dashboard.ask(path, method=method)[0] == 405


def test_no_script_or_style_stands_in_a_page_and_none_comes_from_elsewhere(dashboard) -> None:
    _, headers, page = dashboard.ask("")
    policy = headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "script-src 'self'" in policy
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\son\w+=|\sstyle=|javascript:", page)
    addresses = re.findall(r"(?:src|href|action|data-updates)=\"([^\"]*)\"", page)
    assert addresses
    assert all(one.startswith((f"/{TOKEN}/", "#")) for one in addresses)
    for name in ("style.css", "dashboard.css", "dashboard.js", "list.js", "icon.svg"):
        assert dashboard.ask(f"static/{name}")[0] == 200
    assert dashboard.ask("static/..%2freport.html")[0] == 404


def test_what_a_source_says_is_escaped(dashboard) -> None:
    bad = "<img src=x onerror=alert(1)>\"'"
    row = flow_row(1, sentence=bad, health="")
    for html in (
        views.row(Row(**{**row.__dict__, "name": bad, "place": bad}), "/t"),
        views.head(row),
        views.notes([bad]),
    ):
        assert "<img" not in html
        assert "&lt;img" in html
    assert views.notes(["Run `a <b>`."]).count("<code>a &lt;b&gt;</code>") == 1


def test_an_update_of_500_flows_holds_the_changed_rows_alone_and_comes_in_portions() -> None:
    source = Rows(*(flow_row(number) for number in range(500)))
    with served(source) as found:
        page = found.page("")
        assert page.count('<tr role="row" id="flow-') == 500
        version = int(re.search(r'data-version="(\d+)"', page)[1])
        with found.updates("updates?", version) as updates:
            source.now = {**source.now, key_of("7"): flow_row(7, iteration=3300)}
            version, change = next(updates)
            assert list(change["parts"]) == [f"flow-{key_of('7')}"]
            assert "3300" in change["parts"][f"flow-{key_of('7')}"]
            assert len(str(change)) < 3000
            source.now = {row.key: row for row in (flow_row(number, iteration=1) for number in range(499))}
            sizes, gone = [], []
            while sum(sizes) < 500:
                _, change = next(updates)
                sizes.append(len(change["parts"]))
                gone += change["gone"]
            assert max(sizes) <= MOST
            assert gone == [f"flow-{key_of('499')}"]
        with found.updates("updates?", version) as updates:  # as after a while without a connection
            assert len(next(updates)[1]["parts"]) + len(next(updates)[1]["parts"]) >= MOST


def test_a_feed_leads_from_any_version_to_the_newest() -> None:
    feed: Feed[int] = Feed()
    feed.update({"a": 1, "b": 1})
    first = feed.version
    feed.update({"a": 1, "b": 2, "c": 3})
    feed.update({"a": 1, "c": 3})
    change = feed.since(first)
    assert change is not None
    assert (dict(change.parts), change.gone, change.version) == ({"c": 3}, ("b",), feed.version)
    assert feed.since(feed.version) is None
    seen: dict[str, int] = {}
    version = 0
    while change := feed.since(version, most=1):
        version = change.version
        seen = {name: one for name, one in {**seen, **change.parts}.items() if name not in change.gone}
    assert seen == {"a": 1, "c": 3}


def test_nothing_is_read_while_nobody_looks_and_once_however_many_do() -> None:
    source = Rows(flow_row(1))
    with served(source) as found:
        assert source.reads == 0
        for _ in range(5):
            found.page("")
        assert source.reads <= 2


@pytest.mark.parametrize("state", STATES)
def test_every_state_is_a_word_and_a_shape_and_is_counted(state) -> None:
    html = views.row(flow_row(1, state=state), "/t")
    assert f"{STATES[state]}</span> {state}</span>" in html
    assert '<span aria-hidden="true">✓</span> GREEN' in html
    assert views.counts([flow_row(1, state=state), flow_row(2, state=state)]) == f"2 flows: 2 {state}."


def test_a_flow_that_can_not_be_read_or_is_gone_has_a_page_that_says_so() -> None:
    with served(Rows(flow_row(1), notes=("Pods can't be listed.",))) as found:
        assert "nothing is known of it. Look again" in found.page(f"flow/{key_of('1')}")
        assert "Pods can&#39;t be listed." in found.page("")
        status, _, body = found.ask("flow/none")
        assert (status, "no such flow" in body) == (404, True)
        assert found.ask("compare?flow=a")[0] == 303
        assert "One of these flows is no longer there." in found.page("compare?flow=a&flow=b")


def test_flows_are_found_three_levels_deep_and_links_and_hidden_folders_are_passed_over(tmp_path) -> None:
    for place in ("a.flow", "x/b.flow", "x/y/c.flow", "x/y/z/d.flow", ".hidden/e.flow"):
        for part in ("fence", "revisions"):
            (tmp_path / place / part).mkdir(parents=True)
    (tmp_path / "x" / "circle").symlink_to(tmp_path)
    (tmp_path / "a.flow" / "inside").mkdir()
    assert [str(one.relative_to(tmp_path)) for one in find(tmp_path)] == ["a.flow", "x/b.flow", "x/y/c.flow"]
    assert list(find(tmp_path / "a.flow")) == [tmp_path / "a.flow"]


LAST = {"iter": 90, "t_wall_ms": 900, "residual": 0.5, "controller": "AMBER"}
BEAT = PreviousEpoch(epoch=1, last_iteration=95, last_wall_ms=1000)


@pytest.mark.parametrize(
    ("facts", "beat", "now", "state", "words"),
    [
        ({}, BEAT, 2.0, "Running", ""),
        ({}, BEAT, 60.0, "Stopped", "No sign of life since 1970-01-01 00:00:01 UTC; `cflow resume /r` goes on."),
        ({}, None, 60.0, "Stopped", "No sign of life since 1970-01-01 00:00:00 UTC"),
        ({"rows": ()}, None, 60.0, "Stopped", "It has not begun to iterate"),
        ({"event": {"event": "CANCELLED"}}, BEAT, 2.0, "Stopped", "It was stopped with a checkpoint"),
        ({"event": {"event": "RUN_FAILED", "detail": "no memory"}}, BEAT, 2.0, "Failed", "It failed: no memory."),
        ({"summary": {"reason": "Converged", "iterations": 99}}, BEAT, 2.0, "Completed", "It met its stop rule at iteration 99."),
        ({"summary": {"reason": "TimeLimit", "iterations": 9, "warnings": ["mind"]}}, BEAT, 2.0, "Completed", "Warning: mind"),
    ],
)  # fmt: skip
def test_how_a_folder_stands_is_a_word_and_a_sentence(facts, beat, now, state, words) -> None:
    values = {"summary": None, "rows": (LAST,), "event": {}, "saved": 80, "most": 195, **facts}
    found = row(Facts(name="n", revision="r", **values), beat, 10.0, now, ("k", "p"), Path("/r"))
    assert (found.state, found.sentence[: len(words)]) == (state, words)
    if state == "Running":
        assert (found.iteration, found.rate, found.left, found.health, found.residual) == (95, 10.0, 10.0, "AMBER", 0.5)
    else:
        assert (found.rate, found.left) == (None, None)


def test_a_folder_has_its_revisions_with_what_changed_its_log_and_notes(tmp_path) -> None:
    folders.interrupted(tmp_path / "a.flow")
    other = folders.epoch(tmp_path / "a.flow", range(10, 31, 10), flow=gallery.flow(7), saved=(30,))
    (tmp_path / "a.flow" / "run.log").write_text("line <b>one</b>\n")
    revision = folders.ended(tmp_path / "b.flow")
    with served(Folders([tmp_path])) as found:
        keys = {name: key_of(str(tmp_path / name)) for name in ("a.flow", "b.flow")}
        page = found.page(f"flow/{keys['a.flow']}")
        for text in (other, "value: 7", "line &lt;b&gt;one", "The end of run.log", "Result so far", 'class="AMBER"'):
            assert text in page, text
        assert "&lt;script&gt;alert(1)" in page
        manifest = tmp_path / "b.flow" / "revisions" / revision / "telemetry" / "manifest.json"
        manifest.write_text('{"schema": "computableflow.dev/capsule/9"}')
        assert "holds telemetry of another version" in found.page(f"flow/{keys['b.flow']}")
        compared = found.page(f"compare?flow={keys['a.flow']}&flow={keys['b.flow']}")
        assert "holds telemetry of another version" in compared
        assert 'class="line flow-a"' in compared


def test_a_part_of_telemetry_is_read_once_however_often_somebody_looks(tmp_path) -> None:
    folders.interrupted(tmp_path)
    kept, asked = Kept(), []

    class Noted(Files):
        def read(self, path: Path, limit: int) -> bytes:
            asked.append(path.name)
            return super().read(path, limit)

    (folder,) = tmp_path.glob("revisions/*/telemetry")
    first = history(folder, Noted(), kept)
    read = [name for name in asked if name.endswith(".parquet")]
    assert len(set(read)) == len(read) == len(list(folder.glob("*.parquet")))
    assert history(folder, Noted(), kept).table.equals(first.table)
    assert [name for name in asked if name.endswith(".parquet")] == read
    path = next(folder.glob("telemetry-e000002*"))
    path.write_bytes(b"rot")
    assert len(history(folder, Noted(), kept).table) < len(first.table)


def test_a_port_that_is_taken_is_a_sentence() -> None:
    taken = listen(0)
    with pytest.raises(DataError, match="another program has it. Give another one"):
        listen(taken.getsockname()[1])
    taken.close()
    with pytest.raises(DocumentError, match="there is no port 70000"):
        listen(70_000)
