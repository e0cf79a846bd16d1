"""Compiled programs, kept beside the checkpoints for the next start; a start without them only takes longer."""

import hashlib
import os
import shutil
import stat
import warnings
import zlib
from contextlib import suppress
from pathlib import Path

from flowengine.run import environment

FOLDER = "JAX_COMPILATION_CACHE_DIR"
SHARED = os.environ.get(FOLDER, "")  # a folder for all flows, where the user names one
MOST_BYTES = 128 * 2**20


def use(cache: Path) -> None:
    """Let jax keep its programs there, or in the folder that flows share; before it is imported.

    XLA takes no path that isn't UTF-8. What is no regular file goes at once: reading it might never end. Of a
    program that can't be read or kept jax would warn with its own files' names; who needs the volume says what ails it.
    """
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache entry")
    with suppress(UnicodeEncodeError):
        kept = Path(SHARED) if SHARED else cache
        str(kept).encode()
        cpu = hashlib.sha256(environment.instruction_set().encode()).hexdigest()[:10]
        folder = kept / cpu  # never the code for another CPU
        os.environ[FOLDER] = str(folder)
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
        for path in _entries(folder):
            with suppress(OSError):
                if not stat.S_ISREG(path.lstat().st_mode):
                    _remove(path)


def sweep(most: int = MOST_BYTES) -> None:
    """Drop programs that a kill or bit rot has damaged, and all of them when they hold more bytes than `most`.

    They are compressed with a checksum; jax itself would keep a torn one for ever and compile anew at each start.
    """
    folder = Path(os.environ.get(FOLDER, os.devnull))
    with suppress(OSError):
        files = _entries(folder)
        if sum(file.lstat().st_size for file in files) > most:
            shutil.rmtree(folder)
            return
        for file in files:
            with suppress(OSError):
                if not _whole(file):
                    file.unlink()


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _whole(file: Path) -> bool:
    try:
        zlib.decompress(file.read_bytes())
    except zlib.error:
        return False
    return True
