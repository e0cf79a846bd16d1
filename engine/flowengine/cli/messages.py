"""How errors reach the person at the keyboard."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from flowapi.errors import DataError, DocumentErrors, FlowError, VolumeError
from flowengine.store.io import reason

CLIENT = ("duckdb", "jinja2", "matplotlib", "tifffile", "PIL", "starlette", "uvicorn")
REPORT = "Please report it, with the manifest."


@contextmanager
def plain_errors() -> Iterator[None]:
    """Print errors as sentences and end with their exit code; bugs keep their traceback, and have both, too."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is, a person reads what to do
        known = sentence_for(error)
        if known is None:
            sys.stderr.write(traceback.format_exc())
        fail(known or unknown(error))


def sentence_for(error: Exception) -> FlowError | None:
    """The error as a person reads it; None of a bug in Python, which only its traceback explains."""
    match error:
        case FlowError():
            return error
        case OSError():
            return of_system(error)
        case ModuleNotFoundError() if (error.name or "").partition(".")[0] in CLIENT:
            return DataError(f"{error.name} is not installed", remedy="pip install 'computable-flows[client]'.")
        case MemoryError():
            return out_of_memory()
        case _ if type(error).__name__ == "JaxRuntimeError":  # without an import of jax, which may not be loaded
            return of_xla(error)
        case _:
            return None


def unknown(error: Exception) -> FlowError:
    """A bug."""
    return FlowError(f"internal error: {str(error) or repr(error)}", remedy=REPORT)


def of_xla(error: Exception) -> FlowError:
    """What XLA refuses to compile or fails to run; of a function of Python's that it called, what that raised."""
    lines = str(error).strip().splitlines() or [repr(error)]
    said = lines[-1 if "Traceback" in str(error) else 0].strip()
    if said.startswith("RESOURCE_EXHAUSTED"):
        return out_of_memory()
    remedy = f"{REPORT} Until it is mended, another `policy.algorithm` may work; what was saved is whole."
    return FlowError(f"XLA can't compile or run this flow ({said})", remedy=remedy)


def of_system(error: OSError) -> FlowError:
    """What nobody expected the system to refuse."""
    return VolumeError(f"the system refused to go on ({reason(error)})", remedy="Check the volume and the limits.")


def out_of_memory() -> FlowError:
    """What is said when there is no memory left."""
    return FlowError("there is not enough memory", remedy="`cflow plan` says how much a flow needs.")


def fail(error: FlowError) -> NoReturn:
    """Print an error and exit with its code."""
    errors = error.errors if isinstance(error, DocumentErrors) else (error,)
    for one in errors:
        sys.stderr.write(f"cflow: {one}\n")
    raise SystemExit(error.code)
