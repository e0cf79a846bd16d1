"""The first process of the cluster's namespaces: it makes their mounts, starts the components and restarts them.

When it dies the kernel kills every process of its PID namespace and undoes its mounts: that is the cluster's teardown.
Run as a script, without the project's packages, so that nothing of the checkout has to stay.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

AGAIN_SECONDS = 0.5


def mount(plan: dict[str, object]) -> None:
    """Make /run and /var/log the cluster's own, and let mounts of one component show in the others."""
    logs = str(plan["logs"])
    for command in (
        ["mount", "--make-rshared", "/"],
        ["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"],
        ["mount", "--bind", logs, "/var/log"],
    ):
        subprocess.run(command, check=True)
    Path("/run/lock").mkdir()


def start(name: str, command: list[str], logs: str) -> int:
    """Start a component; its output goes to a log of its own name."""
    with Path(logs, f"{name}.log").open("ab") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True).pid


def supervise(units: dict[str, list[str]], logs: str) -> None:
    """Keep every component running, and bury what the containers leave behind."""
    running = {start(name, command, logs): name for name, command in units.items()}
    due: dict[str, float] = {}
    while True:
        pid, _ = os.waitpid(-1, os.WNOHANG)
        if pid in running:
            due[running.pop(pid)] = time.monotonic() + AGAIN_SECONDS
        for name in [one for one, when in due.items() if when <= time.monotonic()]:
            del due[name]
            running[start(name, units[name], logs)] = name
        if pid == 0:
            time.sleep(0.1)


def main() -> None:
    """Mount, wait until the network is there (a line on standard input says so), supervise."""
    plan = json.loads(Path(sys.argv[1]).read_text())
    mount(plan)
    sys.stdin.readline()
    supervise(plan["units"], plan["logs"])


if __name__ == "__main__":
    main()
