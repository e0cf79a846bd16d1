"""What a real apiserver refuses before the operator sees it, what people see of a flow, and what the operator may do."""

import json

import pytest

from flowapi import schema
from flowapi.group import API_VERSION, KIND
from kit.apiserver.api import ApiError
from kit.cluster.errors import KitError

FLOW = {
    "variables": {"x": {"shape": [2]}},
    "terms": [{"atom": "l1", "arg": "x"}],
    "stop": {"maxIterations": 1},
}
FLOWS = f"/apis/{API_VERSION}/namespaces/default/computableflows"
ACCOUNT = "--as=system:serviceaccount:computable-flows-system:computable-flows"


def body(spec: dict, name: str = "flow") -> dict:
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}


@pytest.fixture
def dry_run(plane):
    def run(spec: dict, name: str = "flow") -> str:
        data = json.dumps(body(spec, name))
        return plane.run_kubectl("create", "--dry-run=server", "-f", "-", "-o", "json", data=data)

    return run


def engine(**keys):
    return {"flow": FLOW, "engine": keys}


def node_terms(*terms):
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}


@pytest.mark.parametrize(
    "spec",
    [
        {"flow": FLOW},
        {"flow": FLOW, "checkpoint": {"volume": {"claimName": "mine"}}, "suspend": True, "retryNonce": "2"},
        {"flow": FLOW, "suspend": None, "engine": {"image": None, "podLabels": {"a": None}}},
        engine(
            resources={"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": 1, "memory": 1073741824}},
            affinity=node_terms({"matchExpressions": [{"key": "gpu", "operator": "Gt", "values": ["1"]}]}),
            tolerations=[{"operator": "Exists"}, {"key": "spot", "value": "yes", "effect": "NoExecute", "tolerationSeconds": 5}],
            topologySpreadConstraints=[
                {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule",
                 "minDomains": 2, "labelSelector": {"matchLabels": {"app": "a"}}}
            ],
        ),
    ],
    ids=["flow", "claim", "nulls", "placement"],
)  # fmt: skip
def test_a_good_spec_is_taken(dry_run, spec):
    dry_run(spec)


@pytest.mark.parametrize(
    ("spec", "path", "says"),
    [
        ({}, "spec.flow", "Required value"),
        ({"flow": {"stop": {}}}, "spec.flow", "either terms or an entrypoint"),
        ({"flow": FLOW, "suspnd": True}, "spec.suspnd", "unknown field"),
        ({"flow": FLOW, "ttlSecondsAfterFinished": -5}, "spec.ttlSecondsAfterFinished", "greater than or equal to 0"),
        ({"flow": FLOW, "retry": {"windowSeconds": 0}}, "spec.retry.windowSeconds", "greater than or equal to 1"),
        ({"flow": FLOW, "retryNonce": "x" * 64}, "spec.retryNonce", "Too long"),
        ({"flow": FLOW, "inputs": [{"name": "a"}]}, "spec.inputs[0]", "either claimName or configMapName"),
        ({"flow": FLOW, "inputs": [{"name": "a", "claimName": "a..b"}]}, "spec.inputs[0].claimName", "no name of a Kubernetes"),
        ({"flow": FLOW, "inputs": [{"name": "a", "claimName": "b"}] * 2}, "spec.inputs[1]", "Duplicate value"),
        ({"flow": FLOW, "upgrade": {"mode": "Sometimes"}}, "spec.upgrade.mode", '"Continue", "Restart"'),
        ({"flow": FLOW, "rollback": {"deadlineSeconds": 0}}, "spec.rollback.deadlineSeconds", "greater than or equal to 1"),
        ({"flow": FLOW, "checkpoint": {"everyIterations": 0}}, "spec.checkpoint.everyIterations", "greater than or equal to 1"),
        ({"flow": FLOW, "checkpoint": {"volume": {"claimName": "a", "size": "1Gi"}}}, "spec.checkpoint.volume", "Keep one kind."),
        ({"flow": FLOW, "checkpoint": {"volume": {"size": "0"}}}, "spec.checkpoint.volume.size", "more than 0 bytes"),
        ({"flow": FLOW, "checkpoint": {"volume": {"size": "100m"}}}, "spec.checkpoint.volume.size", "Write it like 10Gi."),
        ({"flow": FLOW, "checkpoint": {"volume": {"size": "10 GB"}}}, "spec.checkpoint.volume.size", "Write it like 10Gi."),
        (engine(image="Engine:1"), "spec.engine.image", "no reference to an image"),
        (engine(env=[{"name": "1A"}]), "spec.engine.env[0].name", "no digit first"),
        (engine(env=[{"name": "XDG_CACHE_HOME"}]), "spec.engine.env[0].name", "the engine sets this variable itself"),
        (engine(podLabels={"a b": ""}), "spec.engine.podLabels", "no key of a label"),
        (engine(podLabels={"a": "b c"}), "spec.engine.podLabels[a]", "no value of a label"),
        (engine(podLabels={"computableflow.dev/flow": "x"}), "spec.engine.podLabels", "labels of these names themselves"),
        (engine(podAnnotations={"/a": "b"}), "spec.engine.podAnnotations", "no key of a label"),
        (engine(nodeSelector={"a": "x" * 64}), "spec.engine.nodeSelector.a", "Too long"),
        (engine(imagePullSecrets=[{"name": "My_Secret"}]), "spec.engine.imagePullSecrets[0].name", "no name of a Kubernetes"),
        (engine(priorityClassName="High"), "spec.engine.priorityClassName", "no name of a Kubernetes"),
        (engine(resources={"limits": {"memry": "1Gi"}}), "spec.engine.resources.limits", "nvidia.com/gpu"),
        (engine(resources={"limits": {"memory": "1GB"}}), "spec.engine.resources.limits[memory]", "500m, 2, 1.5Gi or 2e9"),
        (engine(resources={"limits": {"cpu": 0.5}}), "spec.engine.resources.limits.cpu", "must be of type integer,string"),
        (engine(resources={"requests": {"memory": "1025Mi"}, "limits": {"memory": "1Gi"}}), "spec.engine.resources.requests",
         "a request is larger than its limit"),
        (engine(resources={"requests": {"cpu": "1e3"}, "limits": {"cpu": "999"}}), "spec.engine.resources.requests",
         "a request is larger than its limit"),
        (engine(resources={"requests": {"nvidia.com/gpu": 1}}), "spec.engine.resources.requests", "as often as its limit"),
        (engine(resources={"limits": {"nvidia.com/gpu": "500m"}}), "spec.engine.resources.limits", "whole numbers"),
        (engine(affinity={"nodeAfinity": {}}), "spec.engine.affinity.nodeAfinity", "unknown field"),
        (engine(affinity=node_terms({"matchExpresions": []})), "nodeSelectorTerms[0].matchExpresions", "unknown field"),
        (engine(affinity=node_terms({})), "nodeSelectorTerms[0]", "matches no node"),
        (engine(affinity=node_terms({"matchExpressions": [{"key": "a", "operator": "In"}]})), "matchExpressions[0]",
         "In and NotIn compare with values"),
        (engine(affinity=node_terms({"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["x"]}]})),
         "matchExpressions[0]", "one whole number"),
        (engine(tolerations=[{"effct": "NoExecute"}]), "spec.engine.tolerations[0].effct", "unknown field"),
        (engine(tolerations=[{}]), "spec.engine.tolerations[0]", "operator: Exists"),
        (engine(tolerations=[{"key": "a", "tolerationSeconds": 1}]), "spec.engine.tolerations[0].tolerationSeconds", "NoExecute"),
        (engine(topologySpreadConstraints=[{"maxSkew": 1}]), "spec.engine.topologySpreadConstraints[0].topologyKey", "Required value"),
        ({"flow": FLOW, "terminationGracePeriodSeconds": 0}, "spec.terminationGracePeriodSeconds", "greater than or equal to 1"),
    ],
)  # fmt: skip
def test_a_bad_one_is_refused_at_once_with_its_path_and_a_sentence(dry_run, spec, path, says):
    with pytest.raises(KitError) as caught:
        dry_run(spec)
    assert path in str(caught.value)
    assert says in str(caught.value)
    assert "failed rule" not in str(caught.value)


def test_a_flows_name_is_short_and_without_dots(dry_run):
    for name in ("a.b", "a" * 41):
        with pytest.raises(KitError, match="at most 40 characters and no dots"):
            dry_run({"flow": FLOW}, name)


def test_keys_inside_the_flow_reach_the_operator_unpruned(dry_run):
    flow = FLOW | {"terms": [{"atom": "l1", "arg": "x", "weigth": 2}], "polcy": {"step": 1}, "policy": {"stp": 1}}
    assert json.loads(dry_run({"flow": flow}))["spec"]["flow"] == flow


def descriptions(node, path):
    """Every key of a schema, with what is said of it."""
    for name, child in node.get("properties", {}).items():
        yield f"{path}.{name}", child.get("description", "")
        yield from descriptions(child, f"{path}.{name}")
    for inner in ("items", "additionalProperties"):
        if isinstance(node.get(inner), dict):
            yield from descriptions(node[inner], path)


def test_every_key_is_explained_by_a_sentence():
    (version,) = schema.definition()["spec"]["versions"]
    root = version["schema"]["openAPIV3Schema"]["properties"]
    found = [one for part in ("spec", "status") for one in descriptions(root[part], part)]
    assert len(found) > 150
    assert [path for path, words in found if not words.endswith(".")] == []
    assert root["spec"]["description"]
    assert root["status"]["description"]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("spec.checkpoint", ["everyIterations", "A checkpoint is due after so many iterations."]),
        ("spec.flow", ["seed", "policy", "certificates"]),
        ("spec.engine.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution", ["nodeSelectorTerms"]),
        ("spec.retryNonce", ["Write another text to have a stalled flow tried again."]),
        ("status.attempt", ["reason", "Why this attempt was started."]),
    ],
)
def test_kubectl_explains_it(plane, path, says):
    text = " ".join(plane.run_kubectl("explain", f"computableflow.{path}").split())
    assert all(one in text for one in says), text


STATUS = {
    "phase": "Running",
    "conditions": [
        {"type": "Ready", "status": "True", "reason": "Running", "message": "Running on node-1.",
         "lastTransitionTime": "2026-01-01T00:00:00Z"},
        {"type": "Stalled", "status": "False", "reason": "Proceeding", "lastTransitionTime": "2026-01-01T00:00:00Z"},
    ],
    "revision": {"current": "0123456789", "desired": "0123456789"},
    "attempt": {"nodeName": "node-1"},
    "progress": {"iteration": 3200, "energy": 1234.5678901234, "health": "GREEN"},
    "display": {"iteration": "3200/4000", "energy": "1234.57", "eta": "2h5m", "residual": "1.23457e-05", "rate": "123.457"},
    "checkpoint": {"time": "2026-01-01T00:00:00Z"},
    "recoveries": {"count": 2, "lostIterations": 17},
}  # fmt: skip


@pytest.fixture
def shown(plane):
    plane.admin.post(FLOWS, body({"flow": FLOW}, "shown"))
    plane.admin.merge(f"{FLOWS}/shown/status", {"status": STATUS})
    yield lambda *more: [line.rstrip() for line in plane.run_kubectl("get", "cflow", "shown", *more).splitlines()]
    plane.admin.delete(f"{FLOWS}/shown")


def test_kubectl_get_shows_how_far_it_is_and_why(shown):
    header, row = shown()
    assert header.split() == [
        "NAME", "PHASE", "ITERATION", "ENERGY", "ETA", "CERT", "REVISION", "CHECKPOINT", "RECOVERIES", "AGE", "MESSAGE"
    ]  # fmt: skip
    assert row.split()[:8] == [
        "shown",
        "Running",
        "3200/4000",
        "1234.57",
        "2h5m",
        "GREEN",
        "0123456789",
        row.split()[7],
    ]
    assert row.endswith("Running on node-1.")
    assert row.index("Running on") == header.index("MESSAGE")


def test_kubectl_get_wide_adds_where_and_how_fast(shown):
    header, row = shown("-o", "wide")
    found = {name: row[header.index(name) :].split()[0] for name in ("RESIDUAL", "RATE", "NODE", "LOST")}
    assert found == {"RESIDUAL": "1.23457e-05", "RATE": "123.457", "NODE": "node-1", "LOST": "17"}


@pytest.mark.parametrize("number", [-1, 1_000_000_000, 2147483647])
def test_no_status_has_an_attempt_beyond_all_labels(plane, shown, number):
    with pytest.raises(ApiError, match=r"status\.attempt\.number"):
        plane.admin.merge(f"{FLOWS}/shown/status", {"status": {"attempt": {"number": number}}})


@pytest.mark.parametrize(
    "what",
    [
        "get secrets",
        "create pods",
        "create pods/exec",
        "delete pods",
        "create roles",
        "update computableflows",
        "patch computableflows",
        "delete computableflows",
        "get nodes",
    ],
)
def test_the_operators_account_may_not(plane, what):
    verb, resource = what.split()
    with pytest.raises(KitError, match="no"):
        plane.run_kubectl("auth", "can-i", verb, resource, ACCOUNT)


@pytest.mark.parametrize(
    "what", ["create jobs", "delete jobs", "patch computableflows/status", "create persistentvolumeclaims"]
)
def test_the_operators_account_may(plane, what):
    verb, resource = what.split()
    args = resource.split("/")
    sub = [f"--subresource={args[1]}"] if len(args) == 2 else []
    plane.run_kubectl("auth", "can-i", verb, args[0], *sub, ACCOUNT)
