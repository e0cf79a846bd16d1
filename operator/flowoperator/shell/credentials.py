"""Who the operator is to the apiserver: its pod's service account, by address, so that no cluster DNS is needed."""

import os
from pathlib import Path

import kopf

FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def of_service_account(folder: Path = FOLDER) -> kopf.ConnectionInfo | None:
    """The connection that a pod is given; None outside of one. The token is read anew at each call: it expires."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (folder / "token").exists():
        return None
    return kopf.ConnectionInfo(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        ca_path=str(folder / "ca.crt"),
        scheme="Bearer",
        token=(folder / "token").read_text().strip(),
    )
