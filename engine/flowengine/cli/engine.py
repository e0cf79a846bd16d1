"""`cflow engine`: how the operator starts a flow in a pod."""

import argparse
import json
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from flowapi.errors import DataError, DocumentError, FlowError
from flowapi.report import ExitCode, RunError, RunReport
from flowapi.revision import RevisionFile, RuntimeSettings
from flowengine.cli.beside import Beside
from flowengine.cli.messages import sentence_for
from flowengine.run import environment, platform
from flowengine.run.board import Board
from flowengine.run.jax_import import load_jax
from flowengine.run.request import RunRequest
from flowengine.run.server import PORT, StatusServer
from flowengine.run.signals import StopRequest
from flowengine.store import At, Fresh, Latest, Layout, Owner, Start

TERMINATION_LOG = Path(os.environ.get("CFLOW_TERMINATION_LOG", "/dev/termination-log"))


def main(arguments: Sequence[str]) -> int:
    """Run a flow in a pod; returns the exit code."""
    asked = _parser().parse_args(arguments)
    board = Board(RunReport(revision="", attempt=asked.attempt))

    def leave() -> None:
        if board.report.revision:
            board.update(state="Stopped")
            _last_words(board.report)

    with StopRequest(leave) as stop, Beside(_Log().observe) as log, StatusServer(board, asked.port) as server:
        try:
            return int(_run(board, stop, asked, log, server.trouble))
        finally:
            _last_words(board.report)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cflow engine", description="Run a flow in a pod, as the operator asks.")
    add = parser.add_argument
    add("--revision-file", type=Path, required=True, help="revision.json, mounted from the revision's ConfigMap")
    add("--root", type=Path, required=True, help="the checkpoint volume")
    add("--attempt", type=int, required=True, help="the operator's number of this start")
    add("--settings", required=True, help="run-time settings as JSON")
    add("--start", default="latest", help="latest, fresh, or HASH/CHECKPOINT (HASH/latest)")
    add("--start-id", default="", help="id of a start that happens once")
    add("--lineage", default="", help="revisions to continue from, nearest first, while this one has no checkpoint")
    add("--expect-checkpoint", action="store_true", help="refuse to begin at iteration 0: a checkpoint is known")
    add("--retain", default="", help="the other revisions that keep a checkpoint, by commas; all, when left out")
    add("--adopt", default="", help="uid of a deleted flow of this name whose volume may be taken")
    add("--inputs", type=Path, default=Path("/inputs"), help="where inputs are mounted")
    add("--port", type=int, default=PORT, help="port of the status server")
    return parser


def _run(board: Board, stop: StopRequest, asked: argparse.Namespace, log: Beside, trouble: str) -> int:
    try:
        request = _request(asked)
        board.update(revision=request.revision.hash)
        threads = request.revision.document(request.settings).policy.threads
        dropped = platform.prepare(threads, Layout(request.root).cache)
        settings = load_jax()
        notes = (*([trouble] if trouble else ()), *environment.ignored(dropped))
        request = replace(request, notes=notes, settings_of_jax=settings)
        from flowengine.run.session import Session  # noqa: PLC0415 - jax comes after `prepare`

        code = Session(request, board, stop, log.observe, hung=partial(_hung, board)).run()
    except Exception as error:  # noqa: BLE001 - whatever it is, the report and the exit code have to say so
        known = _known(error)
        board.update(state="Failed", error=_run_error(known or error), **_held(error))
        if known:
            log.call(partial(_log, str(known), level="error", code=known.code, reason=known.reason))
            return known.code
        log.call(partial(_log, "internal error", level="error", exception=traceback.format_exc()))
        return ExitCode.INTERNAL
    log.call(partial(_log, "ended", code=int(code), iteration=board.report.iteration))
    return code


def _known(error: Exception) -> FlowError | None:
    """An error that has a sentence for a person, with what to do where the flow is a resource."""
    found = sentence_for(error)
    if found is not None:
        found.remedy = found.on_cluster
    return found


def _held(error: Exception) -> dict[str, object]:
    """Who has a volume that this run may not have."""
    return {"owner_uid": getattr(error, "owner_uid", ""), "max_attempt": getattr(error, "max_attempt", None)}


def _request(asked: argparse.Namespace) -> RunRequest:
    try:
        revision = RevisionFile.model_validate_json(asked.revision_file.read_bytes())
        known = RuntimeSettings.model_validate(json.loads(asked.settings))
    except OSError as error:
        raise DataError(f"{asked.revision_file} can't be read ({error.strerror})", remedy="Check the path.") from error
    except ValueError as error:
        raise DocumentError(
            f"the revision file or the settings are damaged: {error}",
            remedy="Operator and engine may be of different versions.",
        ) from error
    owner = Owner(namespace=revision.namespace, name=revision.name, uid=revision.uid)
    kept = frozenset(asked.retain.split(",")) if asked.retain else None
    start = _start(asked.start, tuple(asked.lineage.split(",")) if asked.lineage else ())
    return RunRequest(
        revision, known, asked.root, asked.inputs, owner, asked.attempt, start, asked.start_id, asked.adopt, kept,
        at="spec.flow", expected=asked.expect_checkpoint,
    )  # fmt: skip


def _start(text: str, lineage: tuple[str, ...]) -> Start:
    match text.split("/"):
        case ["latest"]:
            return Latest(lineage)
        case ["fresh"]:
            return Fresh()
        case [revision, checkpoint]:
            return At(revision, checkpoint)
        case _:
            raise DocumentError(
                f"unknown start `{text}`", path="--start", remedy="Write latest, fresh or HASH/CHECKPOINT."
            )


def _run_error(error: Exception) -> RunError:
    if not isinstance(error, FlowError):
        return RunError(code=ExitCode.INTERNAL, reason="InternalError", message=repr(error)[:1024])
    return RunError(
        code=error.code,
        reason=error.reason,
        path=error.path[:1024],
        message=error.message[:1024],
        remedy=error.remedy[:1024],
    )


def _hung(board: Board, sentence: str) -> None:
    error = RunError(
        code=ExitCode.INTERNAL, reason="Hang", message=sentence, remedy="The pod's log has the stacks of all threads."
    )
    board.update(state="Failed", error=error)
    _last_words(board.report)


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
            _log(report.state, iteration=report.iteration, energy=report.energy, saved=saved, warnings=report.warnings)


def _log(event: str, *, level: str = "info", **fields: object) -> None:
    """One JSON object a line."""
    line = {"timestamp": datetime.now(UTC).isoformat(), "level": level, "event": event, **fields}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
