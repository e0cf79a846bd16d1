"""Solve a flow document in this process."""

import itertools
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from flowapi.flow import FlowDocument
from flowengine.compiler import compile_flow, stops_of
from flowengine.loop import advance, run_key, snapshot, start
from flowengine.run.statistics import statistics

FILES = tempfile.TemporaryDirectory(prefix="cflow-data-")
_numbers = itertools.count()


def document(data: dict, **parts) -> FlowDocument:
    """A flow over one variable with these arrays."""
    sources = {}
    for name, value in data.items():
        path = f"{next(_numbers)}.npy"
        np.save(Path(FILES.name) / path, value if np.iscomplexobj(value) else np.asarray(value, np.float64))
        sources[name] = {"npy": path}
    return FlowDocument.parse({"data": sources, **parts})


def compiled(doc: FlowDocument):
    return compile_flow(doc, Path(FILES.name))


def carry_of(flow, seed: int = 0):
    choice = flow.choice
    return start(flow.problem, choice.method, choice.hypers, flow.settings, run_key(seed, "0123456789"))


def go(flow, carry, until: int):
    return advance(
        flow.problem, carry, stops_of(flow.document.stop, flow.problem.dtype), jnp.asarray(until, jnp.int64),
        method=flow.choice.method, settings=flow.settings,
    )  # fmt: skip


def solve(doc: FlowDocument):
    """The point, by variable where there are several, and the last certificate."""
    flow = compiled(doc)
    carry = go(flow, carry_of(flow), 2**53)
    return jax.tree.map(np.asarray, flow.choice.method.point(carry.state)), snapshot(carry), flow


def sampled(doc: FlowDocument):
    """The outputs of a sampler, and the last certificate."""
    flow = compiled(doc)
    carry = go(flow, carry_of(flow), 2**53)
    return statistics(flow.choice.method, carry.state), snapshot(carry)


def state_bytes(carry) -> list[bytes]:
    leaves = jax.tree.leaves(carry)
    return [
        np.asarray(jax.random.key_data(one) if jnp.issubdtype(one.dtype, jax.dtypes.prng_key) else one).tobytes()
        for one in leaves
    ]
