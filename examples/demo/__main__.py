"""`make demo`: stopped twice, killed once, edited and reverted, a flow ends with the bits of an uninterrupted run.

Digests and losses are recomputed from the files by code that doesn't import the engine.
"""

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

from flow import Flow
from picture import draw
from rich.console import Console
from rich.table import Table
from volume import energies, last_sign_of_life, newest_checkpoint, result_sha256

EXAMPLE = Path(__file__).parent.parent / "deblur"
BUILD = Path("build/demo")
ITERATIONS = 2000
EVERY = 400
LOSS_BOUND = EVERY + 100  # and what runs during one save and one chunk
console = Console()


def prepare() -> Path:
    """The example's manifest, stopping on iterations only and saving at every multiple, beside its data."""
    shutil.rmtree(BUILD, ignore_errors=True)
    shutil.copytree(EXAMPLE / "photo", BUILD / "photo")
    text = (EXAMPLE / "deblur.yaml").read_text(encoding="utf-8")
    text = text.replace("stop: {maxIterations: 2000, gap: 1.0e-4}", f"stop: {{maxIterations: {ITERATIONS}}}")
    text = text.replace("everyIterations: 100", f"everyIterations: {EVERY}").replace(
        "everySeconds: 10", "everySeconds: 0"
    )
    manifest = BUILD / "deblur.yaml"
    manifest.write_text(text, encoding="utf-8")
    return manifest


def stop_and_kill(flow: Flow, revision: str, marks: list[tuple[str, int]]) -> dict[str, int]:
    """SIGTERM at 30 % and 45 %, SIGKILL at 60 %, strictly between two checkpoints; what each lost."""
    on_stop = 0
    for share in (0.30, 0.45):
        target = share * ITERATIONS
        console.print(f"· asking it to stop at {share:.0%}")
        flow.interrupt(signal.SIGTERM, _reached(target), revision)
        saved, reached = newest_checkpoint(flow.root, revision), last_sign_of_life(flow.root)
        on_stop += reached - (saved.iteration if saved else 0)
        marks.append(("stopped", reached))
    console.print("· killing it after 60 %, between two checkpoints")
    floor = 0.6 * ITERATIONS + 20
    flow.interrupt(
        signal.SIGKILL, lambda reached, saved: reached >= floor and saved + 50 <= reached < saved + 300, revision
    )
    saved, reached = newest_checkpoint(flow.root, revision), last_sign_of_life(flow.root)
    marks.append(("killed", reached))
    return {"lostIterationsOnStop": on_stop, "lostIterationsOnKill": reached - (saved.iteration if saved else 0)}


def _reached(target: float) -> Callable[[int, int], bool]:
    return lambda reached, _: reached >= target


def edit_and_revert(flow: Flow, revision: str, marks: list[tuple[str, int]]) -> dict[str, object]:
    """Another weight for 200 iterations, then the old one again: it goes on from its own latest checkpoint."""
    before = newest_checkpoint(flow.root, revision)
    if before is None:
        raise SystemExit("there is no checkpoint to come back to")
    digest = before.arrays_sha256
    console.print("· editing the weight, running 200 iterations of that, reverting")
    original = flow.manifest.read_text(encoding="utf-8")
    flow.manifest.write_text(original.replace("value: 0.0005", "value: 0.002"), encoding="utf-8")
    flow.run("--until", "200", code=75)
    flow.manifest.write_text(original, encoding="utf-8")
    report = flow.run("--until", str(before.iteration + 100), code=75)
    marks.append(("reverted", before.iteration))
    restored = report["restoredFrom"]
    return {
        "resumedRevision": restored["revision"],
        "resumedIteration": restored["iteration"],
        "digestBefore": digest,
        "digestAfter": restored["arraysSha256"],
    }


def main() -> int:
    """Run it, compare, and leave a summary and a picture."""
    manifest = prepare()
    whole, cut = Flow(manifest, BUILD / "uninterrupted"), Flow(manifest, BUILD / "interrupted")
    revision = whole.lint()["revision"]
    console.print(f"Deblurring a photograph, {ITERATIONS} iterations, a checkpoint every {EVERY}.")
    console.print("· once without interruption")
    whole.run()
    marks: list[tuple[str, int]] = []
    losses = stop_and_kill(cut, revision, marks)
    rollback = edit_and_revert(cut, revision, marks)
    console.print("· to the end")
    cut.run()
    summary = {
        "uninterruptedSha256": result_sha256(whole.root, revision),
        "finalSha256": result_sha256(cut.root, revision),
        "stops": 2,
        "kills": 1,
        **losses,
        "lossBound": LOSS_BOUND,
        "rollback": rollback,
    }
    (BUILD / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    result = cut.root / "revisions" / revision / "result" / "x.npy"
    draw(BUILD / "photo" / "blurred.png", result, energies(cut.root, revision), marks, BUILD / "report.png")
    return verdict(summary, losses, rollback)


def verdict(summary: dict[str, object], losses: dict[str, int], rollback: dict[str, object]) -> int:
    """Print what was promised and what was seen; 0 when all of it holds."""
    same = summary["uninterruptedSha256"] == summary["finalSha256"]
    checks = (
        ("the result has the bits of the uninterrupted run", same, str(summary["finalSha256"])[:16] + "…"),
        ("a stop loses nothing", losses["lostIterationsOnStop"] == 0, f"{losses['lostIterationsOnStop']} iterations"),
        (
            "a kill loses what came after the last checkpoint",
            0 < losses["lostIterationsOnKill"] <= LOSS_BOUND,
            f"{losses['lostIterationsOnKill']} iterations, at most {LOSS_BOUND}",
        ),
        (
            "a revert goes on from the same arrays",
            rollback["digestBefore"] == rollback["digestAfter"],
            f"iteration {rollback['resumedIteration']}",
        ),
    )
    table = Table("promise", "", "seen", box=None)
    for promise, holds, seen in checks:
        table.add_row(promise, "[green]kept" if holds else "[red]BROKEN", seen)
    console.print(table)
    console.print(f"{BUILD / 'report.png'}  {BUILD / 'summary.json'}")
    return 0 if all(holds for _, holds, _ in checks) else 1


if __name__ == "__main__":
    raise SystemExit(main())
