"""What a run costs beside its iterations: compile time, start-up after an eviction, and memory.

Start-up is from the start of the process to the first iteration of a resumed flow with a warm compile cache, through
`cflow engine` as in a pod; it is divided by what no engine in Python and JAX can do without, measured in the same
rounds: Python, the import of jax, and reading the same checkpoint. Memory is the largest resident set of the process.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import yaml
from flows import document, first_policy, leave
from lab import FOLDER, paired, say
from problems import Problem, tv_deblur, tv_denoise

from flowapi.report import ExitCode
from flowapi.revision import RevisionFile, RevisionTuple, RuntimeSettings
from flowapi.spec import Manifest, load_manifest
from flowengine.store import read_checkpoint

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an image has its modules compiled, too
CFLOW = Path(sys.executable).with_name("cflow")
COMPILE = """
import sys, time
from pathlib import Path
from flowengine.run.platform import prepare
prepare(2, Path(sys.argv[2]))
sys.path.insert(0, "bench")
import jax, jax.numpy as jnp
from flows import first_policy
from ours import Ours
from problems import Problem
problem = Problem.load(Path(sys.argv[1]))
ours = Ours(problem, first_policy(problem))
ours.carry.ring.block_until_ready()
began = time.perf_counter()
ours.run(1)
print(time.perf_counter() - began)
"""
FLOOR = """
import os, sys
from flowengine.run.platform import prepare
prepare(2)
import jax, jax.numpy as jnp
from pathlib import Path
from flowengine.store import read_checkpoint
leaves = read_checkpoint(Path(sys.argv[1])).leaves
arrays = [jax.device_put(leaf.array) for leaf in leaves.values() if leaf.kind != "key"]
jax.block_until_ready(arrays)
print("there", flush=True)
os._exit(0)
"""
EMPTY = """
import jax, jax.numpy as jnp
jax.jit(lambda x: x + 1)(jnp.zeros(8)).block_until_ready()
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def compile_seconds(problem: Problem, folder: Path, rounds: int) -> dict[str, float]:
    """The first call of the loop: with an empty compile cache, and with one that knows it."""
    path = folder / "problem.npz"
    problem.save(path)
    found: dict[str, list[float]] = {"cold": [], "warm": []}
    for number in range(rounds):
        for values in found.values():  # the second time the cache is warm
            command = [sys.executable, "-c", COMPILE, str(path), str(folder / f"cache-{number}")]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            values.append(float(done.stdout))
    return {name: round(median(values), 3) for name, values in found.items()}


class Flow:
    """A flow on a volume of its own, started as the operator does."""

    def __init__(self, problem: Problem, folder: Path, stop: dict[str, Any]) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self.root, self.inputs = folder / "root", folder / "inputs"
        self.inputs.mkdir(parents=True)
        leave(problem, self.inputs)
        self.file = self.inputs / "flow.yaml"
        self.file.write_text(
            yaml.safe_dump({"flow": {**document(problem, first_policy(problem)), "stop": stop}}), encoding="utf-8"
        )
        manifest = load_manifest(yaml.safe_load(self.file.read_text(encoding="utf-8")), default_name="bench")
        self.revision = folder / "revision.json"
        self.revision.write_bytes(_revision(manifest).to_bytes())
        self.settings = RuntimeSettings.of(manifest.spec, manifest.document).to_json()
        self.attempt = 0

    def start(self) -> subprocess.Popen[str]:
        """A new attempt."""
        self.attempt += 1
        words = {
            "revision-file": self.revision, "root": self.root, "attempt": self.attempt, "settings": self.settings,
            "inputs": self.inputs, "port": _free_port(),
        }  # fmt: skip
        command = [str(CFLOW), "engine", *(part for key, value in words.items() for part in (f"--{key}", str(value)))]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def first_iteration(self) -> float:
        """Seconds from the start of the process to its first iteration; then it is stopped, with a checkpoint."""
        began = time.perf_counter()
        process = self.start()
        seconds = _until(process, lambda line: json.loads(line)["event"] == "Running") - began
        process.send_signal(signal.SIGTERM)
        process.communicate()
        if process.returncode != ExitCode.STOPPED:
            raise RuntimeError(f"the engine ended with {process.returncode} instead of stopping")
        return seconds


def _revision(manifest: Manifest) -> RevisionFile:
    found = RevisionTuple.of(manifest.spec)
    return RevisionFile(hash=found.hash, name=manifest.name, namespace="bench", uid="bench", tuple=found)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _until(process: subprocess.Popen[str], holds: Any) -> float:
    for line in process.stdout or ():
        if holds(line):
            return time.perf_counter()
    raise RuntimeError(f"the process ended with {process.wait()} before its first iteration")


def start_seconds(problem: Problem, folder: Path, rounds: int) -> dict[str, Any]:
    """Resumed starts, and their floor, in turn."""
    flow = Flow(problem, folder, {"maxIterations": 10**9})
    flow.first_iteration()  # an empty volume
    cold = flow.first_iteration()
    ours, floor = [], []
    for _ in range(rounds):
        ours.append(flow.first_iteration())
        began = time.perf_counter()
        command = [sys.executable, "-c", FLOOR, str(flow.root)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            floor.append(_until(process, lambda line: line.strip() == "there") - began)
    seconds = {"engine": round(median(ours), 3), "floor": round(median(floor), 3), "firstResume": round(cold, 3)}
    return {"seconds": seconds, "ratio": paired(ours, floor)}


def peak_bytes(process: subprocess.Popen[str]) -> int:
    """The largest resident set while it ran; its output must fit a pipe."""
    peak, status = 0, Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM"):
                peak = max(peak, 1024 * int(line.split()[1]))
        time.sleep(0.005)
    return peak


def memory(problem: Problem, folder: Path, iterations: int) -> dict[str, Any]:
    """Peak of a run against what JAX takes alone, the data, and six times the state."""
    flow = Flow(problem, folder, {"maxIterations": iterations})
    command = [str(CFLOW), "plan", str(flow.file), "--json"]
    cost = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["cost"]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    empty = subprocess.run([sys.executable, "-c", EMPTY], check=True, capture_output=True, text=True, env=environment)
    floor = 1024 * int(empty.stdout)
    process = flow.start()
    peak = peak_bytes(process)
    process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"the engine ended with {process.returncode}")
    saved = sum(leaf.array.nbytes for leaf in read_checkpoint(flow.root).leaves.values())
    allowed = floor + cost["data"] + 6 * cost["state"]
    return {
        "problem": problem.name, "peakMiB": round(peak / 2**20, 1), "floorMiB": round(floor / 2**20, 1),
        "dataMiB": round(cost["data"] / 2**20, 1), "stateMiB": round(cost["state"] / 2**20, 1),
        "checkpointMiB": round(saved / 2**20, 1), "aboveFloorInStates": round((peak - floor) / cost["state"], 2),
        "ratio": round(peak / allowed, 4),
    }  # fmt: skip


def measure(*, quick: bool) -> dict[str, Any]:
    """All three."""
    folder, rounds = (FOLDER / "start").absolute(), 2 if quick else 7
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    answer: dict[str, Any] = {"compileSeconds": {}}
    for problem in (tv_denoise(512), tv_deblur(512)):
        answer["compileSeconds"][problem.name] = compile_seconds(problem, folder, 1 if quick else 3)
        shutil.rmtree(folder / "cache-0", ignore_errors=True)
    say(f"compile: {answer['compileSeconds']}")
    answer["start"] = start_seconds(tv_denoise(512), folder / "evicted", rounds)
    say(f"start-up: {answer['start']}")
    answer["memory"] = memory(tv_denoise(512 if quick else 2048), folder / "memory", 200)
    say(f"memory: {answer['memory']}")
    shutil.rmtree(folder, ignore_errors=True)
    return answer
