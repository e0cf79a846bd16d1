"""Starts that a person asks for, and those that nobody may ask for for ever: restores, retries, Jobs that have had their time."""

from kit.apiserver.scene import revision_of, spec, wait_for

CHECKPOINT = "000000000040-e000001-0a1b2c"


def test_a_restore_happens_once_and_goes_on_from_there(scene):
    flow = scene.flow().apply(spec())
    flow.next_pod().run(100, 90)
    flow.until("its checkpoint to be known", lambda status: status.get("checkpoint"))
    place = f"{revision_of(spec())}/{CHECKPOINT}"
    flow.edit(restore={"nonce": "1", "checkpoint": place})
    pod = flow.next_pod()
    assert (pod.arguments()["start"], pod.attempt) == (place, 2)
    name = pod.arguments()["start-id"]
    pod.run(45).evict()  # before it has saved anything: the Job starts it again, under the same name
    again = flow.next_pod(60).run(60, 50)
    assert (again.arguments()["start-id"], again.attempt) == (name, 2)
    flow.until("its checkpoint", lambda status: (status.get("checkpoint") or {}).get("iteration") == 50)
    again.evict()
    last = flow.next_pod()
    assert (last.arguments()["start"], "start-id" in last.arguments()) == ("latest", False)
    flow.told({"Restoring"})


def test_an_engine_that_crashes_after_each_checkpoint_is_not_started_for_ever(scene):
    flow = scene.flow().apply(spec(retry={"limit": 1}))
    for saved in (100, 200):
        pod = flow.next_pod().run(saved + 10, saved)
        flow.until("its checkpoint", lambda status, k=saved: (status.get("checkpoint") or {}).get("iteration") == k)
        pod.end(1)
    flow.stalled("RetriesExhausted")
    assert [one["spec"]["backoffLimit"] for one in flow.jobs()] == [0]
    flow.edit(retryNonce="1")
    flow.next_pod()
    assert [one["spec"]["backoffLimit"] for one in flow.jobs()] == [1]


def test_the_job_of_a_completed_flow_goes_and_nothing_runs_again(scene):
    flow = scene.flow().apply(spec(ttlSecondsAfterFinished=1))
    flow.next_pod().run(100, 90).finish()
    flow.phase("Completed")
    wait_for("the Job to go", lambda: not flow.jobs())
    scene.operator.restart()
    status = flow.phase("Completed")
    assert (status["attempt"]["number"], status["result"]["iteration"]) == (1, 1000)
    assert not flow.jobs()


def test_a_job_of_a_queue_waits_runs_is_preempted_and_goes_on_as_the_same_job(scene):
    labels = {
        "kueue.x-k8s.io/queue-name": "team",
        "kueue.x-k8s.io/priority-class": "low",
        "mine": "stays",
    }
    body = scene.flow().object(spec())
    body["metadata"]["labels"] = labels
    scene.api.post(scene.flow().path.rsplit("/", 1)[0], body)
    flow = scene.flow()
    pod = flow.next_pod().run(100, 90)
    flow.until("its checkpoint to be known", lambda status: status.get("checkpoint"))
    (job,) = flow.jobs()
    known = job["metadata"]["labels"]
    assert known.items() >= {key: value for key, value in labels.items() if key != "mine"}.items()
    assert "mine" not in known
    path = scene.path("jobs", job["metadata"]["name"], "apis/batch/v1")
    scene.api.merge(path, {"spec": {"suspend": True}})  # as Kueue takes a place back
    pod.wait_until_deleting()
    flow.until(
        "to be queued",
        lambda status: any(
            (one["type"], one["status"], one["reason"]) == ("Reconciling", "True", "Queued")
            for one in status["conditions"]
        ),
    )
    scene.operator.restart()
    scene.api.merge(path, {"spec": {"suspend": False}})
    again = flow.next_pod(60).run(120, 110)
    assert again.attempt == 1
    assert [one["metadata"]["uid"] for one in flow.jobs()] == [job["metadata"]["uid"]]
    flow.phase("Running")
