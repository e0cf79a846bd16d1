"""What the demo does to its flow: evictions, a kill, an edit and a revert, each at its time."""

import copy
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from volume import newest_checkpoint

from flowapi.report import RunReport
from kit.cluster import Cluster
from kit.flow import LiveFlow, revision_of

EXAMPLE = Path(__file__).parent.parent / "deblur"
BUILD = Path("build/demo")
NAMESPACE = "cflow-demo"
ITERATIONS = 4000
EVERY = 1000
EVICT_AT = (0.30, 0.45)
KILL_AT = 0.60
EDIT_AT = 0.75
EDITED_FOR = 200
console = Console()


def specs() -> tuple[dict[str, Any], dict[str, Any]]:
    """The example's spec, stopping on iterations alone and saving at every multiple; and the same, edited."""
    text = (EXAMPLE / "deblur.yaml").read_text(encoding="utf-8")
    spec: dict[str, Any] = yaml.safe_load(text)["spec"]
    spec["flow"]["stop"] = {"maxIterations": ITERATIONS}
    spec["checkpoint"] |= {"everyIterations": EVERY, "everySeconds": 0}
    edited = copy.deepcopy(spec)
    edited["flow"]["params"]["lam"]["value"] = 0.002
    return spec, edited


def fresh_namespace(cluster: Cluster) -> None:
    """A namespace under Pod Security `restricted` with the photograph, and nothing of an earlier demo."""
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait", timeout=180)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}])
    photo = f"--from-file={EXAMPLE / 'photo'}"
    cluster.kubectl("create", "configmap", "deblur-photo", photo, f"--namespace={NAMESPACE}")


@dataclass
class Watched:
    """A flow with a progress bar."""

    flow: LiveFlow
    bar: Callable[[int], None]

    def until(self, what: str, holds: Callable[[RunReport], bool], seconds: float = 300) -> RunReport:
        """Wait for a report of which something holds."""

        def look() -> list[RunReport]:
            report = self.flow.report()
            if report is None or report.state != "Running":
                return []
            self.bar(report.iteration)
            return [report] if holds(report) else []

        return self.flow.cluster.wait_for(what, look, seconds)[0]

    def completed(self) -> dict[str, Any]:
        """Wait for the end; the status."""

        def look() -> dict[str, Any]:
            if report := self.flow.report():
                self.bar(report.iteration)
            status = self.flow.status()
            return status if status.get("phase") == "Completed" else {}

        status = self.flow.cluster.wait_for(f"the end of {self.flow.name}", look, 600)
        self.bar(ITERATIONS)
        return status


@contextmanager
def watched(cluster: Cluster, name: str) -> Iterator[Watched]:
    """A flow of the demo, with its bar while the block runs."""
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"), console=console
    ) as bars:
        task = bars.add_task(name, total=ITERATIONS)
        yield Watched(LiveFlow(cluster, NAMESPACE, name), lambda iteration: bars.update(task, completed=iteration))


@dataclass
class Story:
    """What was done and seen.

    Attributes:
        evicted: Epochs that an eviction ended.
        killed: Epochs that a SIGKILL ended.
        marks: For the picture: what, and at which iteration.
        rollback: For the summary.
    """

    evicted: list[int] = field(default_factory=list)
    killed: list[int] = field(default_factory=list)
    marks: list[tuple[str, int]] = field(default_factory=list)
    rollback: dict[str, Any] = field(default_factory=dict)


def interrupt(run: Watched, story: Story) -> None:
    """Evictions through the Eviction API, then a SIGKILL from the node, strictly between two checkpoints."""
    for share in EVICT_AT:
        at = run.until(f"{share:.0%}", lambda one: one.iteration >= share * ITERATIONS)  # noqa: B023
        console.print(f"· evicting the pod at {share:.0%}")
        run.flow.evict()
        story.evicted.append(at.epoch)
        story.marks.append(("evicted", at.iteration))
        run.until("the next pod", lambda one: one.epoch > at.epoch)  # noqa: B023

    def between(report: RunReport) -> bool:
        saved = report.saved.iteration if report.saved else 0
        return report.iteration >= KILL_AT * ITERATIONS and saved + EVERY // 5 <= report.iteration < saved + EVERY // 2

    at = run.until("a place between two checkpoints", between)
    console.print("· killing the engine after 60 %, between two checkpoints")
    run.flow.kill()
    story.killed.append(at.epoch)
    story.marks.append(("killed", at.iteration))
    run.until("the next pod", lambda one: one.epoch > at.epoch)


def edit_and_revert(run: Watched, story: Story, spec: dict[str, Any], edited: dict[str, Any]) -> None:
    """Another weight for a while, then the old one again: it goes on from its own checkpoint."""
    flow, revision = run.flow, revision_of(spec)
    run.until(f"{EDIT_AT:.0%}", lambda one: one.iteration >= EDIT_AT * ITERATIONS)
    console.print("· pausing at a checkpoint, whose arrays are hashed from a copy of the volume")
    flow.apply(spec | {"suspend": True})
    flow.phase("Suspended")
    before = newest_checkpoint(flow.copy(BUILD / "before-edit"), revision)
    if before is None:
        raise SystemExit("there is no checkpoint to come back to")
    story.marks.append(("edited, reverted", before.iteration))
    console.print(f"· editing the weight, running {EDITED_FOR} iterations of that, reverting")
    flow.apply(edited)
    run.until("the edited flow", lambda one: one.revision == revision_of(edited) and one.iteration >= EDITED_FOR)
    flow.apply(spec)
    back = run.until("the reverted flow", lambda one: one.revision == revision).restored_from
    if back is None:
        raise SystemExit("the reverted flow started from nothing")
    story.rollback = {
        "resumedRevision": back.revision,
        "resumedIteration": back.iteration,
        "digestBefore": before.arrays_sha256,
        "digestAfter": back.arrays_sha256,
    }
