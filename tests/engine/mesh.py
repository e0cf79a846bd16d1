"""Every method on a mesh of two devices, run as a process of its own: prints how far each is from one device."""

import json
import os
import sys

os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"

from kit import programs

programs.keep()

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from kit.solving import carry_of, compiled, document, go

RNG = np.random.default_rng(0)
B, K, A = RNG.random((16, 12)), RNG.random((3, 3)) / 9, RNG.standard_normal((40, 192))
DATA = {"b": B, "k": K, "A": A, "y": RNG.standard_normal(40)}
OPERATORS = {"K": {"conv": {"kernel": "k"}}, "A": {"matrix": "A"}}
FIT, SPARSE = {"atom": "quadratic", "arg": "K x", "data": "b"}, {"atom": "l1", "arg": "x", "weight": 0.01}
PERIODIC = {"atom": "tv", "arg": "x", "weight": 0.01, "boundary": "periodic"}
FLAT = {"atom": "tv", "arg": "x", "weight": 0.05}
SMOOTH = [{"atom": "quadratic", "arg": "x", "data": "b"}, {"atom": "gradient", "arg": "x", "weight": 0.5}]
CHAINS = {"x": {"like": "b", "chains": 4}}
TWO = {"u": {"shape": [16, 2], "init": 0.5, "spread": 0.1}, "v": {"shape": [12, 2], "init": 0.5, "spread": 0.1}}
FLOWS = {
    "pg": ([FIT, SPARSE], {}, {}),
    "fista": ([FIT, SPARSE], {"family": "accelerated"}, {}),
    "pd3o": ([FIT, FLAT, {"atom": "box", "arg": "x", "lo": 0, "hi": 1}], {"algorithm": "pd3o"}, {}),
    "admm": ([FIT, PERIODIC], {"algorithm": "admm"}, {}),
    "admm exact": ([FIT, FLAT, {"atom": "box", "arg": "x", "lo": 0, "hi": 1}], {"algorithm": "admm"}, {}),
    "admm anchored": ([{"atom": "l1", "arg": "K x", "data": "b"}, SPARSE], {"algorithm": "admm"}, {}),
    "pd3o anchored": ([{"atom": "l1", "arg": "K x", "data": "b"}, SPARSE], {"algorithm": "pd3o"}, {}),
    "admm cosine": ([{"atom": "quadratic", "arg": "x", "data": "b"}, FLAT], {"algorithm": "admm"}, {}),
    "palm": (
        [{"atom": "low_rank", "arg": "u", "with": "v", "data": "b"}, {"atom": "nonnegative", "arg": "u"}],
        {},
        TWO,
    ),
    "rgd": (
        [{"atom": "low_rank", "arg": "u", "with": "v", "data": "b"}],
        {},
        {**TWO, "u": {"shape": [16, 2], "manifold": "stiefel", "spread": 1}},
    ),
    "ula": (SMOOTH, {"algorithm": "ula"}, CHAINS),
    "mala": (SMOOTH, {"algorithm": "mala"}, CHAINS),
    "myula": ([*SMOOTH, FLAT], {"algorithm": "myula"}, CHAINS),
    "leapfrog": (SMOOTH, {"algorithm": "leapfrog"}, CHAINS),
    "hmc": (SMOOTH, {"algorithm": "hmc", "trajectory": 3}, CHAINS),
}


def spread(tree, mesh):
    """Every array whose first axis two devices can share is shared, all others are on both."""

    def place(leaf):
        shared = leaf.ndim > 0 and leaf.shape[0] % 2 == 0 and leaf.shape[0] > 2
        return jax.device_put(leaf, NamedSharding(mesh, PartitionSpec("rows") if shared else PartitionSpec()))

    return jax.tree.map(place, tree)


def main() -> None:
    mesh, found = Mesh(np.array(jax.devices()), ("rows",)), {}
    for name, (terms, policy, variables) in FLOWS.items():
        doc = document(
            DATA, variables=variables or {"x": {"like": "b"}}, operators=OPERATORS, terms=terms, policy=policy,
            certificates={"every": 10}, stop={"maxIterations": 40},
        )  # fmt: skip
        flow = compiled(doc)
        alone = go(flow, carry_of(flow), 40)
        shared = spread(carry_of(flow), mesh)
        together = go(type(flow)(**{**vars(flow), "problem": spread(flow.problem, mesh)}), shared, 40)
        points = [jax.tree.leaves(flow.choice.method.point(one.state)) for one in (alone, together)]
        away = max(float(jnp.max(jnp.abs(np.asarray(a) - np.asarray(b)))) for a, b in zip(*points, strict=True))
        split = [leaf for leaf in jax.tree.leaves(together.state) if not leaf.sharding.is_fully_replicated]
        found[name] = {"method": flow.choice.method.name, "away": away, "split": len(split)}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
