"""What telemetry costs the loop, in CPU time, in pairs within one process.

    .venv/bin/python bench/telemetry.py

A pair is the same number of iterations twice, one after the other: the compiled loop alone, and the loop with all that
a run then does for its telemetry: the new rows from the ring, for the volume and for whoever asks. Every other pair has
them in the other order. The number is what a run takes between two looks, about 0.05 s of CPU time. The ratio is the
median over the pairs of with ÷ without. Writing the rows as Parquet happens once a checkpoint, in another thread: the
CPU time of that stands beside it, as a part of the loop's, for one part in `--parts` seconds of run.
"""

from __future__ import annotations

from flowengine.run.platform import prepare

prepare(2)

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median, quantiles

from flows import POLICIES
from ours import Ours
from problems import Problem, tv_denoise

from flowengine import capsule
from flowengine.run.telemetry import Telemetry
from flowengine.store import IO
from flowengine.store.files import Files

CHUNK = 0.05
COMMON = {"run_id": "bench", "flow_name": "bench", "revision": "0" * 10, "epoch": 1}


def spent(action: Callable[[], object]) -> float:
    """Seconds of CPU, of all threads of this process."""
    began = time.process_time()
    action()
    return time.process_time() - began


def chunk(loop: Ours) -> int:
    """Iterations that take about `CHUNK`: no more than the ring has room for."""
    most, count = loop.flow.settings.rows * loop.flow.settings.every, loop.granule
    loop.run(count)
    while (took := spent(partial(loop.run, count))) < CHUNK / 2 and 2 * count <= most:
        count *= 2
    return min(most, max(1, round(count / loop.granule * CHUNK / took)) * loop.granule)


def measured(problem: Problem, folder: Path, pairs: int, seconds: float) -> dict[str, object]:
    """The ratios of one problem.

    Args:
        problem: What the loop does.
        folder: For the parts.
        pairs: How many.
        seconds: Of run between two parts.
    """
    loop = Ours(problem, POLICIES[problem.kind]["pd3o"])
    count = chunk(loop)
    kept = capsule.Capsule(folder, COMMON, Files(IO()))
    telemetry = [Telemetry(kept, None, int(loop.carry.certificates))]
    kept.row(iter=0, t_wall_ms=0)
    kept.flush(0)  # what a first part costs once, a process pays once

    def both() -> None:
        loop.run(count)
        telemetry[0].drain(loop.carry, CHUNK)

    ratios, alone, drained = [], [], 0
    for index in range(pairs):
        for with_it in (False, True) if index % 2 else (True, False):
            telemetry[0] = Telemetry(kept, None, int(loop.carry.certificates))
            before = int(loop.carry.certificates)
            if with_it:
                observed = spent(both)
                drained += int(loop.carry.certificates) - before
            else:
                alone.append(spent(partial(loop.run, count)))
        ratios.append(observed / alone[-1])
    writing = spent(partial(kept.flush, int(loop.carry.k)))
    low, _, high = quantiles(ratios, n=4)
    rows_a_second = drained / pairs / median(alone)
    return {
        "iterations": count, "rows": drained / pairs, "pairs": pairs, "cpuMsWithout": round(1e3 * median(alone), 2),
        "ratio": round(median(ratios), 4), "quartiles": [round(low, 4), round(high, 4)],
        "parquetMicrosecondsARow": round(1e6 * writing / max(drained, 1), 2),
        "parquetPartOfLoop": round(writing / max(drained, 1) * rows_a_second, 4),
        "rowsOfAPart": round(rows_a_second * seconds),
    }  # fmt: skip


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 256, 512])
    parser.add_argument("--parts", type=float, default=60.0, metavar="SECONDS", help="Of run between two parts.")
    options = parser.parse_args()
    for size in options.sizes:
        with tempfile.TemporaryDirectory(prefix="cflow-bench-") as folder:
            found = measured(tv_denoise(size), Path(folder), options.pairs, options.parts)
        sys.stdout.write(json.dumps({f"TV denoising {size}x{size}": found}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
