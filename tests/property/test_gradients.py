"""Gradients of smooth atoms are those of automatic differentiation, and as steep as their bound says at most."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import wrightomega

from flowengine import atoms
from flowengine.arithmetic import dot
from flowengine.atoms.entropy import wright_omega
from kit.atoms import LABELS, POSITIVE, SMOOTH, SPECTRAL, s
from kit.laws import over, points

GRADIENTS = SMOOTH | {"cross_entropy": atoms.CrossEntropy(s(0.7), LABELS)}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_and_their_lipschitz_constants(name, draw) -> None:
    atom = GRADIENTS[name]

    def laws(u, v):
        turned = atom.gradient(u) - atom.gradient(v)
        return atom.gradient(u) - jax.grad(atom.value)(u), dot(turned, turned), dot(u - v, u - v)

    u, v = points(draw), points(draw)
    if isinstance(atom, POSITIVE):
        u, v = jnp.abs(u) + 0.01, jnp.abs(v) + 0.01
    away, turned, moved = over(laws, u, v)
    assert np.abs(away).max() < 1e-9
    assert atom.lipschitz == np.inf or (np.sqrt(turned) <= atom.lipschitz * (1 + 1e-6) * np.sqrt(moved) + 1e-9).all()


def test_the_gradient_of_log_det(draw) -> None:
    atom = SPECTRAL["log_det"]
    many = points(draw, (4, 4))

    def laws(u):
        inside = u @ u.T + 0.1 * jnp.eye(4) + (u - u.T)
        sign, size = jnp.linalg.slogdet((inside + inside.T) / 2)
        gradients = atom.gradient(inside) - jax.grad(atom.value)(inside)
        return gradients, sign, atom.value(inside) + 0.7 * size, atom.value(-inside)

    away, sign, energy, outside = over(laws, many)
    assert np.abs(away).max() < 1e-9
    assert (sign == 1).all()
    assert np.abs(energy).max() < 1e-9
    assert (outside == np.inf).all()


def test_wrights_omega() -> None:
    x = np.concatenate([np.linspace(-30, 30, 601), [-700.0, 1.0, 1e2, 1e4, 1e6]])
    assert np.allclose(wright_omega(jnp.asarray(x)), wrightomega(x), rtol=1e-13)
