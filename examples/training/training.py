"""A small neural network trained with Optax: the entry point of training.yaml."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

State = dict[str, Any]


class Training:
    """Logistic loss of a network with one hidden layer, by Adam."""

    def __init__(self, points: jax.Array, labels: jax.Array, rate: float) -> None:
        self.points, self.labels, self.rule = jnp.c_[points, jnp.ones(len(points))], labels, optax.adam(rate)

    def init(self, key: jax.Array) -> State:
        """Random weights, and what Adam remembers."""
        hidden, output = jax.random.split(key)
        network = {"hidden": 2 * jax.random.normal(hidden, (3, 40)), "output": jax.random.normal(output, (40,)) / 6}
        return {"network": network, "rule": self.rule.init(network)}

    def step(self, state: State) -> State:
        """One step of Adam."""
        updates, rule = self.rule.update(jax.grad(self.loss)(state["network"]), state["rule"])
        return {"network": optax.apply_updates(state["network"], updates), "rule": rule}

    def loss(self, network: State) -> jax.Array:
        """Mean logistic loss, and a little weight decay."""
        scores = jnp.tanh(self.points @ network["hidden"]) @ network["output"]
        return jnp.mean(jax.nn.softplus(-self.labels * scores)) + 1e-4 * jnp.sum(network["output"] ** 2)

    def residual(self, state: State) -> Any:
        """The length of the gradient."""
        return optax.tree.norm(jax.grad(self.loss)(state["network"]))

    def energy(self, state: State) -> jax.Array:
        """The loss."""
        return self.loss(state["network"])

    def point(self, state: State) -> Any:
        """The weights, which are written as the result."""
        return state["network"]


def build(data: Mapping[str, np.ndarray], params: Mapping[str, float]) -> Training:
    """The iteration for these data and numbers: jax differentiates, Optax steps, the engine does the rest."""
    table = jnp.asarray(data["spirals"])
    return Training(table[:, :2], table[:, 2], params["rate"])
