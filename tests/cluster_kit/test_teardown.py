"""`make cluster-down` leaves nothing behind and touches nobody else's containerd. The last test of the cluster's group."""

import os
import subprocess

import pytest

from kit import cluster as kit
from kit.cluster.builtin import machine


def test_down_leaves_no_trace_and_a_foreign_containerd_alone(cluster, tmp_path):
    if cluster.provider != "builtin":
        return
    if os.environ.get("CFLOW_STRICT") != "1":
        pytest.skip("it would take away the cluster that runs here; CFLOW_STRICT=1 allows that")
    socket = tmp_path / "containerd.sock"
    config = tmp_path / "config.toml"
    config.write_text(
        f'version = 2\nroot = "{tmp_path}/root"\nstate = "{tmp_path}/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
        f'[grpc]\naddress = "{socket}"\n[ttrpc]\naddress = "{socket}.ttrpc"\n'
        f'[plugins."io.containerd.internal.v1.opt"]\npath = "{tmp_path}/opt"\n'
    )
    version = ["ctr", f"--address={socket}", "version"]
    with subprocess.Popen(["containerd", "--config", str(config)], stderr=subprocess.DEVNULL) as foreign:
        try:
            cluster.wait_for(
                "the foreign containerd", lambda: subprocess.run(version, capture_output=True).returncode == 0
            )
            kit.down()
            assert machine.traces() == []
            assert subprocess.run(version, capture_output=True).returncode == 0
        finally:
            foreign.kill()
