"""The beginning of a run: compile, claim the volume, and find the state to go on with."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import jax

from flowapi.errors import BEGIN_ANEW, IncompatibleError, VolumeLostError
from flowapi.frozen import frozen
from flowapi.report import RestoredFrom
from flowengine.compiler import CompiledFlow, compile_flow, stops_of
from flowengine.loop import Carry, reopened, run_key, start, unscaled
from flowengine.methods import External
from flowengine.run import environment, leaves
from flowengine.run.board import Board
from flowengine.run.program import Program, begin
from flowengine.run.request import RunRequest
from flowengine.run.warm import flow_of, warm_point, warm_state
from flowengine.store import CheckpointStore, Claimed, Latest, Restored


@frozen
class Opened:
    """A run that is ready to iterate.

    Attributes:
        compiled: Problem, method, settings.
        program: The loop that it is.
        store: Claimed.
        claimed: What the claim found.
        carry: Where to go on.
        restored: The checkpoint behind `carry`, for the report.
        env: Everything about the place that may change bits.
        bit_identical: Whether the bits are those of an uninterrupted run here.
        warnings: Sentences for a person.
        wall_seconds: Time that earlier processes spent on this revision.
    """

    compiled: CompiledFlow
    program: Program
    store: CheckpointStore
    claimed: Claimed
    carry: Carry
    restored: RestoredFrom | None
    env: Mapping[str, Any]
    bit_identical: bool
    warnings: tuple[str, ...]
    wall_seconds: float


def open_run(request: RunRequest, board: Board) -> Opened:
    """Do everything that comes before the first iteration; bad input ends here, before the volume is claimed."""
    board.update(state="Loading")
    compiled, program = load(request)
    board.update(state="Restoring", max_iterations=compiled.document.stop.max_iterations)
    return resume(request, compiled, program)


def load(request: RunRequest) -> tuple[CompiledFlow, Program]:
    """The flow, and its loop, which is compiled meanwhile; nothing on the volume changes."""
    environment.check_devices()
    document = request.revision.document(request.settings)
    compiled = compile_flow(document, request.inputs, at=request.at)
    stops = stops_of(document.stop, document.dtype)
    return compiled, begin(compiled, stops, jax.eval_shape(partial(_first, request, compiled, unscaled)))


def resume(request: RunRequest, compiled: CompiledFlow, program: Program) -> Opened:
    """Claim the volume, and take up the state that is found there, or the first one."""
    store = CheckpointStore.open(request.root, request.owner, request.attempt, adopt=request.adopt)
    try:
        claimed = store.claim(
            request.revision.hash,
            request.revision.to_bytes(),
            request.start,
            jump=request.start_id,
            holder=f"{socket.gethostname()}/{os.getpid()}",
        )
        _not_lost(request, claimed)
        return _with_state(request, compiled, program, store, claimed)
    except BaseException:
        store.close()
        raise


def _not_lost(request: RunRequest, claimed: Claimed) -> None:
    """What was saved once is never begun anew without a word."""
    if request.expected and claimed.base is None and claimed.warm is None:
        raise VolumeLostError(
            "the volume has no checkpoint of this flow, though one was saved",
            remedy="Restore the volume from a backup, or start anew with another spec.retryNonce.",
        )


def _with_state(
    request: RunRequest, compiled: CompiledFlow, program: Program, store: CheckpointStore, claimed: Claimed
) -> Opened:
    env = environment.describe(compiled.document.policy.threads, request.settings_of_jax)
    different: list[str] = []
    base = claimed.base
    if base is None:
        carry = _warm(request, compiled, program, store, claimed.warm) if claimed.warm else _first(request, compiled)
    else:
        _same_problem(base, compiled)
        carry = leaves.to_carry(base.leaves, program.form)
        different = [name for name, value in env.items() if base.manifest.env.get(name) != value]
    source = base or claimed.warm
    warnings = [*request.notes, *compiled.choice.warnings]
    if different:
        warnings.append(f"resumed in another environment ({', '.join(different)}): bits may differ from here on")
    warnings += [
        f"checkpoint {one.id} is {'unreadable' if one.unreadable else 'corrupt'} ({one.reason}); an older one was taken"
        for one in claimed.passed_over
    ]
    kept = not different and (base is None or bool(base.manifest.env.get("bitIdentical", True)))
    return Opened(
        compiled=replace(compiled, problem=program.problem),
        program=program,
        store=store,
        claimed=replace(claimed, base=_read(base), warm=_read(claimed.warm)),
        carry=reopened(carry, program.stops),
        restored=_restored_from(source, carry, request, claimed) if source else None,
        env={**env, "bitIdentical": kept},
        bit_identical=kept,
        warnings=tuple(warnings),
        wall_seconds=base.manifest.wall_seconds if base else 0.0,
    )


def _first(request: RunRequest, compiled: CompiledFlow, make: Callable[..., Carry] = start) -> Carry:
    """The carry before the first iteration."""
    key = run_key(compiled.document.seed, request.revision.hash)
    return make(compiled.problem, compiled.choice.method, compiled.choice.hypers, compiled.settings, key)


def _warm(
    request: RunRequest, compiled: CompiledFlow, program: Program, store: CheckpointStore, warm: Restored
) -> Carry:
    """As `_first`, from another revision's checkpoint."""
    old = flow_of(store, warm)
    if isinstance(compiled.choice.method, External):
        return replace(_first(request, compiled), state=warm_state(warm, old, program.form))
    problem = replace(compiled.problem, init=warm_point(warm, old, compiled.problem))
    return _first(request, replace(compiled, problem=problem))


def _read(source: Restored | None) -> Restored | None:
    """A checkpoint without its arrays, which would take the room of a state for as long as the run lasts."""
    return source and replace(source, leaves={})


def _restored_from(source: Restored, carry: Carry, request: RunRequest, claimed: Claimed) -> RestoredFrom:
    """What was restored; the digest is taken of the arrays as the loop will see them."""
    ref = source.ref
    if claimed.warm is not None:
        reason, arrays = "Continue", leaves.sha256(source.leaves)
    else:
        reason = "Resume" if isinstance(request.start, Latest) or not claimed.jumped else "Restore"
        arrays = leaves.sha256(leaves.to_leaves(carry))
    return RestoredFrom.model_validate(
        {
            "revision": ref.revision,
            "id": ref.id,
            "iteration": ref.iteration,
            "digest": ref.digest,
            "arraysSha256": arrays,
            "reason": reason,
        }
    )


def _same_problem(base: Restored, compiled: CompiledFlow) -> None:
    if base.manifest.lineage.problem_digest != compiled.digest:
        by_code = compiled.document.entrypoint is not None
        what = "the input data, or the entry point's code," if by_code else "the input data"
        old = "data and code" if by_code else "data"
        raise IncompatibleError(
            f"{what} are not those that the checkpoint was computed from",
            path="spec.inputs and spec.flow.entrypoint" if by_code else "spec.inputs",
            remedy=f"Put the old {old} back, or start afresh with --fresh.",
            on_cluster=f"Put the old {old} back, or {BEGIN_ANEW}.",
        )
