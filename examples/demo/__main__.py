"""`make demo`: evicted, killed, edited and reverted on a cluster, a flow ends with the bits of an uninterrupted run.

Digests and losses are recomputed from the volumes by code that doesn't import the engine.
"""

import json
from pathlib import Path
from typing import Any

from picture import draw
from rich.table import Table
from story import (
    BUILD,
    EVERY,
    EXAMPLE,
    ITERATIONS,
    Story,
    console,
    edit_and_revert,
    fresh_namespace,
    interrupt,
    specs,
    watched,
)
from volume import energies, epochs, first_certificate, result_sha256

from kit import cluster as kit
from kit.cluster import Cluster, KitError
from kit.flow import revision_of

LOSS_BOUND = EVERY + 250  # and what runs during one save and one chunk


def play(cluster: Cluster) -> tuple[Story, dict[str, Any]]:
    """Both flows, to their ends."""
    spec, edited = specs()
    console.print(f"Deblurring a photograph, {ITERATIONS} iterations, a checkpoint every {EVERY}.")
    console.print("· once without interruption")
    with watched(cluster, "uninterrupted") as run:
        run.flow.apply(spec)
        run.completed()
    whole = run.flow.copy(BUILD / "uninterrupted")
    console.print("· and once with")
    story = Story()
    with watched(cluster, "interrupted") as run:
        run.flow.apply(spec)
        interrupt(run, story)
        edit_and_revert(run, story, spec, edited)
        run.completed()
    cut = run.flow.copy(BUILD / "interrupted")
    return story, summarise(cluster, story, revision_of(spec), whole, cut)


def summarise(cluster: Cluster, story: Story, revision: str, whole: Path, cut: Path) -> dict[str, Any]:
    """What was promised, recomputed from the volumes."""
    by_number = {one.number: one for one in epochs(cut)}

    def lost(numbers: list[int]) -> int:
        return sum(by_number[number].reached - by_number[number + 1].base for number in numbers)

    return {
        "cluster": cluster.provider,
        "uninterruptedSha256": result_sha256(whole, revision),
        "finalSha256": result_sha256(cut, revision),
        "evictions": len(story.evicted),
        "kills": len(story.killed),
        "lostIterationsOnEviction": lost(story.evicted),
        "lostIterationsOnKill": lost(story.killed),
        "lossBound": LOSS_BOUND,
        "recoverySeconds": [
            round(first_certificate(cut, by_number[number + 1]) - by_number[number].ended, 2)
            for number in (*story.evicted, *story.killed)
        ],
        "rollback": story.rollback,
    }


def verdict(summary: dict[str, Any]) -> int:
    """Print what was promised and what was seen; 0 when all of it holds."""
    rollback, on_kill = summary["rollback"], summary["lostIterationsOnKill"]
    checks = (
        (
            "the result has the bits of the uninterrupted run",
            summary["uninterruptedSha256"] == summary["finalSha256"],
            f"{summary['finalSha256'][:16]}…",
        ),
        (
            f"{summary['evictions']} evictions lose nothing",
            summary["lostIterationsOnEviction"] == 0,
            f"{summary['lostIterationsOnEviction']} iterations",
        ),
        (
            "a kill loses what came after the last checkpoint",
            0 < on_kill <= LOSS_BOUND,
            f"{on_kill} iterations, at most {LOSS_BOUND}",
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
    table.add_row("seconds without an iteration", "", ", ".join(f"{one:.1f}" for one in summary["recoverySeconds"]))
    console.print(table)
    return 0 if all(holds for _, holds, _ in checks) else 1


def main() -> int:
    """A cluster, the story, a summary and a picture."""
    console.print(
        "The demo needs a Kubernetes cluster on this machine, builds the images and takes about three minutes.\n"
        "The very first time it also builds Kubernetes itself: 10 to 15 minutes and about 6 GB, kept in the cache."
    )
    try:
        cluster = kit.ensure()
        cluster.arm()
        fresh_namespace(cluster)
        story, summary = play(cluster)
    except KitError as error:
        console.print(f"[red]The demo stopped:[/] {error}")
        return 1
    (BUILD / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    cut, revision = BUILD / "interrupted", revision_of(specs()[0])
    result = cut / "revisions" / revision / "result" / "x.npy"
    draw(EXAMPLE / "photo" / "blurred.png", result, energies(cut, revision), story.marks, BUILD / "report.png")
    code = verdict(summary)
    console.print(
        f"{BUILD / 'report.png'}  {BUILD / 'summary.json'}\n"
        f"The cluster stays: export KUBECONFIG={cluster.kubeconfig}; kubectl get computableflows -A. "
        "`make down` takes it away."
    )
    return code


if __name__ == "__main__":
    raise SystemExit(main())
