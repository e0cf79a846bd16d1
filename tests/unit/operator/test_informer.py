"""The cache: what watches tell in any order, what is believed of pods, and what a watch has missed."""

import pytest

from flowapi.group import API_VERSION, FLOW_LABEL, KIND
from flowapi.report import RunReport
from flowoperator.objects.job import CONTAINER
from flowoperator.objects.meta import ATTEMPT_LABEL, REVISION_LABEL
from flowoperator.shell.informer import KEPT, Informer
from flowoperator.shell.queue import Key

KEY = Key("ns", "flow")


def body(name="flow", version=1, uid="u", owner="", labels=None, **more):
    meta = {"namespace": "ns", "name": name, "uid": uid, "resourceVersion": str(version), "labels": labels or {}}
    meta["creationTimestamp"] = more.pop("created", "2026-01-01T00:00:00Z")
    if owner:
        meta["ownerReferences"] = [{"uid": owner, "controller": True, "kind": "Job"}]
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": meta, **more}


def ours(revision="r", attempt="1"):
    return {FLOW_LABEL: "flow", REVISION_LABEL: revision, ATTEMPT_LABEL: attempt}


def ended(name, version, owner, message="", code=75, created="2026-01-01T00:00:00Z"):
    state = {"terminated": {"exitCode": code, "message": message}}
    status = {"phase": "Failed", "containerStatuses": [{"name": CONTAINER, "state": state}]}
    return body(name, version, f"uid-of-{name}", owner, ours(), status=status, created=created)


@pytest.fixture
def informer():
    found = Informer()
    found.seen(KIND, body(spec={"flow": {}}))
    found.seen("Job", body("job", 1, "job-1", "u", ours()))
    return found


def test_an_older_version_never_replaces_a_newer_one(informer):
    newer = body("job", 5, "job-1", "u", ours(), status={"conditions": [{"type": "Complete", "status": "True"}]})
    assert informer.seen("Job", newer) == KEY
    assert informer.seen("Job", body("job", 3, "job-1", "u", ours())) is None
    assert informer.jobs.of(KEY)[0].finished == "Complete"


def test_an_object_of_the_same_name_made_anew_replaces_the_old_one_and_its_late_deletion_is_ignored(informer):
    assert informer.seen("Job", body("job", 9, "job-2", "u", ours())) == KEY
    informer.seen("Job", body("job", 8, "job-1", "u", ours()), deleted=True)
    assert [one.uid for one in informer.jobs.of(KEY)] == ["job-2"]


def test_a_termination_is_believed_only_of_a_pod_whose_job_is_the_flows(informer):
    informer.seen("Pod", ended("stranger", 2, "another-job"))
    assert informer.terminations(KEY) == ()
    informer.seen("Pod", ended("pod", 3, "job-1"))
    assert [one.pod_name for one in informer.terminations(KEY)] == ["pod"]


def test_the_record_with_a_report_outlives_the_event_that_has_none(informer):
    report = RunReport(revision="r", attempt=1)
    informer.seen("Pod", ended("pod", 2, "job-1", report.to_bytes().decode()))
    informer.seen("Pod", ended("pod", 3, "job-1"), deleted=True)
    assert informer.terminations(KEY)[0].report == report
    assert informer.pods.of(KEY) == ()


def test_records_are_in_the_order_of_their_pods_whichever_is_told_last_and_the_newest_are_kept(informer):
    for number in (*range(2 * KEPT, 10, -1), *range(11)):
        informer.seen("Pod", ended(f"pod-{number}", 2, "job-1", created=f"2026-01-01T00:{number:02}:00Z"))
    kept = [one.pod_name for one in informer.terminations(KEY)]
    assert kept == [f"pod-{number}" for number in range(KEPT + 1, 2 * KEPT + 1)]


def test_a_flow_that_is_deleted_or_made_anew_takes_its_records_along(informer):
    informer.seen("Pod", ended("pod", 2, "job-1"))
    informer.seen(KIND, body(version=4, uid="u2", spec={"flow": {}}))
    assert informer.terminations(KEY) == ()


def test_what_is_gone_is_found_by_a_listing_and_what_is_newer_than_the_listing_stays(informer):
    informer.seen("Job", body("young", 7, "job-7", "u", ours()))
    keys, missed = informer.compare("Job", 5, [])
    assert (keys, missed) == ({KEY}, [])
    assert [one.name for one in informer.jobs.of(KEY)] == ["young"]


def test_a_change_that_a_listing_shows_and_no_watch_told_was_missed(informer):
    newer = body("job", 4, "job-1", "u", ours())
    assert informer.compare("Job", 9, [newer]) == (set(), [("ns", "job")])
    informer.seen("Job", newer)
    assert informer.compare("Job", 9, [newer]) == (set(), [])


def test_an_object_whose_label_names_no_flow_is_nothing_that_a_watch_has_missed(informer):
    assert informer.compare("Pod", 9, [body("pod", 4, "p", labels={FLOW_LABEL: ""})]) == (set(), [])


def test_a_late_event_of_an_object_that_was_made_anew_since_changes_nothing(informer):
    informer.seen("Job", body("job", 9, "job-2", "u", ours()))
    assert informer.seen("Job", body("job", 7, "job-1", "u", ours())) is None
    assert [one.uid for one in informer.jobs.of(KEY)] == ["job-2"]


@pytest.mark.parametrize("how", ["deleted", "compared"])
def test_what_a_pod_says_as_it_ends_is_believed_although_its_job_is_gone_by_then(informer, how):
    if how == "deleted":
        informer.seen("Job", body("job", 2, "job-1", "u", ours()), deleted=True)
    else:
        informer.compare("Job", 5, [])
    informer.seen("Pod", ended("stranger", 6, "another-job"))
    informer.seen("Pod", ended("pod", 6, "job-1"))
    assert [one.pod_name for one in informer.terminations(KEY)] == ["pod"]


def test_a_listing_of_one_namespace_says_nothing_of_another(informer):
    informer.compare("Job", 99, [], "elsewhere")
    assert len(informer.jobs.of(KEY)) == 1


def test_pods_are_in_the_order_in_which_they_were_made_whatever_their_names(informer):
    informer.seen("Pod", body("engine-a", 3, "a", "job-1", ours(), created="2026-01-01T00:02:00Z", status={}))
    informer.seen("Pod", body("engine-b", 2, "b", "job-1", ours(), created="2026-01-01T00:01:00Z", status={}))
    assert [one.name for one in informer.pods.of(KEY)] == ["engine-b", "engine-a"]
