"""Runs kinds of flows on a mesh of two devices and writes where each arrives: `mesh.py FOLDER KIND...`.

A process of its own, for the number of devices is set before jax starts.
"""

import json
import os
import sys
from pathlib import Path

os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"

from kit import programs

programs.keep()

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from kit.kinds import flow_of
from kit.solving import carry_of, go


def spread(tree, mesh):
    """Every array whose first axis two devices can share is shared, all others are on both."""

    def place(leaf):
        shared = leaf.ndim > 0 and leaf.shape[0] % 2 == 0 and leaf.shape[0] > 2
        return jax.device_put(leaf, NamedSharding(mesh, PartitionSpec("rows") if shared else PartitionSpec()))

    return jax.tree.map(place, tree)


def main(folder: Path, kinds: list[str]) -> None:
    mesh = Mesh(np.array(jax.devices()), ("rows",))
    for kind in kinds:
        flow = flow_of(kind, maxIterations=40)
        carry = spread(carry_of(flow), mesh)
        end = go(type(flow)(**{**vars(flow), "problem": spread(flow.problem, mesh)}), carry, 40)
        leaves = jax.tree.leaves(flow.choice.method.point(end.state))
        np.savez(folder / f"{kind}.npz", *[np.asarray(leaf) for leaf in leaves])
        split = sum(not leaf.sharding.is_fully_replicated for leaf in jax.tree.leaves(end.state))
        (folder / f"{kind}.json").write_text(json.dumps(split))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
