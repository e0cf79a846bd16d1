"""What must be set before jax is imported, so that the same flow gives the same bits."""

import ctypes
import gc
import hashlib
import importlib.metadata
import os
import platform as machine
import shutil
import sys
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

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


def prepare(threads: int, cache: Path | None = None) -> None:
    """Set up the process for a flow; call it before the first import of jax.

    Args:
        threads: `policy.threads`. Matrix products and sums over axes differ between one and two threads, so their
            number is part of the flow and not of the machine.
        cache: Where compiled programs are kept for the next start, unless flows share a folder; None: nowhere else.
    """
    flags = os.environ.get("XLA_FLAGS", "").split()
    os.environ["XLA_FLAGS"] = " ".join(flags + [one for one in XLA_FLAGS if one not in flags])
    os.environ["NPROC"] = str(threads)
    os.environ["JAX_ENABLE_X64"] = "1"
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    kept = Path(SHARED_CACHE) if SHARED_CACHE else cache
    if kept is not None:
        folder = kept / hashlib.sha256(_instruction_set().encode()).hexdigest()[:10]  # never another CPU's code
        os.environ[CACHE_FOLDER] = str(folder)
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"


def sweep(most: int = CACHE_BYTES) -> None:
    """Drop compiled programs that a kill or bit rot has damaged, and all of them when they hold more bytes than `most`.

    They are compressed with a checksum; jax itself would keep a torn one for ever and compile anew at each start.
    """
    folder = Path(os.environ.get(CACHE_FOLDER, os.devnull))
    with suppress(OSError):
        files = sorted(folder.iterdir())
        if sum(file.stat().st_size for file in files) > most:
            shutil.rmtree(folder)
            return
        for file in files:
            try:
                zlib.decompress(file.read_bytes())
            except zlib.error:
                file.unlink()


def settle() -> None:
    """After a start: collect garbage again, but never look through what a start has made, which stays.

    Freed memory, of which a compiler leaves 0.1 GB, goes back to the system where the C library would keep it.
    """
    gc.freeze()
    gc.enable()
    sys.setswitchinterval(USUAL_HAND_OVER)
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def describe(threads: int) -> dict[str, Any]:
    """Everything about the place that may change bits; recorded in every checkpoint."""
    import jax  # noqa: PLC0415 - only after `prepare`

    device = jax.devices()[0]
    return {
        "jax": importlib.metadata.version("jax"),
        "jaxlib": importlib.metadata.version("jaxlib"),
        "platform": device.platform,
        "deviceKind": device.device_kind,
        "cpuIsa": _instruction_set(),
        "xlaFlags": os.environ.get("XLA_FLAGS", ""),
        "x64": True,
        "threads": threads,
    }


def _instruction_set() -> str:
    """Architecture, and the vector extensions that decide how XLA compiles for it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return machine.machine()
    flags = next((line.split(":", 1)[1].split() for line in lines if line.startswith(("flags", "Features"))), [])
    vector = sorted(flag for flag in flags if flag.startswith(("avx", "fma", "amx", "sve", "asimd")))
    return " ".join([machine.machine(), *vector])
