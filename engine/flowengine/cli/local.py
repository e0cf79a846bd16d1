"""`cflow run`, `lint` and `resume`: a flow on this machine."""

from __future__ import annotations

import json
import os
import shlex
import sys
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flowapi.errors import DocumentError
from flowapi.reader import read_one
from flowapi.report import ExitCode, RunReport
from flowapi.revision import RevisionFile, RevisionTuple, RuntimeSettings
from flowapi.spec import Manifest, load_manifest
from flowengine.cli import remembering
from flowengine.cli.beside import Beside
from flowengine.cli.messages import plain_errors
from flowengine.cli.progress import Display, display
from flowengine.cli.typed import program, same_command
from flowengine.run import environment, platform
from flowengine.run.board import Board
from flowengine.run.jax_import import load_jax
from flowengine.run.request import RunRequest
from flowengine.run.signals import StopRequest
from flowengine.store import Fresh, Latest, Layout, Start, keep_left, list_checkpoints

if TYPE_CHECKING:
    from flowengine.compiler import CompiledFlow


def run(
    file: Path, root: Path | None, *, until: int | None, fresh: bool, yes: bool, quiet: bool, as_json: bool
) -> None:
    """Run a manifest in a folder."""
    with plain_errors():
        manifest = _read(file)
        root = root or Path(f"{manifest.name}.flow")
        revision, settings = _revision(manifest), RuntimeSettings.of(manifest.spec, manifest.document)
        start: Start = Fresh() if fresh else Latest()
        request = RunRequest(
            revision,
            settings,
            root,
            file.resolve().parent,
            remembering.owner(manifest.name),
            start=start,
            until=until,
            at=manifest.at,
        )
        if fresh:
            _leave_behind(request, sure=yes)
        _go(request, display(manifest.name, quiet=quiet, as_json=as_json))


def resume(root: Path, checkpoint: str, *, quiet: bool, as_json: bool) -> None:
    """Go on in a folder that `run` left."""
    with plain_errors():
        request = remembering.recall(root, checkpoint)
        _go(request, display(request.revision.name, quiet=quiet, as_json=as_json))


def _leave_behind(request: RunRequest, *, sure: bool) -> None:
    """Say what a fresh start hides, on a terminal ask, and keep the newest good one of it."""
    own = [one for one in list_checkpoints(request.root) if one.ref.revision == request.revision.hash]
    hidden = [one for one in own if one.visible]
    if not hidden:
        return
    newest = next((one for one in hidden if one.good and not one.problem), hidden[0]).ref
    back = f"{program()} {shlex.join(['resume', str(request.root), '--from', newest.id])}"
    sys.stderr.write(
        f"cflow: --fresh leaves {len(hidden)} checkpoints behind, the newest at iteration {newest.iteration}. That one "
        f"is kept until the next --fresh, the others go when the fresh run saves; this goes back to it:\n  {back}\n"
    )
    if not (sure or _agreed()):
        sys.stderr.write("cflow: nothing was changed\n")
        raise SystemExit(int(ExitCode.STOPPED))
    keep_left(request.root, newest.id)


def _agreed() -> bool:
    """What somebody at a terminal answers; where nobody is, the option alone says it."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    sys.stderr.write("Start afresh? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def plan(file: Path, *, as_json: bool) -> None:
    """Say what would run, what it costs and what would make it cheaper."""
    with plain_errors():
        manifest, compiled = _compiled(file)
        from flowengine.compiler import advice, cost, explain  # noqa: PLC0415 - jax comes after `prepare`

        lines, price, hints = explain(compiled), cost(compiled), advice(compiled)
        if as_json:
            body = {"flow": manifest.name, "plan": lines, "cost": asdict(price), "advice": hints}
            sys.stdout.write(json.dumps({**body, "warnings": compiled.choice.warnings}) + "\n")
            return
        sys.stdout.write(f"{manifest.name}: {compiled.choice.method.name}\n")
        sys.stdout.writelines(f"  {line}\n" for line in lines)
        sys.stdout.write(
            f"  an iteration: {quantity(price.flops, 'flop')}, {quantity(price.moved, 'B')} moved\n"
            f"  memory: data {quantity(price.data, 'B')}, state (and each checkpoint) {quantity(price.state, 'B')}, "
            f"temporaries {quantity(price.temporaries, 'B')}\n"
        )
        sys.stdout.writelines(f"  faster: {line}\n" for line in hints)
        sys.stdout.writelines(f"  warning: {line}\n" for line in compiled.choice.warnings)


def quantity(value: float | None, unit: str) -> str:
    """A number with three digits and a prefix."""
    if value is None:
        return "unknown"
    for prefix in ("", "k", "M", "G"):
        if value < 1000:
            return f"{value:.3g} {prefix}{unit}"
        value /= 1000
    return f"{value:.3g} T{unit}"


def lint(file: Path, *, strict: bool, as_json: bool) -> None:
    """Check a manifest and its data; a warning is an error where they are to be `strict`."""
    with plain_errors():
        manifest, compiled = _compiled(file)
        from flowengine.compiler import explain, memory  # noqa: PLC0415 - jax comes after `prepare`

        needed = f"{memory(compiled)}Mi"
        warnings = [*compiled.choice.warnings, *_tight(manifest, needed)]
        if strict and warnings:
            raise _as_error(warnings[0])
        lines, revision, threads = explain(compiled), _revision(manifest).hash, manifest.document.policy.threads
        if as_json:
            needs = {"memory": needed, "cpu": threads}
            body = {"flow": manifest.name, "revision": revision, "plan": lines, "needs": needs, "warnings": warnings}
            sys.stdout.write(json.dumps(body) + "\n")
            return
        sys.stdout.write(f"{manifest.name}: fine (revision {revision})\n")
        sys.stdout.writelines(f"  {line}\n" for line in lines)
        sys.stdout.write(f"  in a pod: about {needed} of memory, and up to {threads} CPUs (`policy.threads`)\n")
        sys.stdout.writelines(f"  warning: {line}\n" for line in warnings)


def _tight(manifest: Manifest, needed: str) -> list[str]:
    """A warning where the engine's memory limit is less than a run may take."""
    from flowapi.quantities import amount  # noqa: PLC0415 - of no use to a run

    limit = manifest.spec.engine.resources.limits.get("memory")
    if limit is None or (amount(limit) or 0) >= (amount(needed) or 0):
        return []
    return [f"spec.engine.resources.limits.memory: {limit} is little for a run that may take {needed}"]


def _as_error(warning: str) -> DocumentError:
    path, _, message = warning.partition(": ")
    remedies = {"policy.step": "Leave `step` out, or write a shorter one.", "limits.memory": "Raise it."}
    remedy = next((words for end, words in remedies.items() if path.endswith(end)), "Remove it, or use it.")
    return DocumentError(message, path=path, remedy=remedy)


def _compiled(file: Path) -> tuple[Manifest, CompiledFlow]:
    """The manifest, and its flow ready to run."""
    manifest = _read(file)
    platform.prepare(manifest.document.policy.threads)
    load_jax()
    from flowengine.compiler import compile_flow  # noqa: PLC0415 - jax comes after `prepare`

    return manifest, compile_flow(manifest.document, file.resolve().parent, at=manifest.at)


def _read(file: Path) -> Manifest:
    name = "".join(char if char.isalnum() else "-" for char in file.stem.lower()).strip("-") or "flow"
    return load_manifest(read_one(file), default_name=name[:40])


def _revision(manifest: Manifest) -> RevisionFile:
    tuple_ = RevisionTuple.of(manifest.spec)
    own = remembering.owner(manifest.name)
    return RevisionFile(hash=tuple_.hash, name=own.name, namespace=own.namespace, uid=own.uid, tuple=tuple_)


def _go(request: RunRequest, shown: Display) -> None:
    threads = request.revision.document(request.settings).policy.threads
    dropped = platform.prepare(threads, Layout(request.root).cache)
    settings = load_jax()
    request = replace(request, notes=environment.ignored(dropped), settings_of_jax=settings)
    from flowengine.run.session import Session  # noqa: PLC0415 - jax comes after `prepare`

    board = Board(RunReport(revision=request.revision.hash, attempt=request.attempt))
    with ExitStack() as stack:
        stop = stack.enter_context(StopRequest(lambda: shown.left(same_command())))
        stack.enter_context(shown)
        observe = stack.enter_context(Beside(shown.observe)).observe
        session = Session(request, board, stop, observe, partial(remembering.remember, request))
        code = session.run()
    if code is ExitCode.FINISHED:
        shown.result(session.summary, _shown_folder(request))
    else:
        shown.paused(board.report, same_command())
    raise SystemExit(int(code))


def _shown_folder(request: RunRequest) -> Path:
    """Where the result is: behind the link for people, where that points at it."""
    layout = Layout(request.root)
    folder = layout.result(request.revision.hash)
    return layout.result_link if os.path.realpath(layout.result_link) == os.path.realpath(folder) else folder
