"""Reads of the apiserver by HTTP: who waits looks often, and each kubectl that is started takes 0.1 s of a core."""

import atexit
import functools
import json
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from kit.cluster.errors import KitError
from kit.cluster.run import WITH_PARENT


class Reader:
    """`kubectl proxy`, which knows every kubeconfig's way to log in, and requests to it.

    Args:
        kubectl: The program.
        kubeconfig: Of the cluster.
    """

    def __init__(self, kubectl: Path, kubeconfig: Path) -> None:
        command = [*WITH_PARENT, str(kubectl), f"--kubeconfig={kubeconfig}", "proxy", "--port=0"]
        self._child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        atexit.register(self._close)
        assert self._child.stdout is not None
        self._url = f"http://{self._child.stdout.readline().rsplit(maxsplit=1)[-1]}"

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._child.poll() is None

    def get(self, path: str, timeout: float = 30) -> Any:
        """The JSON below a path of the apiserver.

        Raises:
            KitError: there is none, or no answer in time.
        """
        try:
            with urllib.request.urlopen(f"{self._url}{path}", timeout=timeout) as answer:  # noqa: S310 - ours
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise KitError(f"GET {path}: {error.code} {error.read(500).decode(errors='replace')}") from error
        except (OSError, ValueError) as error:
            raise KitError(f"GET {path}: {error}") from error

    def _close(self) -> None:
        self._child.kill()
        self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()


def reader(kubectl: Path, kubeconfig: Path) -> Reader:
    """The one for a cluster; a cluster that was made anew has another kubeconfig."""
    text = kubeconfig.read_text()
    found = _reader(kubectl, kubeconfig, text)
    if not found.alive:
        _reader.cache_clear()
        found = _reader(kubectl, kubeconfig, text)
    return found


@functools.lru_cache(maxsize=1)
def _reader(kubectl: Path, kubeconfig: Path, _text: str) -> Reader:
    return Reader(kubectl, kubeconfig)
