from kit.apiserver.scene import spec


def test_a_flow_runs_is_evicted_and_completes(scene):
    flow = scene.flow().apply(spec())
    pod = flow.next_pod().run(100, 90)
    flow.phase("Running")
    pod.evict()
    again = flow.next_pod()
    assert again.attempt == 2
    again.run(120, 0)
    again.finish()
    assert flow.phase("Completed")["recoveries"]["evictions"] == 1
