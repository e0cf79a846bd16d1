"""Solve a flow document in this process."""

import itertools
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from flowapi.flow import FlowDocument
from flowengine.compiler import compile_flow, stops_of
from flowengine.compiler.build import CompiledFlow
from flowengine.loop import Carry, Snapshot, advance, run_key, snapshot, start
from flowengine.methods import Sampler
from flowengine.run.statistics import statistics

FILES = tempfile.TemporaryDirectory(prefix="cflow-data-")
ENDLESS = 2**53
_numbers = itertools.count()


def document(data: Mapping[str, ArrayLike], **parts: Any) -> FlowDocument:
    """A flow with these arrays as its data."""
    sources = {}
    for name, value in data.items():
        path = f"{next(_numbers)}.npy"
        np.save(Path(FILES.name) / path, value if np.iscomplexobj(value) else np.asarray(value, np.float64))
        sources[name] = {"npy": path}
    return FlowDocument.parse({"data": sources, **parts})


def compiled(doc: FlowDocument) -> CompiledFlow:
    """The flow, ready to run."""
    return compile_flow(doc, Path(FILES.name))


def carry_of(flow: CompiledFlow, seed: int = 0) -> Carry:
    """Where its run starts."""
    choice, key = flow.choice, run_key(seed, "0123456789")
    carry: Carry = start(flow.problem, choice.method, choice.hypers, flow.settings, key)
    return carry


def go(flow: CompiledFlow, carry: Carry, until: int) -> Carry:
    """The run at iteration `until`, or where a stop rule of the document ended it before."""
    stops = stops_of(flow.document.stop, flow.problem.dtype)
    limit = jnp.asarray(until, jnp.int64)
    later: Carry = advance(flow.problem, carry, stops, limit, method=flow.choice.method, settings=flow.settings)
    return later


def solve(doc: FlowDocument) -> tuple[Any, Snapshot, CompiledFlow]:
    """The point, by variable where there are several, the last certificate, and the flow."""
    flow = compiled(doc)
    carry = go(flow, carry_of(flow), ENDLESS)
    return jax.tree.map(np.asarray, flow.choice.method.point(carry.state)), snapshot(carry), flow


def sampled(doc: FlowDocument) -> tuple[dict[str, np.ndarray], Snapshot]:
    """The outputs of a sampler, and the last certificate."""
    flow = compiled(doc)
    carry = go(flow, carry_of(flow), ENDLESS)
    assert isinstance(flow.choice.method, Sampler)
    return statistics(flow.choice.method, carry.state), snapshot(carry)


def state_bytes(carry: Any) -> list[bytes]:
    """The bits of all that is saved of a run, or of a part of it."""
    leaves = jax.tree.leaves(carry)
    return [
        np.asarray(jax.random.key_data(one) if jnp.issubdtype(one.dtype, jax.dtypes.prng_key) else one).tobytes()
        for one in leaves
    ]
