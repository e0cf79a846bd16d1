"""Standard streams that never decide over what a command computes: closed, full, without a reader, not in Unicode."""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from typing import Any, TextIO, cast


class Careful:
    """A stream whose first failure is noted; what is written after it is dropped."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def write(self, text: str) -> int:
        """Write, as far as the stream can take it."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._failed(error)
        return len(text)

    def flush(self) -> None:
        """Bring it to whoever reads."""
        try:
            self._stream.flush()
        except OSError as error:
            self._failed(error)

    def writelines(self, lines: Any) -> None:
        """Write one after another."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def broken(self) -> str:
        """Why not everything that was written has arrived; empty where it has, or where its reader just left."""
        return "" if self.error is None or self.error.errno == errno.EPIPE else str(self.error.strerror)

    def _failed(self, error: OSError) -> None:
        """From here on everything goes nowhere, what is still in the stream's buffer too."""
        self.error = self.error or error
        with suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


def prepare() -> tuple[Careful, Careful]:
    """Make standard output and standard error careful; the first thing that a process does, before it opens any file.

    Where a stream is closed the next file to be opened would take its number, and whatever a library prints would go
    into that file: a checkpoint, for one.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    out, err = (Careful(_stream(name, number)) for name, number in (("stdout", 1), ("stderr", 2)))
    sys.stdout, sys.stderr = cast("TextIO", out), cast("TextIO", err)
    return out, err


def _stream(name: str, number: int) -> TextIO:
    """As Python made it, or one that goes nowhere; what its encoding lacks is written as an escape."""
    stream: Any = getattr(sys, name)
    if stream is None:
        return open(number, "w", encoding="utf-8", closefd=False)
    if isinstance(stream, io.TextIOWrapper):  # not one that a program has put in its place
        stream.reconfigure(errors="backslashreplace")
    return cast("TextIO", stream)
