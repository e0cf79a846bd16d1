"""What a local run does to its folder, without the computing: claims, what `resume` needs, telemetry, saves, the result."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from flowapi.errors import FlowError
from flowapi.revision import RevisionFile, RevisionTuple, RuntimeSettings
from flowengine import capsule
from flowengine.cli import remembering
from flowengine.run.request import RunRequest
from flowengine.store import IO, CheckpointStore, Files, Latest, Retention
from kit.store.volume import A, meta, open_store, state, value_of

END = 6
FLOW = {"variables": {"x": {"shape": [3]}}, "terms": [{"atom": "tikhonov", "arg": "x"}]}


def request(root: Path) -> RunRequest:
    """As `cflow run` makes it."""
    tuple_ = RevisionTuple(flow=FLOW)
    own = remembering.owner("flow")
    revision = RevisionFile(hash=tuple_.hash, name=own.name, namespace=own.namespace, uid=own.uid, tuple=tuple_)
    settings = RuntimeSettings.model_validate({"stop": {"maxIterations": END}})
    return RunRequest(revision, settings, root, Path("/inputs"), own)


HASH = request(Path("/x")).revision.hash
ARRAY = np.arange(5.0)
SUMMARY = {"iterations": END, "sha256": {"x": capsule.digest(ARRAY)}}


@dataclass
class Told:
    """What a run was sure of: each of it must be found again."""

    saved: int = 0
    remembered: bool = False
    rows: list[int] = field(default_factory=list)
    result: bool = False

    def note(self, word: str) -> None:
        """Take note of a line that a run wrote."""
        kind, _, value = word.partition(" ")
        match kind:
            case "saved":
                self.saved = int(value)
            case "rows":
                self.rows.append(int(value))
            case _:
                setattr(self, kind, True)


def go(root: Path, io: IO | None, tell: Callable[[str], None], *, until: int = END) -> None:
    """One process's share of a run, in the order of a session; errors as there."""
    asked = request(root)
    store = open_store(root, io=io, owner=asked.owner)
    with contextlib.closing(store):
        claimed = store.claim(HASH, asked.revision.to_bytes(), Latest())
        first = value_of(claimed.base.leaves) if claimed.base else 0
        with contextlib.suppress(OSError, FlowError):
            remembering.remember(asked, store)
            tell("remembered")
        kept = capsule.Capsule(store.layout.telemetry(HASH), {"run_id": "r", "flow_name": "f", "revision": HASH, "epoch": claimed.epoch}, store.files)  # fmt: skip
        store.files.sweep(kept.folder)
        if first == END and capsule.read_result(store.files, store.layout.result(HASH)):
            store.files.point(store.layout.result_link, store.layout.result(HASH))
            tell("result")
            return
        for step in range(first + 1, until + 1):
            kept.row(iter=step, t_wall_ms=step, E=1.0 / step)
            _flush(kept, step, tell)
            store.save(step, state(step), meta(HASH))
            tell(f"saved {step}")
            store.collect(Retention(HASH, keep=2))
        if until == END:
            _finish(store, kept, tell)


def _flush(kept: capsule.Capsule, step: int, tell: Callable[[str], None]) -> None:
    with contextlib.suppress(OSError, FlowError):
        kept.flush(step)
        tell(f"rows {step}")


def _finish(store: CheckpointStore, kept: capsule.Capsule, tell: Callable[[str], None]) -> None:
    capsule.write_result(store.files, store.layout.result(HASH), {"x": ARRAY}, SUMMARY)
    tell("result")
    store.files.point(store.layout.result_link, store.layout.result(HASH))
    with contextlib.suppress(OSError, FlowError):
        kept.compact()


def wrong(root: Path, told: Told) -> str:
    """What a later start finds missing or changed of what a run was sure of; it must also get to its end."""
    return _changed(root, told) or _lost(root, told) or _stuck(root)


def _changed(root: Path, told: Told) -> str:
    files, telemetry = Files(), root / "revisions" / HASH / "telemetry"
    if told.remembered:
        back, again = remembering.recall(root, ""), request(root)
        if (back.revision, back.settings, back.inputs) != (again.revision, again.settings, again.inputs):
            return "resume would compute something else"
    result = capsule.read_result(files, root / "revisions" / HASH / "result")
    if told.result and result != SUMMARY:
        return "the result is gone"
    if result is not None and result != SUMMARY:
        return f"the result is {result}"
    rows = [(row["epoch"], row["iter"]) for row in capsule.read(telemetry, "telemetry", files)]
    if len(rows) != len(set(rows)):
        return f"rows of telemetry are there twice: {rows}"
    missing = set(told.rows) - {step for _, step in rows}
    return f"rows of telemetry are gone: {missing}" if missing else ""


def _lost(root: Path, told: Told) -> str:
    again = request(root)
    store = open_store(root, owner=again.owner)
    claimed = store.claim(HASH, again.revision.to_bytes(), Latest())
    store.close()
    back = value_of(claimed.base.leaves) if claimed.base else 0
    return f"{told.saved} was saved, {back} is found" if back < told.saved else ""


def _stuck(root: Path) -> str:
    end = Told()
    go(root, None, end.note)
    if not end.result or capsule.read_result(Files(), root / "result") != SUMMARY:
        return "it does not get to its end"
    left = [path.name for path in root.rglob(".*") if path.name.endswith(".tmp") and path.parent.name != "ckpts"]
    return f"left behind: {left}" if left else ""


__all__ = ["END", "HASH", "SUMMARY", "A", "Told", "go", "request", "wrong"]
