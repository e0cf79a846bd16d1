"""The chart: it lints, its values are checked, and what it renders grants no more than the operator needs."""

import json
import re
import subprocess
from collections.abc import Iterator

import pytest
import yaml
from prometheus_client import REGISTRY

from flowapi.report import RunReport
from flowapi.status import FlowStatus
from flowengine.run.metrics import Series
from flowoperator.core.observed import Flow
from flowoperator.objects.meta import FlowRef
from flowoperator.shell.metrics import Flows
from kit.cluster import KitError, tools
from kit.cluster.operator import CHART
from kit.world import spec


@pytest.fixture(scope="session")
def helm():
    try:
        path = tools.ensure()["helm"]
    except KitError as error:
        pytest.skip(str(error))

    def run(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([path, *arguments], capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def render(helm):
    def run(*options: str) -> list[dict]:
        done = helm("template", "computable-flows", str(CHART), "--namespace=system", *options)
        assert done.returncode == 0, done.stderr
        return [one for one in yaml.safe_load_all(done.stdout) if one]

    return run


def series() -> Iterator[str]:
    """The names of all series that an operator has."""
    flow = Flow(FlowRef("a", "b", "c"), 1, spec(), FlowStatus())
    for metric in (*Flows(lambda: [flow]).collect(), *REGISTRY.collect()):
        yield metric.name
        yield f"{metric.name}_total" if metric.type == "counter" else metric.name


def of_kind(objects: list[dict], kind: str) -> list[dict]:
    return [one for one in objects if one["kind"] == kind]


def test_it_lints(helm):
    done = helm("lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout


def test_the_crd_stays_when_the_release_goes(render):
    (crd,) = of_kind(render(), "CustomResourceDefinition")
    assert crd["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert not of_kind(render("--set=crds.install=false"), "CustomResourceDefinition")


def lease_role(objects):
    """Where the Role is that lets operators have their Lease."""
    (found,) = (one["metadata"] for one in of_kind(objects, "Role") if one["metadata"]["name"].endswith("-lease"))
    return found["namespace"], found["name"]


def test_two_operators_share_a_lease_and_are_updated_without_a_gap(render):
    objects = render()
    (deployment,) = of_kind(objects, "Deployment")
    assert deployment["spec"]["replicas"] == 2
    assert deployment["spec"]["strategy"] == {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    assert len(of_kind(objects, "PodDisruptionBudget")) == 1
    assert not of_kind(render("--set=replicas=1"), "PodDisruptionBudget")
    (role,) = (one for one in of_kind(objects, "Role") if one["metadata"]["name"].endswith("-lease"))
    assert [(rule["verbs"], rule.get("resourceNames")) for rule in role["rules"]] == [
        (["create"], None), (["get", "patch"], ["computable-flows"]),
    ]  # fmt: skip


def test_listed_namespaces_get_roles_and_nothing_wider(render):
    objects = render("--set=watchNamespaces={a,b}")
    roles = {(one["metadata"]["namespace"], one["metadata"]["name"]) for one in of_kind(objects, "Role")}
    assert roles - {lease_role(objects)} == {("a", "computable-flows"), ("b", "computable-flows")}
    assert not of_kind(objects, "ClusterRole")
    (deployment,) = of_kind(objects, "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert {"name": "CFLOW_NAMESPACES", "value": "a,b"} in container["env"]


@pytest.mark.parametrize("option", [(), ("--set=watchNamespaces={a}",)], ids=["cluster", "namespaces"])
def test_the_operator_may_do_little(render, option):
    objects = render(*option)
    roles = of_kind(objects, "ClusterRole") + of_kind(objects, "Role")
    (role,) = (one for one in roles if not one["metadata"]["name"].endswith("-lease"))
    granted = {
        (group, resource): set(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert not any("*" in one for key, verbs in granted.items() for one in (*key, *verbs))
    assert granted["", "pods"] == {"get", "list", "watch"}
    assert granted["computableflow.dev", "computableflows"] == {"get", "list", "watch"}
    assert {resource for _, resource in granted} == {
        "computableflows", "computableflows/status", "jobs", "pods", "persistentvolumeclaims", "configmaps", "events",
        "workloads",
    }  # fmt: skip


def test_the_pod_is_restricted(render):
    (deployment,) = of_kind(render(), "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip


def test_engines_of_listed_namespaces_are_reached_by_the_operator_alone(render):
    assert not of_kind(render(), "NetworkPolicy")
    (policy,) = of_kind(render("--set=flowNamespaces={flows}"), "NetworkPolicy")
    assert policy["metadata"]["namespace"] == "flows"
    assert policy["spec"]["egress"] == []


def test_a_policy_comes_with_the_first_list_and_holds_those_lists_alone(render):
    assert not of_kind(render(), "ValidatingAdmissionPolicy")
    lists, revisions = of_kind(render("--set-json=allowed.priorityClasses=[]"), "ValidatingAdmissionPolicy")
    (rule,) = lists["spec"]["validations"]
    assert revisions["metadata"]["name"] == f"{lists['metadata']['name']}-revisions"
    assert rule["message"] == "spec.engine.priorityClassName: only [] may be used here"


def test_scrapers_reach_engines_where_they_are_named(render):
    (policy,) = of_kind(render("--set=flowNamespaces={flows}", "--set=scraperNamespaces={monitoring}"), "NetworkPolicy")
    (rule,) = policy["spec"]["ingress"]
    assert len(rule["from"]) == 2
    assert rule["from"][1]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "monitoring"}


def test_monitors_and_alerts_come_where_they_are_asked_for(render):
    kinds = ("ServiceMonitor", "PodMonitor", "PrometheusRule")
    assert not any(of_kind(render(), kind) for kind in kinds)
    options = [f"--set=monitoring.{name}=true" for name in ("serviceMonitor", "podMonitor", "rules")]
    objects = render(*options, "--set=monitoring.labels.release=mine")
    found = [of_kind(objects, kind)[0] for kind in kinds]
    assert {one["metadata"]["labels"]["release"] for one in found} == {"mine"}
    (service,) = of_kind(objects, "Service")
    endpoint = found[0]["spec"]["endpoints"][0]["port"]
    assert endpoint in {port["name"] for port in service["spec"]["ports"]}
    labels = service["metadata"]["labels"]
    assert labels.items() >= found[0]["spec"]["selector"]["matchLabels"].items()


def test_alerts_ask_for_series_that_there_are(render):
    (rule,) = of_kind(render("--set=monitoring.rules=true"), "PrometheusRule")
    known = set(series())
    for alert in rule["spec"]["groups"][0]["rules"]:
        asked = set(re.findall(r"(?:computableflow|flowoperator)_[a-z_]+", alert["expr"]))
        assert asked, alert
        assert asked <= known, alert["alert"]
        assert {"summary", "description"} <= set(alert["annotations"])


def test_the_dashboard_asks_for_series_that_there_are(render):
    (found,) = (
        one
        for one in of_kind(render("--set=monitoring.dashboard=true"), "ConfigMap")
        if "grafana_dashboard" in one["metadata"]["labels"]
    )
    dashboard = json.loads(found["data"]["computable-flows.json"])
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    known = {*series(), *(f"{one.name}_total" for one in Series(RunReport(revision="r", attempt=1)).collect())}
    asked = {
        name.removesuffix("_bucket")
        for text in queries
        for name in re.findall(r"(?:computableflow|flowoperator|cflow)_[a-z_]+", text)
    }
    assert len(asked) > 15
    assert asked <= known
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


@pytest.mark.parametrize(
    ("option", "word"),
    [
        ("--set=engine.image=", "image"),
        ("--set=imge.tag=1", "imge"),
        ("--set=watchNamespaces={Not_A_Name}", "watchNamespaces"),
    ],
)
def test_wrong_values_are_refused(helm, option, word):
    done = helm("template", "x", str(CHART), option)
    assert done.returncode != 0
    assert word in done.stderr


def test_what_a_platform_adds_reaches_the_pod_and_every_object(render):
    objects = render(
        "--set=labels.team=solvers", "--set=podLabels.mesh=off", '--set-json=extraEnv=[{"name":"HTTPS_PROXY","value":"p"}]',
        '--set-json=extraVolumes=[{"name":"ca","configMap":{"name":"ca"}}]',
        '--set-json=extraVolumeMounts=[{"name":"ca","mountPath":"/ca"}]',
    )  # fmt: skip
    ours = [one for one in objects if one["kind"] not in {"CustomResourceDefinition", "Pod"}]
    assert {one["metadata"]["labels"]["team"] for one in ours} == {"solvers"}
    template = of_kind(objects, "Deployment")[0]["spec"]["template"]
    (container,) = template["spec"]["containers"]
    assert template["metadata"]["labels"]["mesh"] == "off"
    assert {"name": "HTTPS_PROXY", "value": "p"} in container["env"]
    assert {"name": "ca", "mountPath": "/ca"} in container["volumeMounts"]
    assert [volume["name"] for volume in template["spec"]["volumes"]] == ["scratch", "ca"]


def test_helm_test_runs_as_the_operator_does(render):
    objects = render("--set=watchNamespaces={a}")
    (pod,) = of_kind(objects, "Pod")
    operator = of_kind(objects, "Deployment")[0]["spec"]["template"]["spec"]
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert pod["spec"]["serviceAccountName"] == operator["serviceAccountName"]
    assert pod["spec"]["securityContext"] == operator["securityContext"]
    (check,), (container,) = pod["spec"]["containers"], operator["containers"]
    same = ("image", "env", "resources", "securityContext")
    assert {key: check[key] for key in same} == {key: container[key] for key in same}
