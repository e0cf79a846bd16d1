"""`factors`: a sample that counts twice is as good as two of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flowapi.errors import DataError
from flowengine.steps import energy_of
from kit.solving import compiled, document

TIMES = np.array([1, 0, 3, 2])
LABELS = {
    "huber": [0.3, -2, 1.5, 0.1], "logistic": [1, -1, -1, 1], "hinge": [1, -1, -1, 1], "pinball": [0.3, -2, 1.5, 0.1],
    "cross_entropy": [0, 2, 1, 2],
}  # fmt: skip


@pytest.mark.parametrize("atom", LABELS)
def test_factors_count_samples_as_if_they_were_repeated(atom) -> None:
    rng = np.random.default_rng(0)
    classes = 3 if atom == "cross_entropy" else 1
    rows, x = rng.standard_normal((4, 2)), jnp.asarray(rng.standard_normal((2, classes)))
    data = np.array(LABELS[atom], float)

    def of(rows, data, **more):
        shaped = data if classes > 1 else data[:, None]
        arrays = {"A": rows, "d": shaped} | {
            key: value if classes > 1 else value[:, None] for key, value in more.items()
        }
        term = {"atom": atom, "arg": "A x", "data": "d", "weight": 0.7} | ({"factors": "w"} if more else {})
        flow = compiled(document(
            arrays, variables={"x": {"shape": [2, classes]}}, operators={"A": {"matrix": {"matrix": "A", "apply": "left"}}},
            terms=[term, {"atom": "tikhonov", "arg": "x"}], stop={"maxIterations": 10},
        ))  # fmt: skip
        return jax.value_and_grad(lambda at: energy_of(flow.problem, at))(x)

    weighted = of(rows, data, w=TIMES.astype(float))
    repeated = of(np.repeat(rows, TIMES, axis=0), np.repeat(data, TIMES))
    assert np.allclose(weighted[0], repeated[0])
    assert np.allclose(weighted[1], repeated[1])
    with pytest.raises(DataError, match="the least number is -1"):
        of(rows, data, w=np.array([1.0, -1, 0, 0]))
