"""Everything about the place that may change bits: recorded in each checkpoint, compared on resume."""

import ctypes
import importlib.metadata
import os
import platform as machine
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from flowapi.errors import DataError

HONOURED = frozenset({
    "JAX_PLATFORMS", "JAX_PLATFORM_NAME", "JAX_CUDA_VISIBLE_DEVICES", "JAX_ROCM_VISIBLE_DEVICES",
    "JAX_COORDINATOR_ADDRESS", "JAX_COORDINATOR_BIND_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID",
    "JAX_LOCAL_DEVICE_IDS", "JAX_LOG_COMPILES", "JAX_LOGGING_LEVEL", "JAX_DEBUG_LOG_MODULES",
    "JAX_EXPLAIN_CACHE_MISSES", "JAX_TRACEBACK_FILTERING", "JAX_DUMP_IR_TO", "JAX_DEFAULT_MATMUL_PRECISION",
    "JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES",
})  # fmt: skip
"""What of jax's settings may be given from outside: where it runs, what it logs and keeps, what is recorded below."""
OURS = "JAX_ENABLE_X64"
RECORDED = (
    "JAX_DEFAULT_MATMUL_PRECISION", "NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES", "GLIBC_TUNABLES", "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS", "NVIDIA_TF32_OVERRIDE", "CUBLAS_WORKSPACE_CONFIG",
)  # fmt: skip
LIBRARIES = ("jax", "jaxlib", "numpy", "scipy", "ml_dtypes", "PyWavelets")
PLACES = frozenset({"jax_compilation_cache_dir", "jax_platforms"})
_LINEAR_ALGEBRA = re.compile(r"/lib[^/]*(blas|lapack|mkl_rt|blis|atlas)[^/]*$")
_CONFIGURATION = tuple(f"{prefix}openblas_get_config{suffix}" for prefix in ("scipy_", "") for suffix in ("64_", ""))


def drop_settings() -> list[str]:
    """Take jax's settings out of the environment before it reads them: only a flow and its policy decide over bits.

    Returns:
        The names of those that were there.
    """
    dropped = [name for name in os.environ if name.startswith("JAX_") and name not in {*HONOURED, OURS}]
    for name in dropped:
        del os.environ[name]
    return sorted(dropped)


def ignored(dropped: Iterable[str]) -> tuple[str, ...]:
    """A sentence about what jax would have heeded of it, once jax is loaded."""
    known = _settings()
    names = [name for name in dropped if name.lower() in known]
    return (f"ignored in the environment, so that no bits depend on it: {', '.join(names)}",) if names else ()


def settings() -> dict[str, Any]:
    """All of jax's settings, right after its import: what differs from them later, somebody's code has changed."""
    return dict(_settings())


def check_devices() -> None:
    """Make sure that jax has something to compute on.

    Raises:
        DataError: it has not what JAX_PLATFORMS asks for.
    """
    import jax  # noqa: PLC0415 - only after `platform.prepare`

    try:
        jax.devices()
    except RuntimeError as error:
        asked = os.environ.get("JAX_PLATFORMS", "")
        first = str(error).splitlines()[0]
        raise DataError(
            f"jax can't use JAX_PLATFORMS={asked}: {first}", remedy="Unset it, or install what it names."
        ) from error


def describe(threads: int, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Everything about the place that may change bits.

    Args:
        threads: Of the flow's policy.
        defaults: Jax's settings as they were after its import.
    """
    import jax  # noqa: PLC0415 - only after `platform.prepare`

    device = jax.devices()[0]
    changed = {name: repr(value) for name, value in _settings().items() if defaults.get(name, value) != value}
    return {
        **{name.lower(): _version(name) for name in LIBRARIES},
        "libc": "-".join(machine.libc_ver()),
        "blas": blas(),
        "platform": device.platform,
        "deviceKind": device.device_kind,
        "cpuIsa": instruction_set(),
        "xlaFlags": os.environ.get("XLA_FLAGS", ""),
        "settings": {name: value for name, value in changed.items() if name not in PLACES},
        "variables": {name: os.environ[name] for name in RECORDED if name in os.environ},
        "threads": threads,
    }


def blas(maps: Path = Path("/proc/self/maps")) -> list[str]:
    """Every library of linear algebra that is loaded: with OpenBLAS its version, and the kernel that it chose."""
    try:
        lines = maps.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
    paths = {line.split(maxsplit=5)[5] for line in lines if _LINEAR_ALGEBRA.search(line)}
    return sorted(_configuration(path) for path in paths)


def instruction_set() -> str:
    """Architecture, and the vector extensions that decide how XLA compiles for it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return machine.machine()
    flags = next((line.split(":", 1)[1].split() for line in lines if line.startswith(("flags", "Features"))), [])
    vector = sorted(flag for flag in flags if flag.startswith(("avx", "fma", "amx", "sve", "asimd")))
    return " ".join([machine.machine(), *vector])


def _configuration(path: str) -> str:
    try:
        library = ctypes.CDLL(path)
    except OSError:
        return Path(path).name
    for name in _CONFIGURATION:
        if (function := getattr(library, name, None)) is not None:
            function.restype = ctypes.c_char_p
            return " ".join((function() or b"").decode(errors="replace").split())
    return Path(path).name


def _settings() -> dict[str, Any]:
    import jax  # noqa: PLC0415 - only after `platform.prepare`

    found: dict[str, Any] = jax.config.values
    return found


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
