"""The flows of a cluster as they are now: listed once, then watched by one kubectl that stays."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator

from flowclient.kube.kubectl import RESOURCE, Json, Kubectl, KubectlError, said

RESYNC_SECONDS = 120.0  # a flow that went while nobody watched is found by then
LISTING_SECONDS = 10.0  # between lists, where watching is refused
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)


class Watch:
    """Keeps a cluster's flows, by namespace and name.

    Args:
        kubectl: With the caller's flags.
        words: What narrows the list: `-A`, `-l LABELS`.

    Raises:
        KubectlError: they can't be listed.
    """

    def __init__(self, kubectl: Kubectl, words: tuple[str, ...] = ()) -> None:
        self._kubectl, self._words = kubectl, words
        self._lock = threading.Lock()
        self._flows: dict[tuple[str, str], Json] = {}
        self._trouble = ""
        self._ended = threading.Event()
        self._child: subprocess.Popen[str] | None = None
        self._listed = 0.0
        self._list()
        self._thread = threading.Thread(target=self._go_on, name="watch", daemon=True)
        self._thread.start()

    def flows(self) -> list[Json]:
        """All of them, as they are now."""
        if time.monotonic() - self._listed >= RESYNC_SECONDS:
            try:
                self._list()
            except KubectlError as error:
                self._note(f"The flows can't be listed now: {error}")
        with self._lock:
            return list(self._flows.values())

    def trouble(self) -> str:
        """Why the flows may not be as they are now; empty where all is well."""
        return self._trouble

    def close(self) -> None:
        """End the child, and with it the thread."""
        self._ended.set()
        self._stop()
        self._thread.join(10)

    def _list(self) -> None:
        self._listed = time.monotonic()
        found = {_key(one): one for one in self._kubectl.items(RESOURCE, *self._words)}
        with self._lock:
            self._flows = {key: _newer(self._flows.get(key), one) for key, one in found.items()}

    def _go_on(self) -> None:
        failures = 0
        while not self._ended.is_set():
            why = self._watch()
            if self._ended.is_set():
                return
            try:
                self._list()
            except KubectlError as error:
                failures += 1
                self._note(f"The cluster can't be reached: {error} What stands here is of then.")
            else:
                failures = 0
                self._note(
                    f"The flows can't be watched, so they are listed every {LISTING_SECONDS:.0f} s: {why}" * bool(why)
                )
            pause = LISTING_SECONDS if why and not failures else PAUSES[min(failures, len(PAUSES) - 1)]
            self._ended.wait(pause)

    def _watch(self) -> str:
        """Take what a watch says until it ends; why it ended, if by a fault."""
        try:
            child = self._kubectl.begin("get", RESOURCE, *self._words, "--watch", "--output-watch-events", "-o", "json")
        except KubectlError as error:
            return str(error)
        with self._lock:
            self._child = child
        if self._ended.is_set():
            self._stop()
        with child:
            assert child.stdout is not None  # noqa: S101 - for the type checker: it was asked for
            assert child.stderr is not None  # noqa: S101
            for event in documents(child.stdout):
                self._take(event)
            why = child.stderr.read()
        return said(why) if child.returncode else ""

    def _take(self, event: Json) -> None:
        flow = event.get("object")
        if not isinstance(flow, dict) or "metadata" not in flow:
            return
        self._note("")
        with self._lock:
            if event.get("type") == "DELETED":
                self._flows.pop(_key(flow), None)
            else:
                self._flows[_key(flow)] = _newer(self._flows.get(_key(flow)), flow)

    def _note(self, sentence: str) -> None:
        self._trouble = sentence

    def _stop(self) -> None:
        with self._lock:
            child = self._child
        if child is not None and child.poll() is None:
            child.kill()


def documents(stream: Iterable[str]) -> Iterator[Json]:
    """JSON documents one after another, each as soon as it is whole; `kubectl` prints one over many lines."""
    decoder, lines = json.JSONDecoder(), []
    for line in stream:
        lines.append(line)
        if not line.rstrip().endswith("}") or line.startswith(" "):  # the last brace stands where its line begins
            continue
        try:
            found, _ = decoder.raw_decode("".join(lines).lstrip())
        except ValueError:
            continue
        lines.clear()
        yield found


def _key(flow: Json) -> tuple[str, str]:
    return str(flow["metadata"].get("namespace", "")), str(flow["metadata"]["name"])


def _newer(old: Json | None, fresh: Json) -> Json:
    """Of two looks at one flow the later one; a list and a watch may come in any order."""
    if old is None or old["metadata"].get("uid") != fresh["metadata"].get("uid"):
        return fresh
    before, after = (str(one["metadata"].get("resourceVersion", "")) for one in (old, fresh))
    return old if before.isdecimal() and after.isdecimal() and int(before) > int(after) else fresh
