"""What a real apiserver refuses before the operator sees it, and what the operator's account may do there."""

import json

import pytest

from kit.cluster import KitError

FLOW = {
    "variables": {"x": {"shape": [2]}},
    "terms": [{"atom": "l1", "arg": "x"}],
    "stop": {"maxIterations": 1},
}
ACCOUNT = "--as=system:serviceaccount:computable-flows-system:computable-flows"


@pytest.fixture
def dry_run(cluster):
    def run(spec: dict, name: str = "flow") -> None:
        body = {
            "apiVersion": "computableflow.dev/v1alpha1",
            "kind": "ComputableFlow",
            "metadata": {"name": name},
            "spec": spec,
        }
        cluster.kubectl("create", "--dry-run=server", "--namespace=default", "-f", "-", data=json.dumps(body))

    return run


def test_a_good_spec_is_taken(dry_run):
    dry_run({"flow": FLOW})
    dry_run({"flow": FLOW, "checkpoint": {"volume": {"claimName": "mine"}}, "suspend": True})


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({}, "spec.flow"),
        ({"flow": FLOW, "inputs": [{"name": "a"}]}, "exactly one of claimName and configMapName"),
        (
            {"flow": FLOW, "checkpoint": {"volume": {"claimName": "a", "size": "1Gi"}}},
            "claimName names a claim that exists",
        ),
        ({"flow": FLOW, "upgrade": {"mode": "Sometimes"}}, "spec.upgrade.mode"),
        ({"flow": FLOW, "checkpoint": {"everyIterations": 0}}, "everyIterations"),
        ({"flow": FLOW, "suspnd": True}, "suspnd"),
    ],
    ids=["no-flow", "input", "volume", "mode", "cadence", "unknown-key"],
)
def test_a_bad_one_is_refused_at_once(dry_run, spec, says):
    with pytest.raises(KitError, match=says):
        dry_run(spec)


def test_a_flows_name_is_short_and_without_dots(dry_run):
    for name in ("a.b", "a" * 41):
        with pytest.raises(KitError, match="at most 40 characters and no dots"):
            dry_run({"flow": FLOW}, name)


def test_keys_inside_the_flow_reach_the_operator_unpruned(cluster):
    flow = FLOW | {"terms": [{"atom": "l1", "arg": "x", "weigth": 2}]}
    body = {
        "apiVersion": "computableflow.dev/v1alpha1",
        "kind": "ComputableFlow",
        "metadata": {"name": "flow"},
        "spec": {"flow": flow},
    }
    text = cluster.kubectl(
        "create", "--dry-run=server", "--namespace=default", "-f", "-", "-o", "json", data=json.dumps(body)
    )
    assert json.loads(text)["spec"]["flow"] == flow


def test_kubectl_explains_it(cluster):
    assert "everyIterations" in cluster.kubectl("explain", "computableflow.spec.checkpoint")


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
def test_the_operators_account_may_not(cluster, what):
    verb, resource = what.split()
    with pytest.raises(KitError, match="no"):
        cluster.kubectl("auth", "can-i", verb, resource, ACCOUNT, "--namespace=default")


@pytest.mark.parametrize(
    "what", ["create jobs", "delete jobs", "patch computableflows/status", "create persistentvolumeclaims"]
)
def test_the_operators_account_may(cluster, what):
    verb, resource = what.split()
    args = resource.split("/")
    sub = [f"--subresource={args[1]}"] if len(args) == 2 else []
    cluster.kubectl("auth", "can-i", verb, args[0], *sub, ACCOUNT, "--namespace=default")
