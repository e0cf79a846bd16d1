"""The second promise, method by method, in one process: whatever happens between two iterations changes no bit.

All that one process hands to the next one passes through a checkpoint. So it is enough that the loop may be cut
anywhere, that a state comes back from the volume as it was, and that the loop goes on with it as if nothing had been.
"""

import shutil
from functools import partial
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowengine.loop import Carry
from flowengine.run import leaves, opening
from flowengine.run.warm import warm_point
from flowengine.store import Lineage, SaveMeta
from kit.manifests import EVERY_METHOD, write_flow
from kit.memory import in_memory
from kit.requests import request_of

LIMIT = 430  # a certificate every ten: number 40, which looks at everything again, and what counts from burn-in on
HAPPENINGS = st.sampled_from(["chunk", "save", "stop", "kill"])
STORIES = st.lists(st.tuples(st.integers(1, 130), HAPPENINGS), max_size=9)


def exactly(carry: Carry) -> dict:
    """Every array of a carry, to the bit, and what else a checkpoint knows of it."""
    return {
        name: (leaf.array.dtype, leaf.array.shape, leaf.array.tobytes(), leaf.kind, leaf.weak_type, leaf.impl)
        for name, leaf in leaves.to_leaves(carry).items()
    }


class Flow:
    """A flow that is compiled once, and lives as often as wanted."""

    def __init__(self, folder, template: str, dtype: str) -> None:
        manifest = write_flow(folder / "flow", template, dtype=dtype, limit=LIMIT)
        self.request = request_of(manifest, folder / "root")
        self.compiled, self.program = opening.load(self.request)

    def life(self, story) -> Carry:
        """Where it ends. A kill loses what came after the last save; a stop, as a save, loses nothing."""
        shutil.rmtree(self.request.root, ignore_errors=True)
        run = opening.resume(self.request, self.compiled, self.program)
        try:
            carry, saved = run.carry, exactly(run.carry)
            for steps, what in story:
                carry = self.program(carry, int(carry.k) + steps)
                if what in {"save", "stop"}:
                    saved = exactly(carry)
                    self.save(run, carry)
                if what in {"stop", "kill"}:
                    run.store.close()
                    run = opening.resume(self.request, self.compiled, self.program)
                    carry = run.carry
                    assert run.bit_identical
                    assert exactly(carry) == saved
            carry = self.program(carry, LIMIT)
        finally:
            run.store.close()
        assert int(carry.k) == LIMIT
        return carry

    def save(self, run: opening.Opened, carry: Carry) -> None:
        lineage = Lineage(revision=self.request.revision.hash, attempt=0, problem_digest=self.compiled.digest)
        run.store.save(int(carry.k), leaves.to_leaves(carry), SaveMeta(lineage, env=run.env))

    def continued(self, carry: Carry):
        """Where another revision of the same variables would start from a checkpoint of this state."""
        checkpoint = SimpleNamespace(leaves=leaves.to_leaves(carry))
        return warm_point(checkpoint, self.request.revision.tuple.flow, self.compiled.problem)


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.thorough)])
@pytest.mark.parametrize("method", EVERY_METHOD)
def test_no_chunk_save_stop_or_kill_changes_a_bit(tmp_path, method, dtype) -> None:
    """And another revision would go on from the point that was reached."""
    with in_memory(tmp_path) as folder:
        flow = Flow(folder, EVERY_METHOD[method][0], dtype)
        whole = flow.life([])
        bits = exactly(whole)

        @given(STORIES)
        def lives(story) -> None:
            assert exactly(flow.life(story)) == bits

        lives()
        story = [(1, "kill"), *[(k, what) for k in (7, 50, 113) for what in ("stop", "chunk", "kill")]]
        assert exactly(flow.life(story)) == bits
        near = partial(np.allclose, rtol=1e-5, atol=1e-6)  # on a manifold: the nearest point of it
        assert jax.tree.all(jax.tree.map(near, flow.continued(whole), flow.compiled.choice.method.point(whole.state)))
