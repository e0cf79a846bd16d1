"""The dashboard's cluster door without a cluster: rows by a watch, an engine's telemetry as curves, refusals as notes."""

import json

import pytest

from flowclient.dashboard import views
from flowclient.kube import known
from flowclient.kube.kubectl import KubectlError
from flowclient.kube.source import Cluster
from flowclient.kube.watching import documents
from kit.dashboards import eventually, served
from kit.kubectls import Fake, fake, flow


@pytest.fixture
def source(request):
    def make(kubectl: Fake, **more) -> Cluster:
        found = Cluster(kubectl, **more)
        request.addfinalizer(found.close)
        return found

    return make


def test_the_list_follows_a_watch_and_asks_no_engine(source) -> None:
    events = (
        {"type": "ADDED", "object": flow(version=7)},
        {"type": "ADDED", "object": flow("other", 9, phase="Stalled")},
        {"type": "MODIFIED", "object": flow(version=8, phase="Suspended")},
        {"type": "MODIFIED", "object": flow(version=6)},  # late
        {"type": "DELETED", "object": flow("other", 10)},
        {"type": "ADDED", "object": flow("third", 11)},
    )
    kubectl = fake(watched=events)
    found = source(kubectl, every=True)
    eventually(lambda: len(found.rows()) == 2 and "third" in {one.name for one in found.rows().values()})
    assert {one.name: one.state for one in found.rows().values()} == {"denoise": "Suspended", "third": "Running"}
    assert not [words for words in kubectl.asked if "--raw" in words or words[0] == "logs"]
    assert [words for words in kubectl.asked if "-A" in words]
    found.close()
    assert kubectl.children[0].poll() is not None


def test_a_row_is_what_the_status_says() -> None:
    row = known.row(flow())
    assert (row.name, row.place, row.state, row.health) == ("denoise", "ns", "Running", "AMBER")
    assert (row.iteration, row.most, row.rate, row.left) == (95, 1000, 100.0, 9.05)
    assert (row.saved_at, row.sentence) == ("2026-01-01T11:59:48Z", "It <i>runs</i>.")
    assert known.row(flow(observedGeneration=1)).sentence.startswith(
        "The operator has not acted on the newest spec yet."
    )
    assert known.row({"metadata": {"name": "new", "namespace": "ns"}}).state == "Pending"
    assert known.row(flow(phase="Suspended")).rate is None


def test_a_flows_page_is_drawn_of_what_its_engine_answers(source) -> None:
    with served(source(fake())) as found:
        page = found.page(f"flow/{known.key(flow())}")
    for words in (
        'class="mark interruption"', 'class="mark rollback"', 'class="line residual"', "weight: 0.2", "r2 <code>",
        "Running, current, desired", "It &lt;i&gt;runs&lt;/i&gt;.", "line &lt;b&gt;1&lt;/b&gt;", "Started: It started.",
        "kubectl cflow result denoise -n ns", "kubectl cflow checkpoints denoise",
    ):  # fmt: skip
        assert words in page, words
    assert "can&#39;t be read" not in page


def test_what_is_forbidden_is_a_note_with_the_right_that_is_missing_and_the_rest_is_shown(source) -> None:
    answers = dict.fromkeys(("job", "configmap", "events", "--raw", "logs"))
    with served(source(fake(**answers))) as found:
        page = found.page(f"flow/{known.key(flow())}")
    rights = (("list", "jobs"), ("list", "configmaps"), ("list", "events"), ("get", "pods/proxy"), ("get", "pods/log"))
    for verb, what in rights:
        assert f"Ask whoever runs the cluster for <code>{verb}</code> of {what} in this namespace." in page, what
    assert "kubectl cflow report denoise -n ns" in page
    assert "It &lt;i&gt;runs&lt;/i&gt;." in page
    assert 'class="line' not in page


@pytest.mark.parametrize(
    "answer",
    ["no JSON", "[]", {"columns": {"iter": "x"}}, {"columns": []}, {"events": [{"event": 1}]}, {"events": {"a": 1}},
     {"columns": {"iter": [1, 2], "E": [1]}}, {"events": [{"event": "ROLLBACK", "iter": "<b>"}]}],
)  # fmt: skip
def test_an_engine_that_answers_nonsense_costs_the_curve_alone(source, answer) -> None:
    with served(source(fake(**{"--raw": answer}))) as found:
        page = found.page(f"flow/{known.key(flow())}")
    assert "weight: 0.2" in page
    assert 'class="line' not in page


def test_without_a_pod_the_page_says_where_the_curve_is(source) -> None:
    with served(source(fake(pod={"items": []}))) as found:
        page = found.page(f"flow/{known.key(flow())}")
        compared = found.page(f"compare?flow={known.key(flow())}&flow=none")
    assert "No engine runs that could be asked for the curve" in page
    assert "No engine runs that could be asked for the curve" in compared


def test_a_watch_that_is_refused_is_said_and_lists_take_its_place(source) -> None:
    found = source(fake(then="sys.exit('Error from server (Forbidden): flows may not be watched')"))
    note = eventually(found.notes)[0]
    assert note == "The flows can't be watched, so they are listed every 10 s: (Forbidden): flows may not be watched"
    assert len(found.rows()) == 1


def test_who_may_not_list_flows_gets_kubectls_words(source) -> None:
    with pytest.raises(KubectlError, match="Forbidden"):
        source(fake(**{"computableflows.computableflow.dev": None}))


def test_what_kubectl_prints_is_taken_apart_as_it_comes() -> None:
    one, two = {"a": {"b": "}\n{"}, "c": []}, {"type": "DELETED"}
    text = json.dumps(one, indent=4) + "\n" + json.dumps(two, indent=4) + "\n" + json.dumps(one) + "\n"
    assert list(documents(iter(text.splitlines(keepends=True)))) == [one, two, one]


def test_a_list_of_500_flows_is_rendered_once_and_then_row_by_row(source) -> None:
    many = [flow(f"flow-{number}") for number in range(500)]
    found = source(fake(**{"computableflows.computableflow.dev": {"items": many}}))
    rows = found.rows()
    assert len(rows) == 500
    assert all(found.rows()[key] is row for key, row in rows.items())
    assert len(views.counts(list(rows.values()))) < 100
