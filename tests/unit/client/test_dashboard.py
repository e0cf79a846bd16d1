"""The dashboard without a browser: who may ask, what a page holds, and that an update holds what changed and no more."""

import re
from collections.abc import Mapping

import pytest

from flowapi.errors import DataError, DocumentError
from flowclient.dashboard import views
from flowclient.dashboard.feed import MOST, Feed
from flowclient.dashboard.server import listen
from flowclient.dashboard.source import STATES, Detail, Row, key_of
from kit.dashboards import TOKEN, served


def flow_row(number: int, **more) -> Row:
    values = {
        "state": "Running", "health": "GREEN", "iteration": 3200, "most": 4000, "residual": 1.5e-4, "rate": 99.4,
        "left": 8.0, "saved_at": "2026-01-01T12:00:00Z",
    }  # fmt: skip
    return Row(key=key_of(str(number)), name=f"flow-{number}", place="ns", **{**values, **more})


class Rows:
    """A source that has rows alone."""

    title, place = "Flows of a test", "namespace"

    def __init__(self, *rows: Row, notes: tuple[str, ...] = ()) -> None:
        self.now = {row.key: row for row in rows}
        self.said = notes
        self.reads = 0

    def rows(self) -> Mapping[str, Row]:
        self.reads += 1
        return dict(self.now)

    def notes(self) -> tuple[str, ...]:
        return self.said

    def stamp(self, key: str) -> object:
        return self.now[key]

    def detail(self, key: str) -> Detail:
        raise DataError("nothing is known of it", remedy="Look again")

    def close(self) -> None:
        self.now = {}


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


def test_a_port_that_is_taken_is_a_sentence() -> None:
    taken = listen(0)
    with pytest.raises(DataError, match="another program has it. Give another one"):
        listen(taken.getsockname()[1])
    taken.close()
    with pytest.raises(DocumentError, match="there is no port 70000"):
        listen(70_000)
