"""`make torture`: random faults, power cuts on ext4, xfs and btrfs, real flows killed again and again, and every mutant of the store, of what a run saves, and of what it leaves.

    make torture SEED=7 FAULTS=1000

One line says how it ended; it ends with 1 when anything was lost, wrong or not caught. The seed makes the same faults again.
"""

import argparse
import errno
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.progress import Progress

from kit.mounts import Disk
from torture import mutation

SHARE_OF_FLOWS = 0.05
Fault = Callable[[], tuple[int, int]]


class Faults:
    """Random faults on volumes that live through all of them."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        from kit.store import processes  # only now: what tries the mutants must not have loaded the store

        self._faults, self._rng, self._attempt = processes, rng, 1
        self._root = folder / "flow"
        self._disk = Disk(folder) if os.geteuid() == 0 else None
        self.counts: Counter[str] = Counter()
        self.lost: list[str] = []

    def one(self) -> None:
        """Do one, and look whether anything that was acknowledged is gone or wrong."""
        kinds = ["killed at an operation"] * 8 + ["killed at a moment"] * 4 + ["refused"] * 6 + ["takeover"]
        kind = self._rng.choice([*kinds, *(["power cut"] if self._disk else [])])
        self.counts[kind] += 1
        try:
            acknowledged, back = self._do(kind)
            if back < acknowledged:
                self.lost.append(f"{kind}: {acknowledged} was acknowledged, {back} is found")
        except AssertionError as error:
            self.lost.append(f"{kind}: wrong bytes or order: {error}")

    def _do(self, kind: str) -> tuple[int, int]:
        faults, root, rng = self._faults, self._root, self._rng
        match kind:
            case "killed at an operation":
                return faults.killed_at_an_operation(root, rng)
            case "killed at a moment":
                return faults.killed_at_a_moment(root, rng)
            case "refused":
                return faults.refused(root, rng, rng.choice([errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS]))
            case "takeover":
                self._attempt += 4
                return faults.takeover(root, rng, self._attempt)
            case _:
                return faults.power_cut(self._disk, rng)

    def close(self) -> None:
        """Take the disk away."""
        if self._disk:
            self._disk.close()


class PowerCuts:
    """The power cut at many moments of a run, on every file system that this machine can mount."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        from kit.store import cuts  # as above

        self._cuts, self._rng, self._folder = cuts, rng, folder
        self.images = 0
        self.lost: list[str] = []
        self.left_out: list[str] = []

    @property
    def kinds(self) -> list[str]:
        """The file systems to try."""
        return list(self._cuts.MAKE)

    def one(self, kind: str, count: int) -> None:
        """So many moments on a file system of this kind; and the control, a run that syncs nothing, which must lose."""
        if missing := self._cuts.lacking(kind):
            self.left_out.append(f"{kind}: {missing}")
            return
        self.lost += self._losses(kind, count, None)
        if not self._losses(kind, 6, self._cuts.Unsynced()):
            self.lost.append(f"{kind}: a run that syncs nothing loses nothing, so these cuts show nothing")

    def _losses(self, kind: str, count: int, io: Any) -> list[str]:
        cuts = self._cuts
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=f"cuts-{kind}-") as name:
            run = cuts.record(Path(name), kind, io)
            found = list(cuts.losses(run, Path(name), cuts.places(run, count), self._rng))
        self.images += len(found)
        return [one for one in found if one]


class Flows:
    """Real flows, each killed at random moments until it has ended, beside one that nobody touched."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        from kit import manifests, runs

        self._manifests, self._runs, self._folder, self._rng = manifests, runs, folder, rng
        self.kills = 0
        self.different: list[str] = []

    def one(self, number: int, kills: int) -> None:
        """A flow that is killed so many times."""
        manifests, runs = self._manifests, self._runs
        template, dtype = self._rng.choice([(manifests.DENOISE, "float32"), (manifests.DEBLUR, "float64")])
        folder = self._folder / str(number)
        manifest = manifests.write_flow(folder, template, dtype=dtype, limit=4_000 * kills, every=900, size=96)
        whole, cut = folder / "whole", folder / "cut"
        runs.run("run", manifest, "--root", whole, "--quiet")
        for _ in range(kills):
            base, beyond = runs.saved(cut), self._rng.randrange(0, 2_500)
            process = runs.start("run", manifest, "--root", cut, "--quiet")
            while process.poll() is None and runs.progress(cut) <= base + beyond:
                time.sleep(0.005)
            process.kill()
            self.kills += process.wait() == -9
        runs.run("run", manifest, "--root", cut, "--quiet")
        if (
            runs.final_state(cut) != runs.final_state(whole)
            or runs.summary(cut)["sha256"] != runs.summary(whole)["sha256"]
        ):
            self.different.append(f"flow {number} ended with other bits after {kills} kills")


def main() -> int:
    """All of it; 1 when anything failed."""
    parser = argparse.ArgumentParser(prog="make torture", description=__doc__)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--cuts", type=int, default=48, help="moments at which the power goes, on each file system")
    parser.add_argument("--no-mutants", action="store_true", help="leave out the mutants, which take an hour")
    asked = parser.parse_args()
    rng = random.Random(asked.seed)
    mutants = "mutants left out"
    survived = 0
    if not asked.no_mutants:
        survived, mutants = _mutants()
    in_flows = int(asked.faults * SHARE_OF_FLOWS)
    with tempfile.TemporaryDirectory(prefix="cflow-torture-") as name, Progress() as progress:
        faults, flows, cuts = Faults(Path(name), rng), Flows(Path(name), rng), PowerCuts(Path(name), rng)
        try:
            for kind in progress.track(cuts.kinds, description="power cuts"):
                cuts.one(kind, asked.cuts)
            for _ in progress.track(range(asked.faults - in_flows), description="faults"):
                faults.one()
            for number in progress.track(range(max(1, in_flows // 10)), description="flows killed ten times each"):
                flows.one(number, min(10, in_flows) or 1)
        finally:
            faults.close()
    for sentence in (*faults.lost, *flows.different, *cuts.lost):
        print(sentence)
    for sentence in cuts.left_out:
        print(f"power cuts left out: {sentence}")
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(faults.counts.items()))
    print(
        f"torture: seed {asked.seed}: {sum(faults.counts.values()) + flows.kills} faults ({kinds}, {flows.kills} kills of a "
        f"flow) and {cuts.images} images after power cuts; {len(faults.lost) + len(cuts.lost)} acknowledged checkpoints lost or wrong, {len(flows.different)} flows with another "
        f"SHA-256; {mutants}"
    )
    return int(bool(faults.lost or flows.different or cuts.lost or survived))


def _mutants() -> tuple[int, str]:
    caught = equivalent = survived = 0
    with Progress() as progress:
        task = progress.add_task("mutants", total=len(mutation.generate()))
        for verdict in mutation.verdicts():
            caught += bool(verdict.caught_by)
            equivalent += not verdict.caught_by and not verdict.survived
            survived += verdict.survived
            progress.console.print(
                f"{verdict.mutant.name}  →  {verdict}", soft_wrap=True, markup=False, highlight=False
            )
            progress.advance(task)
    return survived, f"mutants: {caught} of {caught + survived} caught, {equivalent} equivalent"


if __name__ == "__main__":
    sys.exit(main())
