"""A CRD that another release has left behind: helm refuses it, and takes it over when told to, with its flows."""

import itertools
import secrets

import pytest

from kit.apiserver.plane import ENGINE
from kit.apiserver.scene import spec, wait_for
from kit.cluster import tools
from kit.cluster.errors import KitError
from kit.cluster.operator import CHART
from kit.cluster.run import run


@pytest.fixture
def helm(plane):
    helm_path = tools.ensure()["helm"]

    def call(*arguments):
        return run([helm_path, f"--kubeconfig={plane.kubeconfig}", *arguments], timeout=120)

    return call


def test_a_release_of_another_name_takes_the_crd_over_and_its_flows_go_on(scene, helm):
    flow = scene.flow().apply(spec())
    pod = flow.next_pod().run(100, 90)
    flow.phase("Running")
    uid = flow.body()["metadata"]["uid"]
    name = f"second-{secrets.token_hex(3)}"
    install = ("install", name, str(CHART), f"--namespace={name}", "--create-namespace", f"--set=engine.image={ENGINE}")
    with pytest.raises(KitError, match="cannot be imported into the current release"):
        helm(*install)
    helm(*install, "--take-ownership")
    try:
        crd = scene.api.get(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/computableflows.computableflow.dev"
        )
        assert crd["metadata"]["annotations"]["meta.helm.sh/release-name"] == name
    finally:
        helm("uninstall", name, f"--namespace={name}")
    assert flow.body()["metadata"]["uid"] == uid, "the CRD stays, and every flow with it"
    iterations = itertools.count(200)

    def goes_on():
        pod.say(next(iterations), 190)
        return flow.status()["checkpoint"]["iteration"] == 190

    wait_for("the flow to go on", goes_on, 120)
    scene.api.delete(f"/api/v1/namespaces/{name}")
