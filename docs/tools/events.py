"""The page of events: what the operator and the engine tell, from the places in their code that tell it."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from tables import code, page, table

from flowengine.capsule import Event as EngineEvent

CORE = Path("operator/flowoperator/core")
LEAD = (
    "The operator tells each transition that a person would ask about as an event of the object: `kubectl describe "
    "computableflow NAME`, or `kubectl get events`. One that repeats is counted. In the sentences "
    "`…` stands for a name or a number."
)
BY_VERDICT = (
    ("Stalled", "Warning", "The sentence of the condition `Stalled`; see [failure modes](../failure-modes.md)."),
    ("ImagePullFailed", "Warning", "The same, where an image can't be pulled."),
    ("VolumeLost", "Warning", "The same, where checkpoints are gone."),
    ("Suspended", "Normal", "Suspended; set spec.suspend to false to go on from the last checkpoint."),
)
MEANINGS = {
    "RUN_STARTED": "A process began this revision at its start.",
    "FLOW_RESUMED": "A process went on after a pause or an interruption; columns name checkpoint and lost iterations.",
    "ROLLBACK": "A process went back to an earlier checkpoint.",
    "CHECKPOINT_CREATED": "A checkpoint is on the volume.",
    "CHECKPOINT_CORRUPT": "A checkpoint failed its digests and was passed over.",
    "RUN_FINISHED": "The run ended with a result.",
    "RUN_FAILED": "The run ended without one, RED or by an error.",
    "CANCELLED": "A signal, Ctrl-C or `--until` stopped the process; a checkpoint was saved first.",
}


def events_page() -> str:
    """Both kinds of events."""
    rows = sorted({*told(), *BY_VERDICT})
    operator = table(["reason", "type", "sentence"], [(code(name), kind, said) for name, kind, said in rows])
    return page("Events", LEAD, f"## Of a flow on a cluster\n\n{operator}", f"## In the telemetry\n\n{_engine()}")


def _engine() -> str:
    lead = '`events.parquet`, `cflow query "… FROM events"` and `GET /telemetry` hold what the engine tells.'
    return f"{lead}\n\n" + table(["event", "meaning"], [(code(one), MEANINGS[one]) for one in get_args(EngineEvent)])


def told() -> Iterator[tuple[str, str, str]]:
    """Reason, type and sentence of every `Event(…)` in the operator's decision."""
    for path in sorted(CORE.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Event":
                reason, said, *kind = (_text(one) for one in node.args)
                if reason and said != "…":
                    yield reason, (kind or ["Normal"])[0], said
                elif reason:
                    yield reason, (kind or ["Normal"])[0], "The sentence of the condition."


def _text(node: ast.expr) -> str:
    """A text as it stands in the code, with … for what is put in."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part) for part in parts)
        case ast.Name(id="kind"):
            return ""
        case _:
            return "…"
