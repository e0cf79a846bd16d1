"""The operator in a process of its own, as its container has it: it can be killed, frozen and measured."""

import os
import signal
import subprocess
import sys
from pathlib import Path

_CHILD = """\
import asyncio, sys
import aiohttp, kopf
from flowoperator.main import run
from flowoperator.settings import Settings, configure_logs
from flowoperator.shell.lease import LeaseName
from kit.apiserver.operator import ToEngines
url, token, port, namespaces, lease, identity, own_port = sys.argv[1:]
async def main():
    login = lambda: kopf.ConnectionInfo(server=url, scheme="Bearer", token=token)
    watched = tuple(namespaces.split(",")) if namespaces else ()
    place = LeaseName(lease, "computable-flows", identity) if lease else None
    async with aiohttp.ClientSession(connector=ToEngines(int(port))) as http:
        await run(Settings("engine:1", watched, int(own_port), "warning", lease=place), login, http)
configure_logs("warning")
asyncio.run(main())
"""


def _of(checkout: Path) -> tuple[str, str]:
    """Another version's interpreter, and what its own kit starts an operator with."""
    script = (checkout / "tests" / "kit" / "apiserver" / "process.py").read_text()
    code = script.split('_CHILD = """\\\n', 1)[1].split('"""', 1)[0]
    return str(checkout / ".venv" / "bin" / "python"), code


class OperatorProcess:
    """An operator of its own.

    Args:
        url: Of the apiserver, or of a proxy before it.
        token: What it shows there.
        engines_port: Where all engines answer.
        namespace: What it watches; empty: all.
        lease: The namespace of the release's Lease, which it must hold; empty: none.
        identity: Its name in that Lease.
        port: Where it answers for its health and its metrics; 0: anywhere.
        checkout: Of another version, with its environment, whose operator it is.
    """

    def __init__(
        self, url: str, token: str, engines_port: int, namespace: str = "", lease: str = "", identity: str = "",
        port: int = 0, checkout: Path | None = None,
    ) -> None:  # fmt: skip
        python, code = (sys.executable, _CHILD) if checkout is None else _of(checkout)
        given = [url, token, str(engines_port), namespace, lease, identity, str(port)]
        taken = next(line for line in code.splitlines() if line.endswith("= sys.argv[1:]")).count(",") + 1
        self._child = subprocess.Popen([python, "-P", "-c", code, *given[:taken]])

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._child.pid

    def kill(self) -> None:
        """End it at once."""
        self._child.kill()
        self._child.wait(60)

    def drain(self) -> int:
        """Ask it to end, as a node that is drained does; its exit code."""
        self._child.send_signal(signal.SIGTERM)
        return self._child.wait(60)

    def freeze(self) -> None:
        """It does nothing more, and does not know."""
        self._child.send_signal(signal.SIGSTOP)

    def thaw(self) -> int:
        """It goes on; its exit code, once it has ended."""
        self._child.send_signal(signal.SIGCONT)
        return self._child.wait(60)

    def cpu(self) -> float:
        """Seconds that it has computed."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self) -> float:
        """MB that it holds."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024
