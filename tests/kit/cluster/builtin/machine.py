"""The cluster's place on this machine: namespaces of its own, one link to the host, cgroups; and how all of it goes."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from os import kill
from pathlib import Path
from typing import TypeVar

from kit.cluster.builtin import supervisor
from kit.cluster.builtin.layout import HOST_ADDRESS, HOST_LINK, LOGS, NODE_LINK, NODES, PLAN, PREFIX
from kit.cluster.errors import KitError
from kit.cluster.paths import STATE
from kit.cluster.run import run

CGROUPS = Path("/sys/fs/cgroup")


def start(record: Callable[[int], object]) -> int:
    """Start the supervisor in new namespaces, with the network made; returns its PID as the host sees it.

    Args:
        record: Called with the PID before anything else is made, so that a cluster that half started can be ended.
    """
    make_cgroups()
    LOGS.mkdir(parents=True, exist_ok=True)
    command = [
        "unshare", "--mount", "--net", "--pid", "--fork", "--propagation", "private", "--mount-proc",
        sys.executable, "-I", "-S", supervisor.__file__, str(PLAN),
    ]  # fmt: skip
    with (LOGS / "supervisor.log").open("ab") as log:
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True)
    pid = wait_for("the supervisor's start", lambda: _first_child(child.pid))
    record(pid)
    _make_network(pid)
    if child.stdin is not None:
        child.stdin.write(b"\n")
        child.stdin.close()
    child.returncode = 0  # it is meant to outlive this process: nobody waits for it here
    return pid


def _first_child(pid: int) -> int:
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError as error:
        raise KitError(f"new namespaces can't be made on this machine; see {LOGS / 'supervisor.log'}") from error
    return int(found[0]) if found else 0


def _make_network(pid: int) -> None:
    """A link from the host into the namespace; its inner end bears both nodes' addresses."""
    inside = [["ip", "link", "set", "lo", "up"]]
    inside += [["ip", "address", "add", f"{node.address}/{PREFIX}", "dev", NODE_LINK] for node in NODES]
    inside += [["ip", "link", "set", NODE_LINK, "up"], ["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"]]
    inside += [["ip", "route", "add", "default", "via", HOST_ADDRESS]]
    run(["ip", "link", "add", HOST_LINK, "type", "veth", "peer", "name", NODE_LINK, "netns", str(pid)])
    run(["ip", "address", "add", f"{HOST_ADDRESS}/{PREFIX}", "dev", HOST_LINK])
    run(["ip", "link", "set", HOST_LINK, "up"])
    for command in inside:
        run(inside_of(pid, *command))
    route = run(["ip", "route", "get", NODES[0].address])
    if HOST_LINK not in route:
        raise KitError(f"{NODES[0].address} is not this machine's own cluster: {route.strip()}")


def inside_of(pid: int, *command: str) -> list[str]:
    """A command as the cluster's namespaces would run it."""
    return ["nsenter", f"--target={pid}", "--mount", "--net", "--pid", *command]


def make_cgroups() -> None:
    """The root of each node's cgroups, in every hierarchy; a new cpuset is empty until it is filled in."""
    for hierarchy in _hierarchies():
        for node in NODES:
            folder = hierarchy / node.cgroup
            folder.mkdir(exist_ok=True)
            for name in ("cpuset.cpus", "cpuset.mems"):
                if (folder / name).exists() and (hierarchy / name).exists():
                    (folder / name).write_text((hierarchy / name).read_text())


def _hierarchies() -> list[Path]:
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    found = {one.resolve() for one in CGROUPS.iterdir() if one.is_dir()}
    return sorted(one for one in found if (one / "cgroup.procs").exists())


def stop(pid: int) -> None:
    """Kill the supervisor, and with it all of its namespaces; then remove what outlives them."""
    if pid and alive(pid):
        kill(pid, signal.SIGKILL)
        wait_for("the cluster's end", lambda: not alive(pid), seconds=60)
    for folder in traces():
        if CGROUPS in folder.parents:
            _remove_cgroup(folder)
    _remove_link()
    if STATE.exists():
        shutil.rmtree(STATE)


def _remove_link() -> None:
    """The kernel removes it with the namespace of its other end, some time after the last process there."""
    link = Path("/sys/class/net") / HOST_LINK
    if link.exists():
        try:
            run(["ip", "link", "delete", HOST_LINK])
        except KitError:
            if link.exists():
                raise


def _remove_cgroup(folder: Path) -> None:
    for one in sorted((child for child in folder.rglob("*") if child.is_dir()), reverse=True):
        _remove_empty(one)
    _remove_empty(folder)


def _remove_empty(folder: Path) -> None:
    """A killed process may still be leaving its cgroup."""

    def removed() -> bool:
        try:
            folder.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    wait_for(f"the end of {folder}", removed, seconds=20)


def alive(pid: int) -> bool:
    """Whether this process is our supervisor; a PID may have been given to another since."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return False
    return str(PLAN) in command


def traces() -> list[Path]:
    """What of a cluster is on this machine now: its folder, link, cgroups and processes."""
    found = [hierarchy / node.cgroup for hierarchy in _hierarchies() for node in NODES]
    found += [STATE, Path("/sys/class/net") / HOST_LINK]
    processes = [one for one in Path("/proc").iterdir() if one.name.isdecimal() and alive(int(one.name))]
    return [one for one in found if one.exists()] + processes


T = TypeVar("T")


def wait_for(what: str, look: Callable[[], T], seconds: float = 30) -> T:
    """What `look` finds, as soon as it finds something.

    Raises:
        KitError: nothing within the time.
    """
    end = time.monotonic() + seconds
    while True:
        if found := look():
            return found
        if time.monotonic() > end:
            raise KitError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.05)
