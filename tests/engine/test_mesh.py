"""The same flow on several devices: the step knows nothing of how its arrays lie."""

import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from kit.kinds import KINDS, flow_of
from kit.solving import carry_of, go


@pytest.mark.parametrize(
    "kinds",
    [["pg", "pd3o", "mala"], pytest.param(list(KINDS), marks=pytest.mark.thorough)],
    ids=["three kinds", "every kind"],
)
def test_two_devices_agree_with_one_within_rounding(kinds, tmp_path) -> None:
    subprocess.run([sys.executable, Path(__file__).with_name("mesh.py"), tmp_path, *kinds], check=True, timeout=600)
    for kind in kinds:
        flow = flow_of(kind, maxIterations=40)
        alone = jax.tree.leaves(flow.choice.method.point(go(flow, carry_of(flow), 40).state))
        with np.load(tmp_path / f"{kind}.npz") as together:
            away = max(np.abs(a - b).max() for a, b in zip(alone, together.values(), strict=True))
        assert json.loads((tmp_path / f"{kind}.json").read_text()) > 0, kind  # arrays were shared
        assert away < 1e-10, kind
