"""Other policies are tried on a person's machine alone, and only where a limit came before the accuracy asked for."""

from types import SimpleNamespace

import pytest

from flowapi.flow import Stop
from flowengine.run.ending import is_tried


@pytest.mark.parametrize(
    ("attempt", "reason", "stop", "tries"),
    [
        (0, "IterationLimit", {"residual": 1e-6}, True),
        (0, "TimeLimit", {"gap": 1e-6}, True),
        (3, "IterationLimit", {"residual": 1e-6}, False),
        (0, "Converged", {"residual": 1e-6}, False),
        (0, "IterationLimit", {"maxIterations": 7}, False),
    ],
)
def test_when_other_policies_are_tried(attempt, reason, stop, tries):
    request = SimpleNamespace(attempt=attempt, settings=SimpleNamespace(stop=Stop.model_validate(stop)))
    assert is_tried(request, reason) == tries
