"""What a flow will cost, and what would make it cheaper."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from flowapi.frozen import frozen
from flowengine.compiler.build import CompiledFlow
from flowengine.compiler.metric import UNEVEN, jacobi_steps, metric_hindrance
from flowengine.compiler.stops import FLOAT32_FLOOR
from flowengine.linops import Chain, Conv
from flowengine.loop import Carry, run_key, start
from flowengine.methods import AnchoredPD3O, External
from flowengine.problem import Hypers, Problem, Tree

QUICK_PRIMES = (2, 3, 5, 7, 11, 13)
BASE_MIB, STEP_MIB = 512, 64
FREQUENT = 10  # iterations between certificates below which they cost noticeably


@frozen
class Cost:
    """What one iteration takes, by the compiler's own count; None where it gives none.

    Attributes:
        flops: Floating-point operations.
        moved: Bytes read and written.
        temporaries: Bytes of memory beyond state and data.
        state: Bytes of what a checkpoint holds.
        data: Bytes of the problem's arrays.
    """

    flops: float | None
    moved: float | None
    temporaries: int | None
    state: int
    data: int


def cost(compiled: CompiledFlow) -> Cost:
    """Compile one iteration and ask what it takes; nothing is run."""
    problem, choice = compiled.problem, compiled.choice
    carry = _carry(compiled)

    def step(problem: Problem, hypers: Hypers, state: Tree) -> Tree:
        return choice.method.step(problem, hypers, state)

    program = jax.jit(step).lower(problem, choice.hypers, carry.state).compile()
    counted = program.cost_analysis() or {}
    memory = program.memory_analysis()
    return Cost(
        flops=counted.get("flops"),
        moved=counted.get("bytes accessed"),
        temporaries=memory.temp_size_in_bytes if memory is not None else None,
        state=_bytes(carry),
        data=_bytes(problem),
    )


def _carry(compiled: CompiledFlow) -> Carry:
    """Shapes and types of all that a run carries from one iteration to the next."""
    choice = compiled.choice
    found: Carry = jax.eval_shape(
        lambda: start(compiled.problem, choice.method, choice.hypers, compiled.settings, run_key(0, "0" * 10))
    )
    return found


def memory(compiled: CompiledFlow) -> int:
    """MiB that a run may take, a guess on the safe side; nothing is compiled.

    A process without data takes 400 MiB, which compiling can make 500. Data and state count three times: as they are,
    as temporaries, and as they are loaded or saved.
    """
    needed = BASE_MIB + 3 * (_bytes(compiled.problem) + _bytes(_carry(compiled))) / 2**20
    return math.ceil(needed / STEP_MIB) * STEP_MIB


def advice(compiled: CompiledFlow) -> list[str]:
    """What would make it faster, one sentence each."""
    document, problem, choice = compiled.document, compiled.problem, compiled.choice
    if isinstance(choice.method, External):
        return []
    found = fewer_iterations(compiled)
    anchored = isinstance(choice.method, AnchoredPD3O)  # which float32 is not
    if document.dtype == "float64" and not (_demanding(compiled) or document.policy.samples or anchored):
        found.append("`dtype: float32` moves half the bytes; its residual reaches about 1e-6.")
    if document.certificates.every < FREQUENT:
        found.append(
            f"`certificates: {{every: {FREQUENT}}}`: at {document.certificates.every} they cost a part of the time."
        )
    for term in (*problem.smooth, *problem.dual):
        for conv in _convolutions(term.operator):
            slow = [n for n in conv.padded if not _quick(n)]
            if slow:
                sizes = ", ".join(map(str, slow))
                found.append(f"{term.path}: Fourier transforms of {sizes} are slow; sizes of small factors are quick.")
    return found


def fewer_iterations(compiled: CompiledFlow) -> list[str]:
    """What would let the method arrive sooner, one sentence each."""
    found = []
    if compiled.choice.method.name == "pg" and compiled.problem.convex:
        found.append("`policy: {algorithm: fista}` adds momentum: often a third of the iterations.")
    if _uneven(compiled):
        found.append("`policy: {preconditioner: jacobi}`: the entries' curvatures differ much, so one step serves few.")
    return found


def _uneven(compiled: CompiledFlow) -> bool:
    """Whether most entries could take a step far longer than the common one."""
    problem, hypers = compiled.problem, compiled.choice.hypers
    common = not isinstance(hypers.tau, dict) and not hypers.tau.ndim
    if compiled.choice.method.name not in ("pg", "fista") or metric_hindrance(problem) or not common:
        return False
    steps, _ = ravel_pytree(jacobi_steps(problem))
    return float(jnp.median(steps)) > UNEVEN * float(hypers.tau)


def _demanding(compiled: CompiledFlow) -> bool:
    stop = compiled.document.stop
    thresholds = (stop.residual, stop.gap, stop.relative_change)
    return any(value is not None and value < FLOAT32_FLOOR for value in thresholds)


def _convolutions(operator: Tree) -> list[Conv]:
    parts = operator.operators if isinstance(operator, Chain) else (operator,)
    return [one for one in parts if isinstance(one, Conv)]


def _quick(n: int) -> bool:
    """Whether a transform of this size is a product of short ones."""
    for prime in QUICK_PRIMES:
        while n % prime == 0:
            n //= prime
    return n == 1


def _bytes(tree: Tree) -> int:
    total = 0
    for leaf in jax.tree.leaves(tree):
        size = leaf.dtype.itemsize if hasattr(leaf.dtype, "itemsize") else np.dtype(np.uint32).itemsize * 2
        total += math.prod(leaf.shape) * size
    return total
