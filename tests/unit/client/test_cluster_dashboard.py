"""The dashboard's cluster door without a cluster: rows by a watch, an engine's telemetry as curves, refusals as notes."""

import json
import subprocess
import sys

import pytest

from flowapi.revision import RevisionFile, RevisionTuple
from flowclient.dashboard import views
from flowclient.kube import known
from flowclient.kube.kubectl import Kubectl, KubectlError
from flowclient.kube.source import Cluster
from flowclient.kube.watching import documents
from kit.dashboards import eventually, served

FORBIDDEN = '(Forbidden): {} is forbidden: User "eve" cannot do this'


def revision(weight: float) -> RevisionFile:
    tuple_ = RevisionTuple(flow={"terms": [{"atom": "l1", "arg": "x", "weight": weight}]})
    return RevisionFile(hash=tuple_.hash, name="denoise", tuple=tuple_, resolved_image="i")


OLD, NEW = revision(0.1), revision(0.2)


def flow(name: str = "denoise", version: int = 7, **status) -> dict:
    records = [
        {"number": 1, "hash": OLD.hash, "outcome": "Superseded", "startedAt": "2026-01-01T10:00:00Z"},
        {"number": 2, "hash": NEW.hash, "outcome": "Running", "startedAt": "2026-01-01T11:00:00Z",
         "checkpoint": {"revision": NEW.hash, "id": "c90", "iteration": 90, "time": "2026-01-01T11:59:48Z"}},
    ]  # fmt: skip
    ready = {
        "type": "Ready",
        "status": "False",
        "reason": "Running",
        "message": "It <i>runs</i>.",
        "lastTransitionTime": "t",
    }
    return {
        "kind": "ComputableFlow",
        "metadata": {"name": name, "namespace": "ns", "uid": name, "resourceVersion": str(version), "generation": 2},
        "spec": {"flow": {"terms": []}},
        "status": {"observedGeneration": 2, "phase": "Running", "revisions": records, "conditions": [ready],
                   "revision": {"current": NEW.hash, "desired": NEW.hash, "stable": OLD.hash},
                   "progress": {"iteration": 95, "maxIterations": 1000, "residual": 0.5, "health": "AMBER",
                                "iterationsPerSecond": 100.0},
                   "checkpoint": records[1]["checkpoint"], **status},
    }  # fmt: skip


def telemetry() -> dict:
    rows = range(10, 100, 10)
    columns = {name: [1.0 / k for k in rows] for name in ("E", "residual", "gap", "feasibility", "grad_norm", "alpha")}
    columns |= {
        "iter": list(rows),
        "epoch": [1] * 9,
        "t_wall_ms": [k * 1000 for k in rows],
        "controller": ["AMBER"] * 9,
    }
    columns |= {"invariant_drift_max": [None] * 9}
    names = (("RUN_STARTED", 0), ("FLOW_RESUMED", 40), ("ROLLBACK", 60), ("CHECKPOINT_CREATED", 90))
    return {"columns": columns, "events": [{"event": name, "iter": k, "epoch": 1, "t_wall_ms": k} for name, k in names]}


class Fake(Kubectl):
    """Answers by what is asked for; a watch prints the events that it is given, and goes on."""

    def within(self, namespace):
        return self

    def run(self, *words, stdin=None):
        what = words[1] if words[0] == "get" else words[0]
        self.asked.append(words)
        found = self.answers.get(what)
        if found is None:
            raise KubectlError(FORBIDDEN.format(what))
        return found if isinstance(found, str) else json.dumps(found)

    def begin(self, *words):
        self.asked.append(words)
        code = f"import sys, time\nsys.stdout.write({self.events!r})\nsys.stdout.flush()\n{self.then}"
        child = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.children.append(child)
        return child


def fake(*, watched: tuple = (), then: str = "time.sleep(600)", **answers) -> Fake:
    found = Fake()
    pod = {
        "metadata": {"name": "p", "namespace": "ns", "creationTimestamp": "t"},
        "spec": {},
        "status": {"phase": "Running"},
    }
    maps = [{"data": {"revision.json": one.to_bytes().decode()}} for one in (OLD, NEW)]
    known_answers = {
        "computableflows.computableflow.dev": {"items": [flow()]}, "pod": {"items": [pod]}, "job": {"items": []},
        "configmap": {"items": maps}, "events": {"items": [{"metadata": {}, "reason": "Started", "message": "It started."}]},
        "--raw": telemetry(), "logs": "line <b>1</b>\n", "config": "{}",
    }  # fmt: skip
    text = "".join(json.dumps(one, indent=4) + "\n" for one in watched)
    values = {"answers": known_answers | answers, "events": text, "then": then, "asked": [], "children": []}
    for name, value in values.items():
        object.__setattr__(found, name, value)
    return found


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
