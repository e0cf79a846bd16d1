import numpy as np
import pytest

DRAWS = [0, *(pytest.param(draw, marks=pytest.mark.thorough) for draw in range(1, 9))]


@pytest.fixture(params=DRAWS, ids=lambda draw: f"draw {draw}")
def draw(request):
    """A generator of points for the laws: one draw of many points, and more of them in the thorough run."""
    return np.random.default_rng([41, request.param])
