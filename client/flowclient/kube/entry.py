"""The entry point of `kubectl cflow`: kubectl's own flags may stand anywhere; errors are sentences."""

import sys
from typing import NoReturn

from flowapi.errors import FlowError
from flowclient.kube.kubectl import Kubectl, split


def main() -> NoReturn:
    """Run the command that was asked for."""
    from flowclient.kube import commands, dashboard, fetching, steering  # noqa: F401, PLC0415 - they add their commands to `app`
    from flowclient.kube.application import app  # noqa: PLC0415

    flags, words = split(sys.argv[1:])
    try:
        app(args=words, prog_name="kubectl cflow", obj=Kubectl(tuple(flags)))
    except FlowError as error:
        sys.stderr.write(f"kubectl cflow: {error}\n")
        sys.exit(error.code)
    except BrokenPipeError:
        sys.exit(141)
    sys.exit(0)
