"""How errors reach the person at the keyboard."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from flowapi.errors import DocumentErrors, FlowError


@contextmanager
def plain_errors() -> Iterator[None]:
    """Print a flow's errors as sentences and end with their exit code; bugs keep their traceback."""
    try:
        yield
    except FlowError as error:
        fail(error)


def fail(error: FlowError) -> NoReturn:
    """Print an error and exit with its code."""
    errors = error.errors if isinstance(error, DocumentErrors) else (error,)
    for one in errors:
        sys.stderr.write(f"cflow: {one}\n")
    raise SystemExit(error.code)
