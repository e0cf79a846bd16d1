"""The engine with its defaults on (certificates, telemetry rows, gates), and hand-written JAX beside it."""

from __future__ import annotations

from flowengine.run.environment import describe, settings
from flowengine.run.platform import prepare

prepare(2)

import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flows import POLICIES, document, first_policy, leave
from problems import Problem, tv_denoise
from solver import Offer
from variants import FISTA, VARIANTS

from flowapi.flow import FlowDocument
from flowengine.compiler import compile_flow, stops_of
from flowengine.loop import Carry, LoopSettings, advance, run_key, start

BARE, NEVER = "engine without certificates", 10**9


class Ours:
    """The compiled loop, as a run drives it."""

    def __init__(self, problem: Problem, policy: dict[str, Any], every: int | None = None) -> None:
        with tempfile.TemporaryDirectory(prefix="cflow-bench-") as folder:
            leave(problem, Path(folder))
            parsed = FlowDocument.parse(document(problem, policy))
            flow = compile_flow(parsed, Path(folder))
        self.flow = replace(flow, settings=replace(flow.settings, every=every)) if every else flow
        self.stops = stops_of(parsed.stop, parsed.dtype)
        self.reset()

    @property
    def granule(self) -> int:
        """The iterations in which every kind of certificate comes."""
        return self.flow.settings.every * self.flow.settings.rare

    @property
    def steps(self) -> dict[str, float]:
        """For loops that do the same iteration."""
        hypers = self.flow.choice.hypers
        return {"tau": float(hypers.tau), "sigma": float(hypers.sigma[0]) if hypers.sigma else 0.0}

    def reset(self) -> None:
        choice = self.flow.choice
        self.carry = start(self.flow.problem, choice.method, choice.hypers, self.flow.settings, run_key(0, "0" * 10))

    def run(self, count: int) -> None:
        self.carry = self._advance(jnp.asarray(int(self.carry.k) + count))
        self.carry.ring.block_until_ready()

    def point(self) -> np.ndarray:
        return np.asarray(self.flow.choice.method.point(self.carry.state))

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
        """Fusions and copies in the compiled loop of bare steps: the innermost with the fewest."""
        lowered = advance.lower(
            self.flow.problem, self.carry, self.stops, jnp.asarray(0), method=self.flow.choice.method,
            settings=self.flow.settings,
        )  # fmt: skip
        text = lowered.compile().as_text() or ""
        loops = set(re.findall(r"body=%([\w.-]+)", text))
        parts = [part.lstrip() for part in re.split(r"\n(?=%|ENTRY)", text)]
        bodies = [part for part in parts if part[1:].split(" ", 1)[0] in loops and " while(" not in part]
        steps = [body for body in bodies if " fusion(" in body]
        inner = min(steps, key=lambda body: body.count(" fusion("), default="")
        return {"fusions": inner.count(" fusion("), "copies": inner.count(" copy(")}


class HandWritten:
    """A loop of `variants.py`; its number of iterations is compiled in, and it starts at the data each time."""

    def __init__(self, problem: Problem, name: str) -> None:
        numbers, self.b = problem.numbers, jnp.asarray(problem.arrays["b"])
        self.loop: Callable[[int], jax.Array]
        if problem.kind == "tv-denoise":
            steps = numbers["weight"], numbers["tau"], numbers["sigma"]
            self.loop = lambda count: VARIANTS[name](self.b, *steps, count)
        else:
            smooth = numbers["weight"], numbers["delta"], numbers["tau"]
            self.loop = lambda count: FISTA[name](self.b, *smooth, count)
        self.x = self.b

    def reset(self) -> None:
        self.x = self.b

    def run(self, count: int) -> None:
        self.x = self.loop(count).block_until_ready()

    def point(self) -> np.ndarray:
        return np.asarray(self.x)


def offers(problem: Problem) -> list[Offer]:
    """The engine by its policies; hand-written loops where there are some and their steps are known."""
    found = []
    for setting, policy in POLICIES[problem.kind].items():
        granule = FlowDocument.parse(document(problem, policy)).certificates.every * LoopSettings.rare
        found.append(Offer("engine", setting, lambda policy=policy: Ours(problem, policy), granule=granule))  # type: ignore[misc]
    loops = {"tv-denoise": VARIANTS, "huber-denoise": FISTA}.get(problem.kind, {})
    if "tau" not in problem.numbers:
        return found
    bare = partial(Ours, problem, first_policy(problem), NEVER)
    found.append(Offer(BARE, "", bare))
    return found + [
        Offer("hand-written JAX", name, lambda name=name: HandWritten(problem, name), restarts=True)  # type: ignore[misc]
        for name in loops
    ]


def steps(problem: Problem) -> dict[str, float]:
    """The steps that the compiler chose."""
    return Ours(problem, first_policy(problem)).steps


def kernels(problem: Problem) -> dict[str, int]:
    """Kernels and copies of the inner loop."""
    return Ours(problem, first_policy(problem)).kernels()


def chosen(problem: Problem) -> dict[str, Any]:
    """Method and reasons."""
    choice = Ours(problem, first_policy(problem)).flow.choice
    return {"method": choice.method.name, "reasons": list(choice.reasons)}


def place(problem: Problem) -> dict[str, Any]:
    """Versions, flags and the kind of machine."""
    del problem
    return describe(2, settings())


def denoising(size: int) -> Ours:
    """The flow that `checkpoints.py` saves."""
    return Ours(tv_denoise(size), POLICIES["tv-denoise"]["pd3o"])
