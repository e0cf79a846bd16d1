"""`kubectl cflow` against a real apiserver, with the operator at work: what it shows, what it changes, what it leaves."""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from unittest import mock

import pytest

from flowclient.kube import entry, reader
from flowclient.kube.kubectl import Kubectl, KubectlError
from flowclient.kube.source import Cluster
from kit.apiserver.scene import revision_of, spec, wait_for
from kit.dashboards import look_and_interrupt, served

LOG = re.compile(r"^\d{4}-\d\d-\d\d .*\n", re.MULTILINE)  # of the operator, which runs in this process, too


@pytest.fixture
def plugin(scene):
    """Runs a command in this process: its exit code, and what it prints."""

    def run(*words: str) -> tuple[int, str]:
        said = io.StringIO()
        env = {"KUBECONFIG": str(scene.plane.kubeconfig), "PATH": f"{scene.plane.kubectl.parent}:{os.environ['PATH']}"}
        argv = ["kubectl-cflow", *words, "-n", scene.namespace]
        with (
            mock.patch.dict(os.environ, env), mock.patch.object(sys, "argv", argv),
            contextlib.redirect_stdout(said), contextlib.redirect_stderr(said),
        ):  # fmt: skip
            try:
                entry.main()
            except SystemExit as end:
                return int(end.code or 0), LOG.sub("", said.getvalue())
        raise AssertionError

    return run


def test_a_flow_is_seen_steered_and_rolled_back(scene, plugin, tmp_path) -> None:
    flow = scene.flow().apply(spec())
    flow.next_pod().run(100, 90)
    flow.until("its checkpoint to be known", lambda status: status.get("checkpoint"))
    assert plugin("wait", "denoise", "--for", "stable", "--timeout", "20s") == (0, "denoise is stable\n")
    code, said = plugin("list")
    assert (code, said.splitlines()[1].split()[:3]) == (0, ["denoise", "Running", "100/1000"])
    assert json.loads(plugin("list", "-o", "json")[1])["items"][0]["metadata"]["name"] == "denoise"
    assert plugin("list", "denoise", "-o", "name")[1] == "computableflow.computableflow.dev/denoise\n"
    assert "denoise" in plugin("top")[1]
    code, said = plugin("status", "denoise")
    assert code == 0
    assert f"revision r1 {revision_of(spec())}  Running, current, desired, stable" in said
    assert "pod denoise-" in said

    flow.apply(spec(weight=0.2))
    flow.next_pod().run(10, 5)
    flow.until("the edit to run", lambda status: status.get("checkpoint", {}).get("iteration") == 5)
    code, said = plugin("diff", "denoise", "r1", "r2")
    assert (code, "weight: 0.2" in said) == (1, True)
    assert plugin("diff", "denoise", "r1", "r1") == (0, "")
    assert "would be rolled back to r1" in plugin("rollback", "denoise", "--dry-run")[1]
    code, said = plugin("rollback", "denoise")
    assert code == 0
    assert "Git is the truth" in said
    assert flow.next_pod().revision == revision_of(spec())
    rows = [line.split()[:2] for line in plugin("history", "denoise")[1].splitlines()[1:]]
    assert sorted(rows) == [["r1", revision_of(spec())], ["r2", revision_of(spec(weight=0.2))]]

    assert plugin("suspend", "denoise")[0] == 0
    assert (flow.body() or {})["spec"]["suspend"] is True
    assert "unchanged" in plugin("suspend", "denoise")[1]
    assert plugin("resume", "denoise")[0] == plugin("retry", "denoise")[0] == 0
    assert (flow.body() or {})["spec"]["retryNonce"]
    name = "000000000090-e000001-abcdef"
    code, said = plugin("restore", "denoise", name)
    assert (code, f"restored from {revision_of(spec())}/{name}" in said) == (0, True), said
    code, said = plugin("list", "nobody")
    assert (code, "not found" in said) == (1, True)

    assert plugin("support-bundle", "denoise", "-o", str(tmp_path / "b.tar.gz"), "--no-logs")[0] == 0
    with tarfile.open(tmp_path / "b.tar.gz") as tar:
        names = {name.split("/")[1] for name in tar.getnames()}
    assert {"flow.yaml", "jobs.yaml", "pods.yaml", "events.yaml", "configmaps.yaml"} <= names


@pytest.fixture
def source(scene, monkeypatch):
    """A dashboard's source, as `kubectl cflow dashboard -n NAMESPACE` has it, with further flags."""
    monkeypatch.setenv("KUBECONFIG", str(scene.plane.kubeconfig))
    monkeypatch.setenv("PATH", f"{scene.plane.kubectl.parent}:{os.environ['PATH']}")
    return lambda *flags, **more: Cluster(Kubectl(("-n", scene.namespace, *flags)), **more)


def test_a_dashboard_follows_the_flows_of_a_namespace(scene, source) -> None:
    flow = scene.flow().apply(spec())
    flow.next_pod().run(100, 90)
    flow.until("its checkpoint to be known", lambda status: status.get("checkpoint"))
    with served(source()) as found:
        page = found.page("")
        assert "1 flow: 1 Running." in page
        assert f"Flows of namespace {scene.namespace} in plane" in page
        version = int(re.search(r'data-version="(\d+)"', page)[1])
        with found.updates("updates?", version) as updates:
            scene.flow("second").apply(spec())
            assert next(change for _, change in updates if "second" in str(change))["parts"]
            scene.flow("second").delete()
            assert next(change for _, change in updates if change["gone"])["parts"]["counts"] == "1 flow: 1 Running."
        key = re.search(r"/flow/(\w+)\">denoise<", page)[1]
        flow.apply(spec(weight=0.2))
        flow.next_pod().run(10, 5)
        flow.until("the edit to run", lambda status: status.get("checkpoint", {}).get("iteration") == 5)
        page = found.page(f"flow/{key}")
        for words in ("weight: 0.2", "r2 <code>", "<td>Ready</td><td>", "Running, current, desired, stable", "pod denoise-",
                      "The engine&#39;s telemetry can&#39;t be read", "kubectl cflow report denoise"):  # fmt: skip
            assert words in page, words
        before = scene.api.items(scene.path("pods"))
        assert not [one for one in before if "reader" in one["metadata"]["name"]]  # looking makes nothing
    command = Path(sys.executable).with_name("kubectl-cflow")
    words = [command, "dashboard", "-n", scene.namespace]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    children: list[str] = []

    def look() -> None:
        for one in Path(f"/proc/{process.pid}/task").glob("*/children"):  # a child is of the thread that began it
            children.extend(one.read_text().split())

    assert "denoise" in look_and_interrupt(process, look)
    assert children
    assert not [one for one in children if Path(f"/proc/{one}").exists()]


def test_a_dashboard_shows_what_its_caller_may_see_and_says_what_is_missing(scene, source, plugin) -> None:
    flow = scene.flow().apply(spec())
    flow.next_pod().run(100, 90)
    flow.until("its checkpoint to be known", lambda status: status.get("checkpoint"))
    rule = {"apiGroups": ["computableflow.dev"], "resources": ["computableflows"], "verbs": ["get", "list", "watch"]}
    group = "apis/rbac.authorization.k8s.io/v1"
    names = {"metadata": {"name": "eve"}}
    scene.api.post(scene.path("roles", group=group), {**names, "rules": [rule]})
    scene.api.post(scene.path("rolebindings", group=group), {
        **names, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "eve"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "eve"}],
    })  # fmt: skip
    seen = wait_for("eve's rights", lambda: _or_none(lambda: source("--as", "eve")))
    with served(seen) as found:
        (key,) = seen.rows()
        page = found.page(f"flow/{key}")
        for right in ("pods", "jobs", "events", "configmaps"):
            assert f"Ask whoever runs the cluster for <code>list</code> of {right} in this namespace." in page
        assert "<td>Ready</td><td>" in page
        assert seen.notes() == ()
    code, said = plugin("dashboard", "--as", "mallory")
    assert (code, "mallory" in said, "forbidden" in said, "Traceback" in said) == (1, True, True, False)
    code, said = plugin("dashboard", "--server", "https://127.0.0.1:1")
    assert (code, "refused" in said, "Traceback" in said) == (1, True, False)


def _or_none(make):
    with contextlib.suppress(KubectlError):
        return make()
    return None


def test_a_reader_that_can_not_start_says_why_and_is_gone(scene, plugin, monkeypatch) -> None:
    monkeypatch.setattr(reader, "START_SECONDS", 1)
    flow = scene.flow().apply(spec())
    flow.next_pod().run(100, 90)
    code, said = plugin("result", "denoise")
    assert code == 65
    assert "pod denoise-reader can't start" in said
    pods = scene.api.items(scene.path("pods"))
    left = [one for one in pods if one["metadata"]["name"] == "denoise-reader"]
    assert all("deletionTimestamp" in one["metadata"] for one in left)
    assert flow.status()["phase"] == "Running"  # no writer was seen beside it


def test_a_change_is_refused_where_the_spec_was_changed_meanwhile_and_not_where_the_status_was(scene, monkeypatch):
    monkeypatch.setenv("PATH", str(scene.plane.kubectl.parent), prepend=os.pathsep)
    kubectl = Kubectl((f"--kubeconfig={scene.plane.kubeconfig}", "--namespace", scene.namespace))
    flow = scene.flow().apply(spec())
    pod = flow.next_pod().run(100, 90)
    flow.phase("Running")
    read = kubectl.flow("denoise")
    version = (flow.body() or {})["metadata"]["resourceVersion"]
    pod.evict()
    flow.next_pod().run(200, 190)
    wait_for("the status to be written", lambda: (flow.body() or {})["metadata"]["resourceVersion"] != version)
    kubectl.patch(read, [{"op": "add", "path": "/spec/retryNonce", "value": "1"}])
    with pytest.raises(KubectlError):
        kubectl.patch(read, [{"op": "add", "path": "/spec/retryNonce", "value": "2"}])
    assert (flow.body() or {})["spec"]["retryNonce"] == "1"
