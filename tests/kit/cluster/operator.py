"""The operator in a cluster, installed by its chart as a user would."""

import json

from kit.cluster import tools
from kit.cluster.handle import Cluster
from kit.cluster.images import Image
from kit.cluster.paths import CHECKOUT
from kit.cluster.run import run, say

CHART = CHECKOUT / "charts" / "computable-flows"
NAMESPACE = "computable-flows-system"
RELEASE = "computable-flows"


def install(cluster: Cluster, images: dict[str, Image]) -> None:
    """Install or upgrade the release, and wait until the operator is ready."""
    say("Installing the operator by its chart")
    values = {
        "image": _image(images["operator"]),
        "engine": {"image": images["engine"].name},
    }
    cluster.apply([{
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }])  # fmt: skip
    command = ["upgrade", RELEASE, str(CHART), "--install", f"--namespace={NAMESPACE}", "--values=-"]
    run(
        [tools.ensure()["helm"], f"--kubeconfig={cluster.kubeconfig}", *command, "--wait", "--timeout=120s"],
        data=json.dumps(values),
    )


def _image(image: Image) -> dict[str, str]:
    repository, _, tag = image.name.rpartition(":")
    return {"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"}
