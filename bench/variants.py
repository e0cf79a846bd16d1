"""Hand-written JAX loops for TV denoising, the yardstick of `bench/engine.py`: the same iteration, stored differently.

min_x ½‖x − b‖² + λ Σ‖(Dx)ᵢ‖₂ with forward differences and Neumann boundary, by Chambolle and Pock's method:

    y ← proj(y + σD(2x − x₋)),  x ← (x − τDᵀy + τb)/(1 + τ).

No certificates, no telemetry, no checkpoints: what the bare arithmetic costs.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax

Runner = Callable[[Array, float, float, float, int], Array]


def _dx(x: Array, axis: int) -> Array:
    pad = [(0, 1) if i == axis else (0, 0) for i in range(2)]
    return jnp.pad(jnp.diff(x, axis=axis), pad)


def _dx_roll(x: Array, axis: int) -> Array:
    keep = (jnp.arange(x.shape[axis]) < x.shape[axis] - 1).astype(x.dtype)
    return (jnp.roll(x, -1, axis) - x) * (keep[:, None] if axis == 0 else keep[None, :])


def _adjoint(y: Array, axis: int) -> Array:
    inner = y[:-1] if axis == 0 else y[:, :-1]
    pads = [[(1, 0) if i == axis else (0, 0) for i in range(2)], [(0, 1) if i == axis else (0, 0) for i in range(2)]]
    return jnp.pad(inner, pads[0]) - jnp.pad(inner, pads[1])


def _tuple(step_dx: Callable[[Array, int], Array]) -> Runner:
    @partial(jax.jit, static_argnums=4)
    def run(b: Array, lam: float, tau: float, sigma: float, count: int) -> Array:
        def step(_: int, carry: tuple[Array, ...]) -> tuple[Array, ...]:
            x, over, u, v = carry
            u, v = u + sigma * step_dx(over, 0), v + sigma * step_dx(over, 1)
            shrink = jnp.minimum(1, lam / jnp.sqrt(jnp.maximum(u * u + v * v, 1e-30)))
            u, v = u * shrink, v * shrink
            new = (x - tau * (_adjoint(u, 0) + _adjoint(v, 1)) + tau * b) / (1 + tau)
            return new, 2 * new - x, u, v

        result: Array = lax.fori_loop(0, count, step, (b, b, jnp.zeros_like(b), jnp.zeros_like(b)))[0]
        return result

    return run


@partial(jax.jit, static_argnums=4)
def _stacked(b: Array, lam: float, tau: float, sigma: float, count: int) -> Array:
    def step(_: int, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        x, over, y = carry
        y = y + sigma * jnp.stack([_dx(over, 0), _dx(over, 1)])
        y = y * jnp.minimum(1, lam / jnp.sqrt(jnp.maximum(jnp.sum(y * y, axis=0), 1e-30)))
        new = (x - tau * (_adjoint(y[0], 0) + _adjoint(y[1], 1)) + tau * b) / (1 + tau)
        return new, 2 * new - x, y

    result: Array = lax.fori_loop(0, count, step, (b, b, jnp.zeros((2, *b.shape), b.dtype)))[0]
    return result


def _packed(*, barrier: bool) -> Runner:
    @partial(jax.jit, static_argnums=4)
    def run(b: Array, lam: float, tau: float, sigma: float, count: int) -> Array:
        def step(_: int, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            x, previous, y = carry
            over = 2 * x - previous
            y = y + sigma * lax.complex(_dx(over, 0), _dx(over, 1))
            y = y * jnp.minimum(1, lam / jnp.sqrt(jnp.maximum(y.real * y.real + y.imag * y.imag, 1e-30)))
            if barrier:
                y = lax.optimization_barrier(y)
            new = (x - tau * (_adjoint(y.real, 0) + _adjoint(y.imag, 1)) + tau * b) / (1 + tau)
            return new, x, y

        result: Array = lax.fori_loop(0, count, step, (b, b, lax.complex(jnp.zeros_like(b), jnp.zeros_like(b))))[0]
        return result

    return run


VARIANTS: dict[str, Runner] = {
    "pad, two arrays": _tuple(_dx),
    "roll and mask, two arrays": _tuple(_dx_roll),
    "one stacked array": _stacked,
    "packed": _packed(barrier=False),
    "packed, barrier": _packed(barrier=True),
}
