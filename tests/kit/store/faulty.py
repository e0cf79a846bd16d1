"""A disk that fails, or kills its process, at a chosen operation."""

import errno
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flowengine.store import IO

WRITING = ("create", "write", "fsync", "close", "rename", "link", "symlink", "mkdir", "unlink", "rmdir", "fsync_folder")
READING = ("open_read", "read_into")
COUNTING = threading.Lock()
Fault = Callable[[str, tuple[Any, ...]], None]


@dataclass
class Faulty(IO):
    """Calls `fault(name, arguments)` at the n-th call of one of these names; counts all of them."""

    at: int
    fault: Fault
    calls: tuple[str, ...] = WRITING
    after: bool = False
    count: int = 0
    hit: str = ""

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_") or name not in object.__getattribute__(self, "calls"):
            return object.__getattribute__(self, name)

        def call(*arguments: Any) -> Any:
            with COUNTING:
                self.count += 1
                here = self.count == self.at
            if here:
                self.hit = name
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


def fail_with(number: int) -> Fault:
    def fault(name: str, arguments: tuple[Any, ...]) -> None:
        if name == "write" and number == errno.ENOSPC:  # a full disk writes what still fits
            data = memoryview(arguments[1]).cast("B")
            os.write(arguments[0], data[: len(data) // 2])
        raise OSError(number, os.strerror(number))

    return fault
