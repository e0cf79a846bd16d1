"""How fast checkpoints are: against the disk's floor, Orbax and safetensors, measured in pairs in one run.

    make bench          writes build/bench/checkpoints.json and prints the ratios

The rounds interleave the variants, so that a busy disk slows all of them alike; a ratio is the median over rounds of
ours divided by theirs in that round. The floor is write + fsync + rename + fsync of the folder, of the same bytes.
"""

from flowengine.run.environment import describe, settings
from flowengine.run.platform import prepare

prepare(2)

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import yaml
from ours import denoising
from safetensors.numpy import save_file

from flowengine.run import leaves
from flowengine.run.saver import Job, Saver
from flowengine.run.watchdog import Watchdog
from flowengine.store import CheckpointStore, Latest, Leaf, Lineage, Owner, Retention, SaveMeta, read_checkpoint

REVISION = "0" * 10
ROOT = Path(__file__).parent.parent
META = SaveMeta(Lineage(revision=REVISION, attempt=1))
KEEP = Retention(REVISION, keep=2)
SIZES = {"256 MiB": 256 * 2**20, "1 MiB": 2**20}
Seconds = dict[str, list[float]]


def timed(action: Callable[[], object]) -> float:
    """Seconds that it takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def floor(folder: Path, data: np.ndarray) -> None:
    """The least that a durable file costs."""
    scratch, target = folder / "scratch", folder / "target"
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    view = data.reshape(-1).view(np.uint8).data
    while view:
        view = view[os.write(descriptor, view) :]
    os.fsync(descriptor)
    os.close(descriptor)
    scratch.rename(target)
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def claimed(root: Path) -> CheckpointStore:
    """A store of its own."""
    store = CheckpointStore.open(root, Owner(namespace="bench", name="bench", uid="bench"))
    store.claim(REVISION, b"{}", Latest())
    return store


class Peers:
    """One array in each of the stores."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.count = folder, 0
        self.array = jax.random.normal(jax.random.key(1), (size // 4,), jnp.float32).block_until_ready()
        self.data = np.asarray(self.array)
        for name in ("floor", "safetensors", "orbax", "async"):
            (folder / name).mkdir(parents=True)
        self.store = claimed(folder / "ours")
        self.saver = Saver(self.store, KEEP, lambda _: "", Watchdog())
        self.sync = ocp.Checkpointer(ocp.StandardCheckpointHandler())
        self.asynchronous = ocp.AsyncCheckpointer(ocp.StandardCheckpointHandler())

    def round(self, seconds: Seconds) -> None:
        """One save and one restore of each."""
        self.count += 1
        tree = {"x": self.array}
        named = {"x": Leaf(self.data)}

        def add(name: str, action: Callable[[], object]) -> None:
            seconds.setdefault(name, []).append(timed(action))

        (self.folder / "floor" / "target").unlink(missing_ok=True)
        add("floor", lambda: floor(self.folder / "floor", self.data))
        add("save", lambda: self.store.save(self.count, named, META))
        add("safetensors", lambda: save_file({"x": self.data}, self.folder / "safetensors" / "x"))
        target = self.folder / "orbax" / str(self.count)
        add("orbax", lambda: self.sync.save(target, args=ocp.args.StandardSave(tree)))
        target = self.folder / "async" / str(self.count)
        add("orbaxStall", lambda: self.asynchronous.save(target, args=ocp.args.StandardSave(tree)))
        self.asynchronous.wait_until_finished()
        add("stall", lambda: self.saver.submit(Job(self.count, {"x": Leaf(np.asarray(self.array))}, META)))
        self.saver.drain()
        add("restore", lambda: jnp.array(read_checkpoint(self.folder / "ours").leaves["x"].array).block_until_ready())
        add("orbaxRestore", lambda: self._orbax_restore(self.folder / "orbax" / str(self.count)))
        self._thin_out()

    def _orbax_restore(self, target: Path) -> None:
        like = {"x": jax.ShapeDtypeStruct(self.array.shape, self.array.dtype, sharding=self.array.sharding)}
        self.sync.restore(target, args=ocp.args.StandardRestore(like))["x"].block_until_ready()

    def _thin_out(self) -> None:
        self.store.collect(KEEP)
        for name in ("orbax", "async"):
            shutil.rmtree(self.folder / name / str(self.count - 1), ignore_errors=True)

    def close(self) -> None:
        """End the threads and remove the files."""
        self.saver.close()
        self.store.close()
        self.sync.close()
        self.asynchronous.close()
        shutil.rmtree(self.folder)


def compared(folder: Path, size: int, rounds: int) -> dict[str, Any]:
    """Milliseconds and ratios of one size."""
    peers = Peers(folder, size)
    seconds: Seconds = {}
    peers.round({})  # warm: compiled programs, threads, the file system's own structures
    for _ in range(rounds):
        peers.round(seconds)
    peers.close()
    pairs = {
        "save/floor": ("save", "floor"), "save/orbax": ("save", "orbax"), "save/safetensors": ("save", "safetensors"),
        "restore/orbax": ("restore", "orbaxRestore"),
    }  # fmt: skip
    return {
        "milliseconds": {name: round(1000 * statistics.median(values), 3) for name, values in seconds.items()},
        "ratios": {name: ratio(seconds, *pair) for name, pair in pairs.items()},
        "stallMsWorst": round(1000 * max(seconds["stall"]), 3),
    }


def ratio(seconds: Mapping[str, list[float]], ours: str, theirs: str) -> float:
    """Median over the rounds of ours divided by theirs."""
    return round(statistics.median(a / b for a, b in zip(seconds[ours], seconds[theirs], strict=True)), 3)


def while_saving(folder: Path, size: int, rounds: int) -> dict[str, Any]:
    """The loop's rate with a save always under way, divided by its rate without; TV denoising of size² float32."""
    folder.mkdir(parents=True)
    loop = denoising(size)
    store = claimed(folder / "root")
    saver = Saver(store, KEEP, lambda _: "", Watchdog())
    chunk = max(50, 3_000_000_000 // (size * size * 60))
    loop.run(chunk)
    stalls: list[float] = []

    def chunks(*, saving: bool) -> float:
        began = time.perf_counter()
        for _ in range(10):
            loop.run(chunk)
            if saving:
                stalls.append(timed(lambda: saver.submit(Job(int(loop.carry.k), leaves.to_leaves(loop.carry), META))))
        return 10 * chunk / (time.perf_counter() - began)

    rates = []
    durable = 0
    for _ in range(rounds):
        alone = chunks(saving=False)
        rates.append(chunks(saving=True) / alone)
        durable += len(saver.drain())
    saver.close()
    store.close()
    shutil.rmtree(folder)
    state = sum(leaf.array.nbytes for leaf in leaves.to_leaves(loop.carry).values())
    return {
        "stateMiB": round(state / 2**20, 1), "rate": round(statistics.median(rates), 3),
        "stallMsMedian": round(1000 * statistics.median(stalls), 3), "stallMsWorst": round(1000 * max(stalls), 3),
        "savesDurable": durable,
    }  # fmt: skip


def default_cadence(folder: Path, rounds: int, iterations: int) -> dict[str, Any]:
    """Iterations a second of the deblurring example with its checkpoints by default, divided by those without any."""
    text = (ROOT / "examples" / "deblur" / "deblur.yaml").read_text(encoding="utf-8")
    rates: dict[str, list[float]] = {"default": [], "none": []}
    for _ in range(rounds):
        for name, every in (("default", 100), ("none", 10**9)):
            root = folder / name
            shutil.rmtree(root, ignore_errors=True)
            manifest = ROOT / "examples" / "deblur" / f".bench-{name}.yaml"
            manifest.write_text(with_cadence(text, every, iterations), encoding="utf-8")
            try:
                cflow = Path(sys.executable).with_name("cflow")
                command = [str(one) for one in (cflow, "run", manifest, "--root", root, "--quiet")]
                subprocess.run(command, check=True, capture_output=True)
            finally:
                manifest.unlink()
            rates[name].append(json.loads((root / "result" / "summary.json").read_bytes())["iterationsPerSecond"])
    shutil.rmtree(folder)
    share = statistics.median(a / b for a, b in zip(rates["default"], rates["none"], strict=True))
    return {"iterationsPerSecond": rates, "share": round(share, 4)}


def with_cadence(text: str, every: int, iterations: int) -> str:
    """The manifest with another cadence and length."""
    body = yaml.safe_load(text)
    body["spec"]["checkpoint"] = {"everyIterations": every}
    body["spec"]["flow"]["stop"] = {"maxIterations": iterations}
    return str(yaml.safe_dump(body))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--iterations", type=int, default=5_000, help="of the runs that compare cadences")
    parser.add_argument("--folder", type=Path, default=Path("build/bench/volume"), help="on the disk to measure")
    asked = parser.parse_args()
    folder = asked.folder.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    answer: dict[str, Any] = {"machine": describe(2, settings()), "orbax": ocp.__version__}
    for name, size in SIZES.items():
        answer[name] = compared(folder / "sizes", size, asked.rounds)
        print(name, json.dumps(answer[name], indent=2), flush=True)
    answer["whileSaving"] = {str(size): while_saving(folder / "loop", size, asked.rounds) for size in (512, 2048)}
    print("while saving", json.dumps(answer["whileSaving"], indent=2), flush=True)
    answer["defaultCadence"] = default_cadence(folder / "cadence", 3, asked.iterations)
    print("default cadence", json.dumps(answer["defaultCadence"], indent=2))
    target = Path("build/bench/checkpoints.json")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(answer, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
