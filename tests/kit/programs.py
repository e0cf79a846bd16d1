"""Compiled programs of the tests of this process, kept in the checkout from one run of the tests to the next.

Tests compile thousands of programs, and most of their time goes there; jax's own cache on disk finds them again by
what they compute. Call `keep` before jax is imported, in every process that runs tests, and `sweep` in one of them,
before any other compiles.
"""

import os
from pathlib import Path

from flowengine.run import compile_cache, platform

FOLDER = Path(__file__).parents[2] / "build" / "programs"
MOST_BYTES = 1 << 30  # all are dropped beyond it
THREADS = 2  # of every flow that a test runs in its own process
SETTINGS = (
    compile_cache.FOLDER,
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES",
)
HARMLESS = (
    "ignore:Error reading persistent compilation cache entry",  # damaged, or another worker is writing it: it is compiled
    "ignore:Error writing persistent compilation cache entry",  # a full disk
)
"""Filters of warnings: none of them says anything of what is tested."""


def keep(folder: Path = FOLDER) -> None:
    """Prepare this process for jax, as a flow's is, with compiled programs in this folder."""
    platform.prepare(THREADS, folder)


def sweep() -> None:
    """Drop programs that are damaged, and all when they have grown too many."""
    compile_cache.sweep(MOST_BYTES)


def hide() -> None:
    """Leave processes that tests start, which keep their programs where the product does, without this folder.

    Call it once jax, which reads the settings when it is imported, has been imported by all who will.
    """
    for name in SETTINGS:
        os.environ.pop(name, None)
