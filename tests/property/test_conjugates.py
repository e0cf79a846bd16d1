"""The conjugate of every atom: the inequality of Fenchel and Young, with equality at the pair that a prox gives."""

import jax.numpy as jnp
import numpy as np
import pytest

from flowengine import atoms
from flowengine.arithmetic import dot
from flowengine.atoms import merge
from kit.atoms import ATOMS, LABELS, SPECTRAL, s
from kit.laws import over, points, steps

FINITE = [name for name in ATOMS if getattr(ATOMS[name], "dual_domain", "part") == "whole"]
BALLS = [name for name in ATOMS if ATOMS[name].dual_domain == "ball"]


def pairs(atom, u, v, step):
    """What each of ψ(z) + ψ*(y) and ⟨y, z⟩ is, where they are equal, and where the first may be more."""
    z, other = atom.prox(u, step), atom.prox(v, step)
    y = (u - z) / step
    dual = atom.conjugate(y)
    return atom.value(z) + dual, dot(y, z), atom.value(other) + dual, dot(y, other)


@pytest.mark.parametrize("name", ATOMS | SPECTRAL)
def test_fenchel_and_young(name, draw) -> None:
    """ψ(z) + ψ*(y) ≥ ⟨y, z⟩ on the domains, with equality at a prox pair."""
    atom, shape = (SPECTRAL[name], (4, 4)) if name in SPECTRAL else (ATOMS[name], (3, 4))
    many = points(draw, shape), points(draw, shape), steps(draw)
    both, product, above, below = over(lambda *one: pairs(atom, *one), *many)
    assert np.allclose(both, product, rtol=1e-8, atol=1e-7)
    assert (above - below).min() >= -1e-7


@pytest.mark.parametrize("name", FINITE)
def test_a_conjugate_that_is_said_to_be_finite_is_so_and_bounds(name, draw) -> None:
    def both(y, v, step):
        z = ATOMS[name].prox(v, step)
        return ATOMS[name].conjugate(y), ATOMS[name].value(z) + ATOMS[name].conjugate(y) - dot(y, z)

    dual, slack = over(both, points(draw), points(draw), steps(draw))
    assert np.isfinite(dual).all()
    assert slack.min() >= -1e-7


@pytest.mark.parametrize("name", BALLS)
def test_a_point_shrunk_to_the_ball_bounds(name, draw) -> None:
    atom = ATOMS[name]
    whole = atom if isinstance(atom, atoms.Merged) else merge([atom])

    def laws(y, v, step):
        z, y = atom.prox(v, step), whole.shrink(y) * y
        return whole.value(z) + whole.conjugate(y) - dot(y, z), whole.shrink(0.999 * y)

    slack, again = over(laws, points(draw), points(draw), steps(draw))
    assert slack.min() >= -1e-7
    assert (again == 1).all()


def test_the_conjugate_of_cross_entropy(draw) -> None:
    atom = atoms.CrossEntropy(s(0.7), LABELS)

    def laws(u, v):
        y = atom.gradient(u)
        return atom.value(u) + atom.conjugate(y) - dot(y, u), atom.value(v) + atom.conjugate(y) - dot(y, v)

    equal, slack = over(laws, points(draw), points(draw))
    assert np.abs(equal).max() < 1e-9
    assert slack.min() >= -1e-9
    assert jnp.isfinite(slack).all()
