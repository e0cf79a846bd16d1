"""The compiled loop of one flow, loaded or compiled beside whatever else a start has to do."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from flowapi.frozen import frozen
from flowengine.compiler import CompiledFlow
from flowengine.loop import Carry, Stops, advance
from flowengine.problem import Problem
from flowengine.run import compile_cache
from flowengine.xla import placed


@frozen
class Program:
    """The loop for carries of one form.

    Attributes:
        problem: What it iterates on; without `init`, which a carry has.
        stops: The rules of now.
        form: The shapes of a carry.
        compiled: The program, once it is there.
    """

    problem: Problem
    stops: Stops
    form: Carry
    compiled: Future[Any]

    def __call__(self, carry: Carry, until: int) -> Carry:
        """As `advance`; waits for the program, and for the result."""
        after: Carry = self.compiled.result()(self.problem, carry, self.stops, placed(until, np.int64))
        after.k.block_until_ready()
        return after


def begin(flow: CompiledFlow, stops: Stops, form: Carry) -> Program:
    """Trace the loop now, and compile it in a thread: XLA does that, or loads it, without Python's lock.

    Args:
        flow: What is to run.
        stops: The rules of now.
        form: The shapes of its carry.
    """
    problem = replace(flow.problem, init=None)
    until = jax.ShapeDtypeStruct((), np.int64)
    pool = ThreadPoolExecutor(1, thread_name_prefix="compile")
    pool.submit(compile_cache.sweep)
    lowered = advance.lower(problem, form, stops, until, method=flow.choice.method, settings=flow.settings)
    compiled = pool.submit(lowered.compile)
    pool.shutdown(wait=False)
    return Program(problem, stops, form, compiled)
