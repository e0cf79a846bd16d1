"""A disk that fails, or kills its process, at a chosen operation."""

import errno
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowengine.store import IO

WRITING = ("create", "write", "fsync", "close", "rename", "link", "symlink", "mkdir", "unlink", "rmdir", "fsync_folder")
READING = ("open_read", "read_into")
COUNTING = threading.Lock()
Fault = Callable[[str, tuple[Any, ...]], None]


@dataclass
class Faulty(IO):
    """Calls `fault(name, arguments)` at the n-th call of one of these names, or from it on; counts all of them."""

    at: int
    fault: Fault
    calls: tuple[str, ...] = WRITING
    after: bool = False
    on: bool = False
    count: int = 0
    hit: str = ""

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_") or name not in object.__getattribute__(self, "calls"):
            return object.__getattribute__(self, name)

        def call(*arguments: Any) -> Any:
            with COUNTING:
                self.count += 1
                here = self.count == self.at or (self.on and 0 < self.at < self.count)
            if here:
                self.hit = self.hit or name
                if not self.after:
                    self.fault(name, arguments)
            try:
                return getattr(IO, name)(self, *arguments)
            finally:
                if here and self.after:
                    self.fault(name, arguments)

        return call


def die(_: str, __: tuple[Any, ...]) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Died(BaseException):
    """What a process that is dead can no longer do."""


def dead(_: str, __: tuple[Any, ...]) -> None:
    """Of a process that has threads and can't be forked: nothing that it does any more reaches the disk."""
    raise Died


def fail_with(number: int) -> Fault:
    def fault(name: str, arguments: tuple[Any, ...]) -> None:
        if name == "write" and number == errno.ENOSPC:  # a full disk writes what still fits
            data = memoryview(arguments[1]).cast("B")
            os.write(arguments[0], data[: len(data) // 2])
        error = OSError(number, os.strerror(number))
        if isinstance(arguments[0], Path):  # as the system names it; of an open file it names nothing
            error.filename = str(arguments[0])
        raise error

    return fault
