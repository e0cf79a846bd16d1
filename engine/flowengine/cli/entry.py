"""The entry point of `cflow`. A pod's start is on the path of every recovery: it loads no more than it needs."""

import gc
import os
import sys

from flowengine.run.signals import leave_at_once

QUICK_HAND_OVER = 5e-4  # seconds, until the loop runs: the thread that loads it needs many turns


def main() -> None:
    """Run the command that was asked for."""
    if sys.argv[1:2] in (["engine"], ["run"], ["resume"]):
        leave_at_once()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # the bits of its products depend on how many cores it sees
    if sys.argv[1:2] == ["engine"]:
        gc.disable()  # until the loop runs: what a start makes stays, looking through it again and again takes 0.1 s
        sys.setswitchinterval(QUICK_HAND_OVER)
        os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")  # searched for in every installed package
        from flowengine.cli import engine  # noqa: PLC0415 - the pod's command: without the others and their libraries

        code = engine.main(sys.argv[2:])
        sys.stdout.flush()
        os._exit(code)  # all that counts is on the disk: the libraries' own teardown would only delay the next pod
    from flowengine.cli.main import app  # noqa: PLC0415

    app()
