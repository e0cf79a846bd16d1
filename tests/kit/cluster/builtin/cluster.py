"""Bringing the built-in cluster up and down, and knowing how it is."""

import base64
import json
import os
import shutil
from pathlib import Path

from kit.cluster import debian, tools
from kit.cluster.builtin import control, machine, node
from kit.cluster.builtin.layout import LOGS, NODES, PKI, PLAN, VOLUMES
from kit.cluster.errors import KitError
from kit.cluster.images import pause_archive
from kit.cluster.paths import KUBECONFIG, STATE, cache, digest
from kit.cluster.run import run, say

RECORD = STATE / "state.json"


def missing() -> str:
    """What this machine lacks for the built-in cluster, in one sentence; empty when it can have one."""
    if os.geteuid() != 0:
        return "the built-in cluster needs root"
    if not Path("/sys/fs/cgroup").is_dir():
        return "the built-in cluster needs cgroups at /sys/fs/cgroup"
    if not (machine.CGROUPS / "cpu").exists():
        return "the built-in cluster was only ever run on cgroup v1 (hybrid); this machine has version 2"
    if shutil.which("go") is None and not (cache() / "tools" / tools.key()).exists():
        return "the built-in cluster needs Go 1.24 or newer to build Kubernetes"
    return ""


def version() -> str:
    """Changes with anything that the running cluster was made from."""
    return digest([Path(__file__).parent], tools.key())


def up() -> Path:
    """A healthy cluster of this version: the one that runs, or a new one. Returns its kubeconfig."""
    debian.install()
    found = tools.ensure()
    if not healthy(found):
        down()
        say(f"Starting Kubernetes {found.version} with {len(NODES)} nodes on this machine")
        _start(found)
    _write_kubeconfig()
    return KUBECONFIG


def _start(found: tools.Tools) -> None:
    STATE.mkdir(parents=True, mode=0o755)
    VOLUMES.mkdir()
    LOGS.mkdir()
    for folder in ("containers", *(f"pods/{one.name}" for one in NODES)):
        (LOGS / folder).mkdir(parents=True)
    (STATE / "token").write_text(control.write_keys()["admin"])
    (STATE / "token").chmod(0o600)
    control.write_proxy()
    units = control.commands(found)
    for one in NODES:
        node.write_node(one)
        units |= node.commands(one, found)
    PLAN.write_text(json.dumps({"units": units, "logs": str(LOGS)}))
    try:
        pid = machine.start(lambda pid: RECORD.write_text(json.dumps({"pid": pid, "version": version()})))
        machine.wait_for("the apiserver's certificate", lambda: (PKI / "apiserver.crt").exists(), 60)
        _write_kubeconfig()
        load(pause_archive(), pid)
        machine.wait_for("two nodes that are Ready", lambda: ready(found) == len(NODES), 120)
    except KitError as error:
        raise KitError(f"{error}. The logs are in {LOGS}") from error


def _write_kubeconfig() -> None:
    """For people and tests: with the authority inside, readable by its owner alone."""
    authority = base64.b64encode((PKI / "apiserver.crt").read_bytes()).decode()
    KUBECONFIG.parent.mkdir(parents=True, exist_ok=True)
    KUBECONFIG.touch(mode=0o600)
    KUBECONFIG.chmod(0o600)
    token = (STATE / "token").read_text()
    KUBECONFIG.write_text(control.kubeconfig_text(token, {"certificate-authority-data": authority}))


def recorded() -> dict[str, str | int]:
    """What was noted about the cluster that was started last; empty when there is none."""
    try:
        found: dict[str, str | int] = json.loads(RECORD.read_text())
    except (OSError, ValueError):
        return {}
    return found


def healthy(found: tools.Tools) -> bool:
    """Whether a cluster of this version runs with all its nodes."""
    record = recorded()
    if record.get("version") != version() or not machine.alive(int(record.get("pid", 0))):
        return False
    return ready(found) == len(NODES)


def ready(found: tools.Tools) -> int:
    """How many nodes are Ready."""
    query = 'jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}'
    kubeconfig = control.kubeconfig("admin")
    try:
        said = run([found["kubectl"], f"--kubeconfig={kubeconfig}", "get", "nodes", "-o", query], timeout=20)
    except KitError:
        return 0
    return said.split().count("True")


def load(archive: Path, pid: int = 0) -> None:
    """Put the images of an archive into both nodes."""
    pid = pid or int(recorded().get("pid", 0))
    for one in NODES:
        machine.wait_for(f"{one.name}'s containerd", lambda: _answers(pid, one.socket), 60)  # noqa: B023
        command = ["ctr", f"--address={one.socket}", "--namespace=k8s.io", "images", "import", str(archive)]
        run(machine.inside_of(pid, *command))


def has(image: str) -> bool:
    """Whether both nodes have an image."""
    pid = int(recorded().get("pid", 0))
    for one in NODES:
        command = ["ctr", f"--address={one.socket}", "--namespace=k8s.io", "images", "list", "-q"]
        if image not in run(machine.inside_of(pid, *command)).split():
            return False
    return True


def _answers(pid: int, socket: Path) -> bool:
    try:
        run(machine.inside_of(pid, "ctr", f"--address={socket}", "version"), timeout=10)
    except KitError:
        return False
    return True


def down() -> None:
    """Take the cluster away without a trace; a half-dead one too."""
    machine.stop(int(recorded().get("pid", 0)))
    KUBECONFIG.unlink(missing_ok=True)
