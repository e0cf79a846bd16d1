"""The flows under test: total-variation denoising of a small picture."""

import base64
import io
from typing import Any

import numpy as np

EVERY = 2000
LENGTH = 100_000
SIDE = 192


def spec(weight: float = 0.1, iterations: int = LENGTH, **more: Any) -> dict[str, Any]:
    """Total-variation denoising of a small picture, for a fixed number of iterations."""
    return {
        "flow": {
            "dtype": "float32",
            "data": {"b": {"npy": "picture/b.npy"}},
            "variables": {"x": {"like": "b"}},
            "operators": {"D": {"gradient": {}}},
            "terms": [
                {"atom": "quadratic", "arg": "x", "data": "b"},
                {"atom": "norm_l21", "arg": "D x", "weight": weight},
            ],
            "stop": {"maxIterations": iterations},
        },
        "inputs": [{"name": "picture", "configMapName": "picture"}],
        "checkpoint": {"everyIterations": EVERY, "everySeconds": 0, "volume": {"size": "1Gi"}},
        **more,
    }


def picture() -> np.ndarray:
    rng = np.random.default_rng(7)
    steps = np.kron(rng.uniform(size=(6, 6)), np.ones((SIDE // 6, SIDE // 6)))
    return (steps + 0.1 * rng.normal(size=(SIDE, SIDE))).astype(np.float32)


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def config_map(name: str, files: dict[str, bytes]) -> dict[str, Any]:
    data = {key: base64.b64encode(value).decode() for key, value in files.items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "binaryData": data}
