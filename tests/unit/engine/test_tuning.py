"""Where a sampler's widths are set anew, and how bounds reflect."""

import jax.numpy as jnp
import numpy as np
import pytest

from flowengine.atoms import Interval
from flowengine.methods.tuning import windows


@pytest.mark.parametrize(
    ("warm", "ends"),
    [
        (10, ()),
        (100, (15, 90)),
        (150, (75, 100)),
        (1000, (75, 100, 150, 250, 450, 950)),
        (2000, (75, 100, 150, 250, 450, 850, 1950)),
    ],
)
def test_windows_double_and_the_last_takes_the_rest(warm, ends) -> None:
    """Stan's schedule."""
    assert windows(warm) == ends


@pytest.mark.parametrize(("lo", "hi"), [(0.0, np.inf), (-np.inf, 0.5), (-1.0, 0.5), (-np.inf, np.inf), (0.25, 0.25)])
def test_a_reflected_motion_stays_inside_and_leads_back(lo, hi) -> None:
    """From where it ends, with its momentum turned round, the same drift leads to where it began."""
    rng = np.random.default_rng(0)
    end = Interval(jnp.asarray(lo), jnp.asarray(hi))
    x = jnp.asarray(rng.uniform(max(lo, -2), min(hi, 2), 200))
    p = jnp.asarray(rng.normal(0, 4, 200))
    y, q = end.reflected(x + p, p)
    assert bool(((y >= lo) & (y <= hi)).all())
    assert np.allclose(np.abs(q), np.abs(p))
    back, turned = end.reflected(y - q, -q)
    assert np.allclose(back, x)
    if lo < hi:
        assert np.allclose(turned, -p)
