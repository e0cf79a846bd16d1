"""Flows of other kinds than a convex energy: a variable on a manifold, and an iteration that a user wrote."""

from typing import Any

import numpy as np
import pytest

from kit.denoise import config_map

MATRIX = [[2.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 4.0]]
WALK = """
import jax
import jax.numpy as jnp


class Walk:
    '''A walk drawn to 0: x ← (1 − rate) x + noise.'''

    def __init__(self, rate):
        self.rate = rate

    def init(self, key):
        return {"x": jnp.zeros((128, 128)), "key": jax.random.key_data(key), "k": jnp.zeros((), jnp.int64)}

    def step(self, state):
        key = jax.random.fold_in(jax.random.wrap_key_data(state["key"]), state["k"])
        noise = jax.random.normal(key, state["x"].shape)
        return {**state, "x": (1 - self.rate) * state["x"] + noise, "k": state["k"] + 1}

    def residual(self, state):
        return jnp.ones(())

    def point(self, state):
        return state["x"]


def build(data, params):
    return Walk(params["rate"])
"""
EVERY = 1000
LENGTH = 30_000


def eigenvector() -> dict[str, Any]:
    """½xᵀPx on the sphere, least at an eigenvector of P's least eigenvalue."""
    return {
        "flow": {
            "data": {"P": {"inline": MATRIX}},
            "variables": {"x": {"shape": [3], "init": 1, "manifold": "sphere"}},
            "terms": [{"atom": "quadratic_form", "arg": "x", "matrix": "P"}],
            "stop": {"maxIterations": 100_000, "residual": 1e-9},
        },
        "checkpoint": {"volume": {"size": "1Gi"}},
    }


def walk() -> dict[str, Any]:
    """An entry point whose module comes from a config map."""
    return {
        "flow": {"entrypoint": "walk:build", "params": {"rate": 0.01}, "stop": {"maxIterations": LENGTH}},
        "inputs": [{"name": "code", "configMapName": "code"}],
        "engine": {"env": [{"name": "PYTHONPATH", "value": "/inputs/code"}]},
        "checkpoint": {"everyIterations": EVERY, "everySeconds": 0, "volume": {"size": "1Gi"}},
    }


@pytest.mark.thorough
def test_a_variable_stays_on_its_manifold(flow, tmp_path):
    flow.apply(eigenvector())
    status = flow.phase("Completed")
    assert status["result"]["reason"] == "Converged"
    x = np.load(flow.copy(tmp_path) / status["result"]["path"] / "x.npy")
    values, vectors = np.linalg.eigh(MATRIX)
    np.testing.assert_allclose(status["result"]["energy"], values[0] / 2, rtol=1e-9)
    np.testing.assert_allclose(abs(x @ vectors[:, 0]), 1, rtol=1e-9)


@pytest.mark.thorough
def test_an_iteration_of_the_users_survives_an_eviction(cluster, namespace, flow, reference):
    cluster.apply([config_map("code", {"walk.py": WALK.encode()})], namespace)
    whole = reference(walk())
    flow.apply(walk())
    flow.beyond(EVERY)
    flow.evict()
    status = flow.phase("Completed")
    assert status["recoveries"]["evictions"] == 1
    assert status["recoveries"]["lostIterations"] == 0
    assert set(status["result"]["sha256"]) == {"x"}
    assert status["result"]["sha256"]["x"] == whole
