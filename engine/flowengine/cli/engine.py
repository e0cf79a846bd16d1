"""`cflow engine`: how the operator starts a flow in a pod."""

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import structlog
import typer

from flowapi.errors import DataError, DocumentError, FlowError
from flowapi.report import ExitCode, RunError, RunReport
from flowapi.revision import RevisionFile, RuntimeSettings
from flowengine.run import platform
from flowengine.run.board import Board
from flowengine.run.request import RunRequest
from flowengine.run.server import PORT, StatusServer
from flowengine.run.signals import StopRequest
from flowengine.store import At, Fresh, Latest, Owner, Start

TERMINATION_LOG = Path(os.environ.get("CFLOW_TERMINATION_LOG", "/dev/termination-log"))
log = structlog.get_logger()


def engine(
    revision_file: Annotated[Path, typer.Option(help="revision.json, mounted from the revision's ConfigMap.")],
    root: Annotated[Path, typer.Option(help="The checkpoint volume.")],
    attempt: Annotated[int, typer.Option(min=1, help="The operator's number of this start.")],
    settings: Annotated[str, typer.Option(help="Run-time settings as JSON.")],
    start: Annotated[str, typer.Option(help="latest, fresh, or HASH/CHECKPOINT (HASH/latest).")] = "latest",
    jump: Annotated[str, typer.Option(help="Id of a start that happens once.")] = "",
    retain: Annotated[
        str,
        typer.Option(help="The other revisions that keep one, by commas; all, when left out."),
    ] = "",
    adopt: Annotated[str, typer.Option(help="Uid of a deleted flow of this name whose volume may be taken.")] = "",
    inputs: Annotated[Path, typer.Option(help="Where inputs are mounted.")] = Path("/inputs"),
    port: Annotated[int, typer.Option(help="Port of the status server.")] = PORT,
) -> None:
    """Run a flow in a pod."""
    structlog.configure(processors=[structlog.processors.TimeStamper("iso"), structlog.processors.JSONRenderer()])
    board = Board(RunReport(revision="", attempt=attempt))
    with StopRequest() as stop:
        server = StatusServer(board, port)
        try:
            code = _run(
                board,
                stop,
                lambda: _request(revision_file, root, attempt, settings, start, jump, retain, adopt, inputs),
            )
        finally:
            _last_words(board.report)
            server.close()
    raise SystemExit(int(code))


def _run(board: Board, stop: StopRequest, ask: Callable[[], RunRequest]) -> int:
    try:
        request = ask()
        board.update(revision=request.revision.hash)
        platform.prepare(request.revision.document(request.settings).policy.threads)
        from flowengine.run.session import Session  # noqa: PLC0415 - jax comes after `prepare`

        code = Session(request, board, stop, _Log().observe).run()
    except FlowError as error:
        board.update(state="Failed", error=_run_error(error))
        log.error(str(error), code=error.code, reason=error.reason)  # noqa: TRY400 - a sentence, no traceback
        return error.code
    except Exception as error:
        board.update(
            state="Failed", error=RunError(code=ExitCode.INTERNAL, reason="InternalError", message=repr(error))
        )
        log.exception("internal error")
        return ExitCode.INTERNAL
    log.info("ended", code=int(code), iteration=board.report.iteration)
    return code


def _request(
    revision_file: Path,
    root: Path,
    attempt: int,
    settings: str,
    start: str,
    jump: str,
    retain: str,
    adopt: str,
    inputs: Path,
) -> RunRequest:
    try:
        revision = RevisionFile.model_validate_json(revision_file.read_bytes())
        known = RuntimeSettings.model_validate(json.loads(settings))
    except OSError as error:
        raise DataError(f"{revision_file} can't be read ({error.strerror})") from error
    except ValueError as error:
        raise DocumentError(f"the revision file or the settings are damaged: {error}") from error
    owner = Owner(namespace=revision.namespace, name=revision.name, uid=revision.uid)
    kept = frozenset(retain.split(",")) if retain else None
    return RunRequest(revision, known, root, inputs, owner, attempt, _start(start), jump, adopt, kept, at="spec.flow")


def _start(text: str) -> Start:
    match text.split("/"):
        case ["latest"]:
            return Latest()
        case ["fresh"]:
            return Fresh()
        case [revision, checkpoint]:
            return At(revision, checkpoint)
        case _:
            raise DocumentError(f"--start {text} is neither latest, fresh nor HASH/CHECKPOINT")


def _run_error(error: FlowError) -> RunError:
    return RunError(
        code=error.code,
        reason=error.reason,
        path=error.path[:1024],
        message=error.message[:1024],
        remedy=error.remedy[:1024],
    )


def _last_words(report: RunReport) -> None:
    """Leave the report as the termination message; nobody may depend on it."""
    with suppress(OSError):
        TERMINATION_LOG.write_bytes(report.to_bytes())


class _Log:
    """A line of JSON at each change of state, checkpoint and warning."""

    def __init__(self) -> None:
        self._seen: tuple[object, ...] = ()

    def observe(self, report: RunReport) -> None:
        saved = report.saved.id if report.saved else ""
        seen = (report.state, saved, report.warnings)
        if seen != self._seen:
            self._seen = seen
            log.info(
                report.state, iteration=report.iteration, energy=report.energy, saved=saved, warnings=report.warnings
            )
            sys.stdout.flush()
