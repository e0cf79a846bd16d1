"""The proxy between operator and apiserver: each kind of trouble that it makes, once, and what the operator makes of it."""

import pytest

from kit.apiserver.proxy import Fault, Moment, dropped, late, only, twice
from kit.apiserver.scene import spec, wait_for


def lives(scene, attempts=(2,)):
    """A flow starts, is evicted and completes, with the counts of an undisturbed life."""
    flow = scene.flow().apply(spec())
    first = flow.next_pod(200).run(100, 90)
    flow.until("its checkpoint to be known", lambda status: status.get("checkpoint"), 200)
    first.evict()
    flow.next_pod(200).run(120).finish()
    status = flow.phase("Completed", 200)
    assert status["attempt"]["number"] in attempts
    assert status["recoveries"]["evictions"] <= 1
    created = [one for one in scene.proxy.writes if one.method == "POST" and one.path.endswith("/jobs")]
    return flow, status, len(created)


def test_the_writes_of_a_life_are_numbered(scene):
    _, _, created = lives(scene)
    assert created == 2
    assert [one.number for one in scene.proxy.writes] == list(range(1, len(scene.proxy.writes) + 1))
    assert {one.method for one in scene.proxy.writes} == {"POST", "PATCH", "DELETE"}


@pytest.mark.parametrize("moment", list(Moment))
def test_an_operator_killed_around_a_write_is_followed_by_one_that_goes_on(scene, moment):
    scene.proxy.kill_at = (3, moment)
    flow = scene.flow().apply(spec())
    wait_for("it to be killed", lambda: scene.proxy.killed_at)
    flow.next_pod().run(10).finish()
    assert flow.phase("Completed")["attempt"]["number"] == 1


@pytest.mark.parametrize(
    ("plural", "change"), [("pods", twice), ("computableflows", twice), ("pods", late(1.0)), ("jobs", late(1.0))]
)
def test_watch_events_that_come_twice_or_late(scene, plural, change):
    scene.proxy.filter = only(plural, change)
    lives(scene)


@pytest.mark.thorough
@pytest.mark.parametrize("plural", ["pods", "jobs", "computableflows", "persistentvolumeclaims"])
def test_watch_events_that_never_come_are_found_by_the_resync(scene, plural):
    scene.proxy.filter = only(plural, dropped)
    lives(scene, attempts=(1, 2))  # its Job may have made up for the pod before the resync


@pytest.mark.thorough
def test_watches_that_freeze_are_made_up_for(scene):
    flow = scene.flow().apply(spec())
    first = flow.next_pod().run(100, 90)
    flow.until("its checkpoint to be known", lambda status: status.get("checkpoint"))
    scene.proxy.frozen = True
    first.evict()
    flow.next_pod(150)
    scene.proxy.frozen = False


@pytest.mark.parametrize("status", [409, 410, 429, 500, 503])
@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_answers_that_are_errors_are_tried_again(scene, method, status):
    scene.proxy.faults = [Fault(method, "denoise" if method == "PATCH" else "/jobs", status, times=2, retry_after=1)]
    lives(scene)


@pytest.mark.parametrize("status", [pytest.param(410, marks=pytest.mark.thorough), 429, 500])
def test_watches_that_end_in_an_error_are_begun_again(idle_scene, status):
    idle_scene.proxy.faults = [Fault("GET", "watch=true", status, times=3, retry_after=1)]
    idle_scene.operator.start()
    lives(idle_scene)


@pytest.mark.thorough
def test_no_answer_at_all_is_given_up_on(scene):
    scene.proxy.faults = [Fault("POST", "/jobs", 0)]
    lives(scene)
