"""One cluster for all, a namespace under Pod Security `restricted` for each test, and flows that last long enough."""

import secrets

import pytest

from kit.denoise import config_map, npy, picture
from kit.flow import LiveFlow, revision_of


@pytest.fixture
def namespace(cluster, request):
    name = f"cflow-{request.node.name.removeprefix('test_').replace('_', '-')[:40].rstrip('-[')}-{secrets.token_hex(2)}"
    name = "".join(letter if letter.isalnum() or letter == "-" else "-" for letter in name.lower())
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}])
    cluster.apply([config_map("picture", {"b.npy": npy(picture())})], name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def flow(cluster, namespace) -> LiveFlow:
    return LiveFlow(cluster, namespace, "denoise")


@pytest.fixture(scope="session")
def uninterrupted(cluster) -> dict[str, str]:
    """The digests of results without any interruption, by revision."""
    return {}


@pytest.fixture
def reference(cluster, namespace, uninterrupted):
    """The result's SHA-256 of a spec that runs through, in a flow of its own."""

    def run(spec: dict) -> str:
        found = LiveFlow(cluster, namespace, f"reference-{revision_of(spec)}")  # a second one must start afresh, too
        key = f"{revision_of(spec)} {spec['flow']['stop']}"
        if key not in uninterrupted:
            found.apply(spec)
            uninterrupted[key] = found.phase("Completed")["result"]["sha256"]["x"]
            assert found.status()["recoveries"]["count"] == 0
        return uninterrupted[key]

    return run
