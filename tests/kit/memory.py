"""A folder in memory: for tests of a protocol or of bits, where waiting for a disk shows nothing."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

MEMORY = Path(os.environ.get("CFLOW_TEST_MEMORY", "/dev/shm"))


@contextlib.contextmanager
def in_memory(otherwise: Path) -> Iterator[Path]:
    """A folder of files that no disk has, for a while; where there is no such place, another one."""
    if not os.access(MEMORY, os.W_OK):
        yield otherwise
        return
    folder = Path(tempfile.mkdtemp(dir=MEMORY, prefix="cflow-test-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
