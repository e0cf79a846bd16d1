"""What a platform team allows: a policy of the chart's values, held by the apiserver itself."""

import json

import pytest

from flowapi.group import API_VERSION, KIND
from kit.apiserver.api import ApiError
from kit.apiserver.plane import NAMESPACE, RELEASE
from kit.apiserver.scene import spec, wait_for
from kit.cluster import tools
from kit.cluster.operator import CHART
from kit.cluster.run import run

ALLOWED = {
    "images": ["registry.example/team/", "engine:"], "serviceAccounts": ["runner"], "priorityClasses": [],
    "runtimeClasses": ["gvisor"], "tolerationKeys": ["spot"], "claims": ["data"],
}  # fmt: skip
GOOD = [
    {},
    {
        "engine": {
            "image": "registry.example/team/engine:2",
            "serviceAccountName": "runner",
            "runtimeClassName": "gvisor",
        }
    },
    {
        "engine": {"tolerations": [{"key": "spot", "operator": "Exists"}]},
        "inputs": [{"name": "a", "claimName": "data"}],
    },
    {"checkpoint": {"volume": {"claimName": "data"}}, "inputs": [{"name": "a", "configMapName": "any"}]},
]
BAD = [
    ({"engine": {"image": "registry.example/other/engine:2"}}, "spec.engine.image"),
    ({"engine": {"serviceAccountName": "admin"}}, "spec.engine.serviceAccountName"),
    ({"engine": {"priorityClassName": "high"}}, "spec.engine.priorityClassName"),
    ({"engine": {"runtimeClassName": "runc"}}, "spec.engine.runtimeClassName"),
    ({"engine": {"tolerations": [{"key": "gpu", "operator": "Exists"}]}}, "spec.engine.tolerations"),
    ({"engine": {"tolerations": [{"operator": "Exists"}]}}, "spec.engine.tolerations"),
    ({"inputs": [{"name": "a", "claimName": "secrets"}]}, "spec.inputs"),
    ({"checkpoint": {"volume": {"claimName": "secrets"}}}, "spec.checkpoint.volume"),
]


@pytest.fixture
def policed(plane, idle_scene):
    """The apiserver with the policy in force, and without it afterwards."""
    found = tools.ensure()
    options = [
        f"--namespace={NAMESPACE}",
        f"--set-json=allowed={json.dumps(ALLOWED)}",
        "--show-only=templates/policy.yaml",
    ]
    text = run([found["helm"], "template", RELEASE, CHART, *options])
    kubectl = [found["kubectl"], f"--kubeconfig={plane.kubeconfig}"]
    run([*kubectl, "apply", "--server-side", "-f", "-"], data=text)
    try:
        wait_for("the policy to be in force", lambda: said(idle_scene, BAD[0][0]), 60)
        yield idle_scene
    finally:
        run([*kubectl, "delete", "-f", "-"], data=text)
        wait_for("it to be in force no more", lambda: not said(idle_scene, BAD[0][0]), 60)


def said(scene, change) -> str:
    """Why the apiserver refuses a flow; empty when it would take it."""
    body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"generateName": "a-"}, "spec": spec(**change)}
    try:
        scene.api.post(scene.path("computableflows", group=f"apis/{API_VERSION}") + "?dryRun=All", body)
    except ApiError as error:
        assert error.status == 422, error
        return str(error)
    return ""


def test_flows_name_what_is_allowed_and_nothing_else(policed):
    assert [said(policed, change) for change in GOOD] == [""] * len(GOOD)
    for change, path in BAD:
        assert f"{path}" in said(policed, change), change


def test_only_the_operator_says_what_a_revision_is(policed):
    """A ConfigMap made by hand could name an account that the lists forbid."""
    meta = {"name": "denoise-0123456789", "namespace": policed.namespace}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {}}
    path = policed.path("configmaps")
    policed.api.post(path, body)
    label = {"metadata": {"labels": {"computableflow.dev/revision": "0123456789"}}}
    with pytest.raises(ApiError, match="only the operator writes ConfigMaps"):
        policed.api.merge(f"{path}/{meta['name']}", label)
    policed.operator.start()
    policed.flow().apply(spec()).next_pod()
