"""The entry point of `cflow`. A pod's start is on the path of every recovery: it loads no more than it needs."""

import gc
import os
import signal
import sys
from typing import NoReturn

from flowengine.cli import streams
from flowengine.run.signals import leave_at_once

QUICK_HAND_OVER = 5e-4  # seconds, until the loop runs: the thread that loads it needs many turns
RUNNING = ("engine", "run", "resume")
UNWRITTEN = 74


def main() -> None:
    """Run the command that was asked for."""
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command in RUNNING:
        leave_at_once()
    else:
        signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    out, err = streams.prepare()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # the bits of its products depend on how many cores it sees
    if command == "engine":
        gc.disable()  # until the loop runs: what a start makes stays, looking through it again and again takes 0.1 s
        sys.setswitchinterval(QUICK_HAND_OVER)
        os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")  # searched for in every installed package
        from flowengine.cli import engine  # noqa: PLC0415 - the pod's command: without the others and their libraries

        # all that counts is on the disk: the libraries' own teardown would only delay the next pod
        os._exit(engine.main(sys.argv[2:]))
    from flowengine.cli.main import app  # noqa: PLC0415

    try:
        app()
    except SystemExit as ended:
        _end(ended, out, err, computed=command in RUNNING)


def _end(ended: SystemExit, out: streams.Careful, err: streams.Careful, *, computed: bool) -> NoReturn:
    """Exit; where standard output could not be written, what computes has its own code, what only prints failed."""
    out.flush()
    code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    if out.broken:
        err.write(f"cflow: warning: standard output can't be written ({out.broken})\n")
        code = code if computed else code or UNWRITTEN
    err.flush()
    if computed:
        os._exit(code)  # a thread that is still printing would be waited for
    sys.exit(code)
