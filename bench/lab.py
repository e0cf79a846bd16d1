"""The workers of one run of the bench, and what is measured with them: paired rates, and races to an accuracy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any

from problems import Problem

HERE = Path(__file__).parent
FOLDER = Path("build/bench")
PEERS_PYTHON = FOLDER / "peers-venv" / "bin" / "python"
THREADS = 2
MODULES = {
    "ours": "engine", "native": "native loop", "peers.scico_": "SCICO", "peers.pyproximal_": "PyProximal",
    "peers.skimage_": "scikit-image", "peers.sklearn_": "scikit-learn", "peers.jaxopt_": "jaxopt",
    "peers.cvxpy_": "CVXPY",
}  # fmt: skip
POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class UnableError(Exception):
    """What a worker answered instead of a measurement."""


def attempted(name: str, action: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What it measures; a failure takes its place, and the run goes on."""
    try:
        return action()
    except (UnableError, ArithmeticError, RuntimeError, OSError, ValueError, subprocess.CalledProcessError) as error:
        say(f"{name} FAILED: {error}")
        return {"failed": f"{type(error).__name__}: {error}"}


def say(text: str) -> None:
    """A line of progress."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def environment() -> dict[str, str]:
    """The same number of threads for everyone; double precision where a problem wants it."""
    quiet = {"JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1", "PYTHONWARNINGS": "ignore", "OMP_WAIT_POLICY": "passive"}
    return {**os.environ, **quiet, **dict.fromkeys(POOLS, str(THREADS))}


class Worker:
    """A process with one library."""

    def __init__(self, module: str) -> None:
        python = sys.executable if module == "ours" else str(PEERS_PYTHON)
        command = [python, str(HERE / "worker.py"), module]
        self.module = module
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
        )

    def ask(self, do: str, **words: Any) -> dict[str, Any]:
        """Its answer.

        Raises:
            UnableError: it has no measurement, and says why.
        """
        stdin, stdout = self.process.stdin, self.process.stdout
        if stdin is None or stdout is None:
            raise UnableError("has no pipes")
        try:
            stdin.write(json.dumps({"do": do, **words}) + "\n")
            stdin.flush()
            line = stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise UnableError(f"its process ended with {self.process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "unable" in answer:
            raise UnableError(answer["unable"])
        return answer

    def close(self) -> None:
        """End the process."""
        with suppress(BrokenPipeError):
            if self.process.stdin is not None:
                self.process.stdin.close()
        self.process.wait()


@dataclass
class Entrant:
    """A solver at one setting, set up in its worker.

    Attributes:
        library: Whose it is.
        name: Of the solver.
        setting: Which of its settings.
        first: Seconds of its set-up with the first iteration: compiling and all.
        points: (iterations, seconds, energy) of a race.
    """

    worker: Worker
    key: str
    library: str
    name: str
    setting: str
    restarts: bool
    granule: int
    schedule: tuple[int, ...]
    first: float = 0.0
    points: list[tuple[int, float, float]] = field(default_factory=list)

    def run(self, count: int, *, reset: bool = False) -> float:
        """Seconds of this many iterations."""
        return float(self.worker.ask("run", key=self.key, count=count, reset=reset)["seconds"])

    def measured(self, count: int, *, reset: bool = False) -> tuple[float, float]:
        """Seconds, and the energy afterwards."""
        answer = self.worker.ask("run", key=self.key, count=count, reset=reset, energy=True)
        return float(answer["seconds"]), float(answer["energy"])

    def calibrated(self, budget: float) -> int:
        """How many iterations take this long, in whole granules."""
        count = self.granule
        self.run(count)
        while (seconds := self.run(count)) < budget / 10:
            count *= 8
        return max(1, round(budget / seconds * count / self.granule)) * self.granule

    def drop(self) -> None:
        """Free its memory."""
        self.worker.ask("drop", key=self.key)


class Lab:
    """All workers; they live as long as the run."""

    def __init__(self, modules: Iterable[str] = MODULES) -> None:
        self.workers = {module: Worker(module) for module in modules}
        self.scratch = FOLDER / "scratch"
        self.scratch.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for worker in self.workers.values():
            worker.close()

    def put(self, problem: Problem) -> str:
        """The problem's file."""
        path = self.scratch / f"{problem.name.replace(' ', '-')}.npz"
        problem.save(path)
        return str(path)

    def call(self, name: str, problem: Problem) -> dict[str, Any]:
        """What only the engine knows of a problem."""
        return self.workers["ours"].ask("call", name=name, problem=self.put(problem))

    def enter(self, problem: Problem, modules: Iterable[str] = MODULES) -> tuple[list[Entrant], dict[str, str]]:
        """Every solver at every setting, set up; and why a library is not among them."""
        path, entrants, absent = self.put(problem), list[Entrant](), dict[str, str]()
        for module in modules:
            worker = self.workers[module]
            try:
                offers = worker.ask("offers", problem=path)["offers"]
            except UnableError as reason:
                absent[MODULES[module]] = str(reason)
                continue
            for offer in offers:
                entrant = Entrant(worker=worker, library=MODULES[module], **offer)
                try:
                    entrant.first = float(worker.ask("build", key=entrant.key)["seconds"])
                    entrants.append(entrant)
                except UnableError as reason:
                    absent[f"{entrant.name} ({entrant.setting})"] = str(reason)
        return entrants, absent


def rates(entrants: list[Entrant], budget: float, rounds: int) -> dict[str, list[float]]:
    """Iterations a second by key; each round runs all of them once, beginning with another one each time."""
    counts = {one.key: one.calibrated(budget) for one in entrants}
    for one in entrants:
        one.run(counts[one.key])
    found: dict[str, list[float]] = {one.key: [] for one in entrants}
    for number in range(rounds):
        turn = number % len(entrants)
        for one in entrants[turn:] + entrants[:turn]:
            found[one.key].append(counts[one.key] / one.run(counts[one.key]))
    return found


def best_settings(entrants: list[Entrant], budget: float) -> list[Entrant]:
    """Of each solver with several settings the quickest; hand-written loops all stay."""
    best: dict[str, tuple[float, Entrant]] = {}
    for one in entrants:
        name = one.key if one.library == "engine" else one.name
        count = one.calibrated(budget)
        rate = count / one.run(count)
        if name not in best or rate > best[name][0]:
            best[name] = rate, one
    return [one for _, one in best.values()]


def paired(ours: list[float], theirs: list[float]) -> float:
    """The median over rounds of ours divided by theirs in that round."""
    return round(median(a / b for a, b in zip(ours, theirs, strict=True)), 4)


def shown(entrant: Entrant) -> str:
    """A solver with its setting."""
    return f"{entrant.name}: {entrant.setting}" if entrant.setting else entrant.name


def machine(described: Mapping[str, Any]) -> dict[str, Any]:
    """Where this was measured."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    return {**described, "cpu": model, "cores": os.cpu_count(), "loadBefore": os.getloadavg()[0]}
