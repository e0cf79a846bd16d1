"""How fast the compiled loop is against hand-written JAX: TV denoising 512² float32, measured in pairs in one run.

    make bench          writes build/bench/engine.json and prints the ratios

Every variant does the same iteration. The rounds interleave them, so that a busy machine slows all of them alike;
a ratio is the median over rounds of ours divided by theirs in that round.
"""

from flowengine.run.platform import describe, prepare

prepare(2)

import argparse
import json
import os
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from variants import VARIANTS

from flowapi.flow import FlowDocument
from flowengine.compiler import compile_flow, stops_of
from flowengine.loop import Carry, advance, run_key, start

WEIGHT = 0.1
TARGET = Path("build/bench/engine.json")


def picture(size: int) -> np.ndarray:
    """Steps and noise."""
    axis = np.arange(size)
    steps = np.add.outer(axis > size // 2, axis > size // 3) * 0.5
    noise = 0.1 * np.random.default_rng(0).standard_normal((size, size))
    return (steps + noise).astype(np.float32)


class Ours:
    """The engine with its defaults on: certificates, telemetry rows, gates."""

    def __init__(self, b: np.ndarray, folder: Path) -> None:
        np.save(folder / "b.npy", b)
        document = FlowDocument.parse({
            "dtype": "float32", "data": {"b": {"npy": "b.npy"}}, "variables": {"x": {"like": "b", "init": "b"}},
            "operators": {"D": {"gradient": {}}}, "policy": {"algorithm": "pd3o"},
            "terms": [
                {"atom": "quadratic", "arg": "x", "data": "b"}, {"atom": "norm_l21", "arg": "D x", "weight": WEIGHT},
            ],
            "stop": {"maxIterations": 10**9},
        })  # fmt: skip
        self.flow = compile_flow(document, folder)
        self.stops = stops_of(document.stop, "float32")
        hypers = self.flow.choice.hypers
        self.tau, self.sigma = float(hypers.tau), float(hypers.sigma[0])
        self.carry = start(self.flow.problem, self.flow.choice.method, hypers, self.flow.settings, run_key(0, "0" * 10))

    def __call__(self, count: int) -> None:
        until = jnp.asarray(int(self.carry.k) + count)
        self.carry = self._advance(until)
        self.carry.ring.block_until_ready()

    def _advance(self, until: jax.Array) -> Carry:
        carry: Carry = advance(
            self.flow.problem,
            self.carry,
            self.stops,
            until,
            method=self.flow.choice.method,
            settings=self.flow.settings,
        )
        return carry

    def kernels(self) -> dict[str, int]:
        """Fusions and copies in the compiled inner loop."""
        lowered = advance.lower(
            self.flow.problem, self.carry, self.stops, jnp.asarray(0), method=self.flow.choice.method,
            settings=self.flow.settings,
        )  # fmt: skip
        text = lowered.compile().as_text() or ""
        bodies = [part for part in re.split(r"\n(?=%|ENTRY)", text) if part.lstrip().startswith("%")]
        steps = [
            body for body in bodies if " while(" not in body and body.count("f32[512,512]") and "body" in body[:80]
        ]
        inner = max(steps, key=lambda body: body.count(" fusion("), default="")
        return {"fusions": inner.count(" fusion("), "copies": inner.count(" copy(")}


def measure(size: int, rounds: int, count: int, folder: Path) -> dict[str, Any]:
    """Iterations a second of every variant, and the ratios of ours to each."""
    b = picture(size)
    ours = Ours(b, folder)
    device = jnp.asarray(b)
    runs: dict[str, Callable[[], None]] = {"ours": lambda: ours(count)}
    for name, variant in VARIANTS.items():
        runs[name] = _timed(variant, device, ours.tau, ours.sigma, count)
    for run in runs.values():
        run()
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            rates[name].append(count / (time.perf_counter() - began))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    fastest = max((name for name in medians if name != "ours"), key=medians.__getitem__)
    pairs = [mine / theirs for mine, theirs in zip(rates["ours"], rates[fastest], strict=True)]
    return {
        "problem": f"TV denoising {size}x{size} float32",
        "iterationsPerSecond": {name: round(value, 1) for name, value in medians.items()},
        "fastestHandWritten": fastest,
        "ratio": round(statistics.median(pairs), 3),
        "ratioRange": [round(min(pairs), 3), round(max(pairs), 3)],
        "innerLoop": ours.kernels(),
    }


def _timed(variant: Any, b: jax.Array, tau: float, sigma: float, count: int) -> Callable[[], None]:
    def run() -> None:
        variant(b, WEIGHT, tau, sigma, count).block_until_ready()

    return run


def main() -> None:
    """Measure, print, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--count", type=int, default=500)
    options = parser.parse_args()
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    result = measure(options.size, options.rounds, options.count, TARGET.parent)
    result["machine"] = {**describe(2), "cores": os.cpu_count()}
    TARGET.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
