"""kubectl as a child process: it knows every way to log in, and whoever has a plugin of kubectl has kubectl."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from flowapi.errors import FlowError
from flowapi.frozen import frozen
from flowapi.group import API_VERSION

RESOURCE = "computableflows.computableflow.dev"
WITH_VALUE = frozenset({
    "-n", "--namespace", "--context", "--kubeconfig", "--cluster", "--user", "--as", "--as-group", "--as-uid", "-s",
    "--server", "--token", "--certificate-authority", "--client-certificate", "--client-key", "--tls-server-name",
    "--request-timeout", "--cache-dir",
})  # fmt: skip
WITHOUT_VALUE = frozenset({"--insecure-skip-tls-verify", "--match-server-version"})
NAMESPACE = ("-n", "--namespace")
_NOISE = re.compile(r"Defaulted container|[EWI]\d{4} ")  # the latter: what its libraries log
Json = dict[str, Any]


class KubectlError(FlowError):
    """kubectl refused, or could not reach the cluster (exit 1, as kubectl's own)."""

    code = 1
    reason = "Kubectl"

    @property
    def missing(self) -> bool:
        """Whether there is no such object."""
        return "(NotFound)" in self.message

    @property
    def exists(self) -> bool:
        """Whether an object of this name is there already."""
        return "(AlreadyExists)" in self.message


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The flags of connection and namespace, wherever they stand, and the rest. After `--` nothing is taken."""
    flags: list[str] = []
    rest: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        name = word.split("=", 1)[0]
        if word == "--":
            return flags, [*rest, word, *left]
        if word in WITH_VALUE and left:
            flags += [word, left.pop(0)]
        elif (name in WITH_VALUE and "=" in word) or name in WITHOUT_VALUE:
            flags.append(word)
        elif word.startswith("-n") and len(word) > 2 and not word.startswith("--"):
            flags += ["-n", word[2:].removeprefix("=")]
        else:
            rest.append(word)
    return flags, rest


@frozen
class Kubectl:
    """Calls with the same flags each time.

    Attributes:
        flags: Of connection and namespace, as the caller gave them.
    """

    flags: tuple[str, ...] = ()

    def within(self, namespace: str) -> Kubectl:
        """The same in another namespace."""
        kept: list[str] = []
        words = iter(self.flags)
        for word in words:
            if word in NAMESPACE:
                next(words, None)
            elif not word.startswith("--namespace="):
                kept.append(word)
        return Kubectl((*kept, "--namespace", namespace))

    def namespace(self) -> str:
        """The one that the flags name; empty where none does."""
        found = ""
        for word, following in itertools.pairwise((*self.flags, "")):
            if word in NAMESPACE:
                found = following
            elif word.startswith("--namespace="):
                found = word.partition("=")[2]
        return found

    def command(self, *words: str) -> list[str]:
        """As a command line.

        Raises:
            KubectlError: kubectl is not installed.
        """
        found = shutil.which("kubectl")
        if found is None:
            raise KubectlError("kubectl is not on the PATH", remedy="Install it: everything here goes through it.")
        return [found, *words[:1], *self.flags, *words[1:]]

    def run(self, *words: str, stdin: str | None = None, seconds: float | None = None) -> str:
        """What it prints.

        Args:
            words: The command.
            stdin: What it reads.
            seconds: After which it is given up; kubectl's own --request-timeout would reach what a proxy asks.

        Raises:
            KubectlError: with kubectl's own words, or that it took too long.
        """
        command = self.command(*words)
        try:
            ended = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise KubectlError(
                f"kubectl {words[0]} got no answer within {seconds:g} s", remedy="Check the connection."
            ) from error
        if ended.returncode:
            raise _refused(words[0], said(ended.stderr))
        return ended.stdout

    def save(self, target: Path, *words: str) -> None:
        """Write what it prints to a file, of any size.

        Raises:
            KubectlError: as `run`.
        """
        with target.open("wb") as file:
            ended = subprocess.run(self.command(*words), stdout=file, stderr=subprocess.PIPE, check=False)
        if ended.returncode:
            raise _refused(words[0], said(ended.stderr.decode(errors="replace")))

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """As a child that goes on and prints; whoever begins it ends it.

        Raises:
            KubectlError: kubectl is not installed.
        """
        # in a session of its own: Ctrl-C is for us, who then end it
        return subprocess.Popen(
            self.command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def become(self, *words: str) -> NoReturn:
        """Go on as kubectl: for logs that are followed."""
        command = self.command(*words)
        os.execv(command[0], command)  # noqa: S606 - a list, no shell

    def get(self, kind: str, *words: str) -> Json:
        """An object, or a list of them."""
        found: Json = json.loads(self.run("get", kind, *words, "-o", "json"))
        return found

    def items(self, kind: str, *words: str) -> list[Json]:
        """A list's objects."""
        found: list[Json] = self.get(kind, *words).get("items", [])
        return found

    def flow(self, name: str) -> Json:
        """A flow.

        Raises:
            KubectlError: there is none of this name, or it can't be read.
        """
        return self.get(RESOURCE, name)

    def patch(self, flow: Json, operations: Sequence[Json]) -> None:
        """Change a flow's spec, unless somebody has changed it since it was read; its status changes all the time."""
        meta = flow["metadata"]
        guard = [{"op": "test", "path": f"/metadata/{key}", "value": meta[key]} for key in ("uid", "generation")]
        body = json.dumps([*guard, *operations])
        self.within(meta["namespace"]).run("patch", RESOURCE, meta["name"], "--type=json", f"--patch={body}")

    def create(self, body: Json) -> Json:
        """Make an object."""
        found: Json = json.loads(self.run("create", "-f", "-", "-o", "json", stdin=json.dumps(body)))
        return found


def owner_reference(flow: Json) -> Json:
    """With which an object goes when its flow does."""
    meta = flow["metadata"]
    return {
        "apiVersion": API_VERSION, "kind": flow["kind"], "name": meta["name"], "uid": meta["uid"],
        "controller": False, "blockOwnerDeletion": False,
    }  # fmt: skip


def _refused(word: str, text: str) -> KubectlError:
    """In kubectl's own words, where it has some."""
    if text:
        return KubectlError(text)
    return KubectlError(f"kubectl {word} failed and said nothing", remedy="Run it yourself with -v=6.")


def said(text: str) -> str:
    """Kubectl's message in one line, without its own prefix."""
    lines = [line for line in text.strip().splitlines() if line and not _NOISE.match(line)]
    return " ".join(lines).removeprefix("Error from server ").removeprefix("error: ")[:2000]
