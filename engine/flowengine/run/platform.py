"""What must be set before jax is imported, so that the same flow gives the same bits."""

import ctypes
import gc
import hashlib
import os
import shutil
import stat
import sys
import zlib
from contextlib import suppress
from pathlib import Path

from flowengine.run import environment

XLA_FLAGS = (
    "--xla_cpu_multi_thread_eigen=false",  # its multi-threaded FFT differs from run to run
    "--xla_cpu_enable_concurrency_optimized_scheduler=false",  # keeps nearly twice the temporaries alive
    "--xla_cpu_prefer_vector_width=512",  # of 256 bits else, where the CPU has 512; with fewer this changes nothing
    "--xla_cpu_enable_platform_dependent_math=false",  # estimates of 1/√ differ between makers and widths of vectors
)

USUAL_HAND_OVER = 5e-3  # seconds after which a thread lets another in: Python's default
CACHE_FOLDER = "JAX_COMPILATION_CACHE_DIR"
SHARED_CACHE = os.environ.get(CACHE_FOLDER, "")  # a folder for all flows, where the user names one
CACHE_BYTES = 128 * 2**20


def prepare(threads: int, cache: Path | None = None) -> list[str]:
    """Set up the process for a flow; call it before the first import of jax.

    Args:
        threads: `policy.threads`. Matrix products and sums over axes differ between one and two threads, so their
            number is part of the flow and not of the machine.
        cache: Where compiled programs are kept for the next start, unless flows share a folder; None: nowhere else.

    Returns:
        The names of jax's settings that were in the environment, and are no more.
    """
    dropped = environment.drop_settings()
    ours = tuple(one.split("=")[0] for one in XLA_FLAGS)
    flags = [one for one in os.environ.get("XLA_FLAGS", "").split() if one.split("=")[0] not in ours]
    os.environ["XLA_FLAGS"] = " ".join([*flags, *XLA_FLAGS])
    os.environ["NPROC"] = str(threads)
    os.environ["JAX_ENABLE_X64"] = "1"
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    kept = Path(SHARED_CACHE) if SHARED_CACHE else cache
    if kept is not None:
        cpu = hashlib.sha256(environment.instruction_set().encode()).hexdigest()[:10]
        folder = kept / cpu  # never another CPU's code
        os.environ[CACHE_FOLDER] = str(folder)
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    return dropped


def sweep(most: int = CACHE_BYTES) -> None:
    """Drop compiled programs that a kill or bit rot has damaged, and all of them when they hold more bytes than `most`.

    They are compressed with a checksum; jax itself would keep a torn one for ever and compile anew at each start.
    """
    folder = Path(os.environ.get(CACHE_FOLDER, os.devnull))
    with suppress(OSError):
        files = sorted(folder.iterdir())
        if sum(file.lstat().st_size for file in files) > most:
            shutil.rmtree(folder)
            return
        for file in files:
            with suppress(OSError):
                if not _whole(file):
                    file.unlink()


def _whole(file: Path) -> bool:
    """Whether it is a program as it was stored; whatever else lies there, reading it might never end."""
    if not stat.S_ISREG(file.lstat().st_mode):
        return False
    try:
        zlib.decompress(file.read_bytes())
    except zlib.error:
        return False
    return True


def settle() -> None:
    """After a start: collect garbage again, but never look through what a start has made, which stays.

    Freed memory, of which a compiler leaves 0.1 GB, goes back to the system where the C library would keep it.
    """
    gc.freeze()
    gc.enable()
    sys.setswitchinterval(USUAL_HAND_OVER)
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
