"""How errors reach the person at the keyboard."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from flowapi.errors import DocumentErrors, FlowError, VolumeError
from flowapi.report import ExitCode
from flowengine.store.io import reason


@contextmanager
def plain_errors() -> Iterator[None]:
    """Print errors as sentences and end with their exit code; bugs keep their traceback, and have a code, too."""
    try:
        yield
    except FlowError as error:
        fail(error)
    except OSError as error:
        fail(of_system(error))
    except MemoryError:
        fail(out_of_memory())
    except Exception as error:
        sys.stderr.write(traceback.format_exc())
        sys.stderr.write(f"cflow: internal error: {error or repr(error)}\n")
        raise SystemExit(int(ExitCode.INTERNAL)) from error


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
