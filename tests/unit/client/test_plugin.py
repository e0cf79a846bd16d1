"""`kubectl cflow` without a cluster: flags, tables, trees, changes, redaction, and a reader pod that never stays."""

import io
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pytest

from flowapi.errors import DataError, DocumentError
from flowapi.revision import RevisionFile, RevisionTuple
from flowclient import revisions
from flowclient.flows import open_flow
from flowclient.kube import bundle, changes, reader, showing
from flowclient.kube.cluster import check_digests
from flowclient.kube.commands import seconds_of
from flowclient.kube.kubectl import Kubectl, KubectlError, split
from flowclient.results import result_of
from flowengine.cli.serving import write_tar
from kit import folders

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
OLD, NEW = "a" * 10, "b" * 10


def flow(**status) -> dict:
    record = {
        "number": 1,
        "hash": OLD,
        "outcome": "Superseded",
        "checkpoint": {"id": "c1", "iteration": 90, "time": "2026-01-01T11:59:48Z"},
    }
    newer = {"number": 2, "hash": NEW, "outcome": "Running"}
    return {
        "apiVersion": "computableflow.dev/v1alpha1", "kind": "ComputableFlow",
        "metadata": {"name": "denoise", "namespace": "ns", "uid": "u", "resourceVersion": "7", "generation": 2,
                     "creationTimestamp": "2026-01-01T09:54:30Z", "annotations": {"argocd.argoproj.io/tracking-id": "x"}},
        "spec": {"flow": {"terms": [], "stop": {"maxIterations": 9}}, "engine": {"env": [{"name": "TOKEN", "value": "hush"}], "tolerations": [{"key": "spot"}]}},
        "status": {"observedGeneration": 2, "phase": "Running", "revision": {"current": NEW, "desired": NEW}, "revisions": [record, newer],
                   "display": {"iteration": "90/1000", "energy": "1.5", "residual": "0.1", "rate": "99"},
                   "attempt": {"number": 3, "jobName": "denoise-3", "startedAt": "2026-01-01T11:55:00Z"},
                   "checkpoint": record["checkpoint"], **status},
    }  # fmt: skip


def test_flags_of_kubectl_stand_anywhere() -> None:
    words = ["list", "-n", "a", "--context=c", "-o", "wide", "-nb", "--as", "eve", "x", "--", "-n", "d"]
    assert split(words) == (
        ["-n", "a", "--context=c", "-n", "b", "--as", "eve"],
        ["list", "-o", "wide", "x", "--", "-n", "d"],
    )
    assert Kubectl(("-n", "a", "--context", "c", "--namespace=b")).within("z").flags == (
        "--context",
        "c",
        "--namespace",
        "z",
    )


def test_a_table_a_tree_and_ages() -> None:
    text = showing.aligned(showing.table([flow()], showing.LIST, NOW, spaces=True, wide=False))
    assert text.splitlines()[1].split() == ["ns", "denoise", "Running", "90/1000", "1.5", "–", "–", "12s", "0", "2h5m"]
    job = {"metadata": {"name": "denoise-3"}, "status": {"active": 1}}
    pod = {"metadata": {"name": "p", "labels": {"job-name": "denoise-3"}}, "spec": {},
           "status": {"phase": "Pending", "conditions": [{"status": "False", "message": "0/2 nodes are available"}]}}  # fmt: skip
    tree = showing.tree(flow(), [job], [pod], NOW)
    assert "├─ revision r2 " in tree
    assert "      └─ pod p  Pending: 0/2 nodes are available" in tree.replace("│", " ")
    assert "checkpoint c1 at iteration 90, 12s" in tree
    assert [showing.age(time, NOW) for time in ("2025-12-29T12:00:00Z", "2026-01-01T11:54:57Z", "?")] == [
        "3d",
        "5m3s",
        "",
    ]


def revision(weight: float) -> RevisionFile:
    tuple_ = RevisionTuple(flow={"terms": [{"atom": "l1", "arg": "x", "weight": weight}]})
    return RevisionFile(hash=tuple_.hash, name="denoise", tuple=tuple_, resolved_image="i")


def test_a_rollback_puts_back_what_decides_the_numbers_and_nothing_else() -> None:
    (operation,) = changes.rollback(flow(), revision(0.1))
    spec = operation["value"]
    assert spec["flow"] == {**revision(0.1).tuple.flow, "stop": {"maxIterations": 9}}
    assert spec["engine"] == {"tolerations": [{"key": "spot"}]}
    assert changes.record(flow()).hash == changes.record(flow(), "r1").hash == OLD
    assert "Argo CD puts the old text back" in changes.warning(flow())
    assert "+  - arg: x" in revisions.diff(revision(0.1), revision(0.2)) or "weight: 0.2" in revisions.diff(
        revision(0.1), revision(0.2)
    )
    assert revisions.diff(revision(0.1), revision(0.1)) == ""
    with pytest.raises(DataError, match="r1 a"):
        changes.record(flow(), "r9")


def test_a_restore_names_the_revision_that_has_the_checkpoint() -> None:
    assert changes.restore(flow(), "c1", "n")[0]["value"] == {"nonce": "n", "checkpoint": f"{OLD}/c1"}
    assert changes.restore(flow(), "c2", "n")[0]["value"]["checkpoint"] == f"{NEW}/c2"
    assert changes.restore(flow(), "abc/c2", "n")[0]["value"]["checkpoint"] == "abc/c2"


def test_what_is_waited_for_speaks_of_the_newest_spec() -> None:
    stalled = [
        {"type": "Stalled", "status": "True", "reason": "InvalidSpec", "message": "no", "lastTransitionTime": "t"}
    ]
    stable = {"current": NEW, "desired": NEW, "stable": NEW}
    assert changes.waited(flow(revision=stable), "stable") == (True, "")
    assert changes.waited(flow(), "stable") == (False, "")
    assert changes.waited(flow(revision=stable, observedGeneration=1), "stable") == (False, "")
    assert changes.waited(flow(phase="Stalled", conditions=stalled), "completed") == (False, "no")
    assert [seconds_of(text) for text in ("0", "90s", "1.5h")] == [0, 90, 5400]
    with pytest.raises(DocumentError):
        seconds_of("soon")


def test_a_bundle_has_no_values_of_variables_and_no_inline_data() -> None:
    body = flow()
    body["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = "hush"
    body["spec"]["flow"]["data"] = {"b": {"inline": ["hush"]}}
    body["data"] = {"revision.json": json.dumps({"tuple": {"env": [{"name": "A", "value": "hush"}]}})}
    text = json.dumps(bundle.redacted(body))
    assert "hush" not in text
    assert "TOKEN" in text


class Cluster(Kubectl):
    """Notes what is asked of it, and has a pod that starts, unless it is told otherwise."""

    said: list
    starts: bool

    def within(self, namespace):
        return self

    def run(self, *words, stdin=None):
        self.said.append((words[0], json.loads(stdin)["metadata"]["name"] if stdin else words[1]))
        if words[0] == "create" and self.phase:
            raise KubectlError('(AlreadyExists): pods "denoise-reader" already exists')
        if words[0] == "wait" and not self.starts:
            raise KubectlError("timed out")
        status = {"phase": self.phase, "conditions": [{"message": "no room"}]}
        return json.dumps({"status": status})


def cluster(*, starts: bool = True, phase: str = "") -> Cluster:
    found = Cluster()
    for name, value in (("said", []), ("starts", starts), ("phase", phase)):
        object.__setattr__(found, name, value)
    return found


def test_a_reader_is_gone_whatever_happens() -> None:
    asked = cluster()
    with reader.reading(asked, flow(), "image") as name:
        assert name == "denoise-reader"
    assert [word for word, _ in asked.said] == ["create", "wait", "delete"]

    asked = cluster(starts=False)
    with pytest.raises(DataError, match="can't start: no room"), reader.reading(asked, flow(), "image"):
        raise AssertionError
    assert asked.said[-1] == ("delete", "pod")

    for number in (signal.SIGTERM, signal.SIGINT):
        asked = cluster()
        with pytest.raises(SystemExit) as end, reader.reading(asked, flow(), "image"):
            os.kill(os.getpid(), number)
        assert end.value.code == 128 + number
        assert asked.said[-1] == ("delete", "pod")
    with (
        pytest.raises(DataError, match="reads this flow already"),
        reader.reading(cluster(phase="Running"), flow(), "i"),
    ):
        raise AssertionError


def test_a_reader_may_nothing_but_read() -> None:
    pod = reader.reader_pod(flow(), "image", "node-1")
    spec = pod["spec"]
    (container,) = spec["containers"]
    assert container["volumeMounts"][0] == {"name": "flow", "mountPath": "/flow", "readOnly": True}
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert (spec["automountServiceAccountToken"], spec["securityContext"]["runAsNonRoot"]) == (False, True)
    assert spec["activeDeadlineSeconds"] > 0
    assert pod["metadata"]["ownerReferences"][0]["uid"] == "u"
    assert not any("computableflow.dev" in key for key in pod["metadata"]["labels"])  # or it would count as a writer
    assert "node-1" in json.dumps(spec["affinity"])
    assert "hush" not in json.dumps(pod)


@pytest.mark.parametrize("make", [folders.ended, folders.interrupted])
def test_what_a_reader_packs_is_the_same_flow(tmp_path, make) -> None:
    make(tmp_path / "flow")
    (tmp_path / "flow" / "link").symlink_to("/etc/passwd")
    file = io.BytesIO()
    write_tar(tmp_path / "flow", file)

    class Sent(Kubectl):
        def within(self, namespace):
            return self

        def save(self, target, *words):
            target.write_bytes(file.getvalue())

    (tmp_path / "to").mkdir()
    root = reader.fetch(Sent(), flow(), "pod", tmp_path / "to", arrays=True)
    before, after = (result_of(open_flow(one)) for one in (tmp_path / "flow", root))
    assert before.sha256 == after.sha256
    assert np.array_equal(after.arrays["x"], folders.picture(60))
    assert not (root / "link").exists()
    ended = flow(result={"reason": "Converged", "iteration": 60, "sha256": {"x": "another"}})
    if after.provisional:
        assert "has not ended" in check_digests(ended, after)
    else:
        with pytest.raises(DataError, match="on the volume, the SHA-256 of"):
            check_digests(ended, after)


def test_the_plugin_starts_without_what_only_some_commands_need() -> None:
    """It starts in half a second; arrays and pictures would take another."""
    code = (
        "import sys\nfrom flowclient.kube import commands, dashboard, fetching, steering\n"
        "print(sorted({'jax', 'numpy', 'pyarrow', 'matplotlib', 'duckdb', 'starlette', 'flowapi.spec'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
