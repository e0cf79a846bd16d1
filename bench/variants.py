"""Hand-written JAX loops, the yardstick of `bench/engine.py`: the same iteration as the engine's, stored differently.

`VARIANTS`: min_x ½‖x − b‖² + λ Σ‖(Dx)ᵢ‖₂ with forward differences and Neumann boundary, by Chambolle and Pock:

    y ← proj(y + σD(2x − x₋)),  x ← (x − τDᵀy + τb)/(1 + τ).

`FISTA`: min_x ½‖x − b‖² + λ Σ h(Dx) over [0, 1], h Huber's function with δ, restarted where ⟨y − x⁺, x⁺ − x⟩ > 0:

    x⁺ = clip(y − τ(y − b + λDᵀclip(Dy, ±δ))),  y⁺ = x⁺ + (t − 1)/t⁺ · (x⁺ − x).

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


def _adjoint_by_select(y: Array, axis: int) -> Array:
    """The same, the last row left out by a select: one pad's branch less, and XLA's loop is vectorised."""
    inner = y[:-1] if axis == 0 else y[:, :-1]
    keep = lax.broadcast_in_dim(jnp.arange(y.shape[axis]) < y.shape[axis] - 1, y.shape, (axis,))
    return jnp.pad(inner, [(1, 0) if i == axis else (0, 0) for i in range(2)]) - jnp.where(keep, y, 0)


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


def _paired(*, packed: bool, adjoint: Callable[[Array, int], Array] = _adjoint) -> Runner:
    """The last two points in one complex array, which is written in place: no copy is left."""

    @partial(jax.jit, static_argnums=4)
    def run(b: Array, lam: float, tau: float, sigma: float, count: int) -> Array:
        def step(_: int, carry: tuple[Array, ...]) -> tuple[Array, ...]:
            points, *y = carry
            x, over = points.real, 2 * points.real - points.imag
            u, v = (y[0].real, y[0].imag) if packed else y
            u, v = u + sigma * _dx(over, 0), v + sigma * _dx(over, 1)
            shrink = jnp.minimum(1, lam / jnp.sqrt(jnp.maximum(u * u + v * v, 1e-30)))
            u, v = u * shrink, v * shrink
            y = list(lax.optimization_barrier((lax.complex(u, v),) if packed else (u, v)))
            u, v = (y[0].real, y[0].imag) if packed else y
            new = (x - tau * (adjoint(u, 0) + adjoint(v, 1)) + tau * b) / (1 + tau)
            return lax.complex(new, x), *y

        zero = jnp.zeros_like(b)
        dual = (lax.complex(zero, zero),) if packed else (zero, zero)
        result: Array = lax.fori_loop(0, count, step, (lax.complex(b, b), *dual))[0].real
        return result

    return run


VARIANTS: dict[str, Runner] = {
    "pad, two arrays": _tuple(_dx),
    "roll and mask, two arrays": _tuple(_dx_roll),
    "one stacked array": _stacked,
    "packed": _packed(barrier=False),
    "packed, barrier": _packed(barrier=True),
    "points paired, two arrays": _paired(packed=False),
    "points paired, packed": _paired(packed=True),
    "points paired, packed, select": _paired(packed=True, adjoint=_adjoint_by_select),
}


def _smooth_step(
    y: Array,
    b: Array,
    lam: float,
    delta: float,
    tau: float,
    difference: Callable[..., Array],
    adjoint: Callable[..., Array],
) -> Array:
    u, v = (jnp.clip(difference(y, axis), -delta, delta) for axis in range(2))
    return jnp.clip(y - tau * (y - b + lam * (adjoint(u, 0) + adjoint(v, 1))), 0, 1)


def _momentum(t: Array, y: Array, new: Array, x: Array) -> tuple[Array, Array]:
    t = jnp.where(jnp.sum((y - new) * (new - x)) > 0, 1, t)
    after = (1 + jnp.sqrt(1 + 4 * t * t)) / 2
    return (t - 1) / after, after


def _fista(
    difference: Callable[[Array, int], Array], *, barrier: bool, adjoint: Callable[[Array, int], Array] = _adjoint
) -> Runner:
    """The extrapolated point in the state."""

    @partial(jax.jit, static_argnums=4)
    def run(b: Array, lam: float, delta: float, tau: float, count: int) -> Array:
        def step(_: int, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            x, y, t = carry
            new = _smooth_step(y, b, lam, delta, tau, difference, adjoint)
            if barrier:
                new = lax.optimization_barrier(new)
            momentum, t = _momentum(t, y, new, x)
            return new, new + momentum * (new - x), t

        start = jnp.clip(b, 0, 1)
        result: Array = lax.fori_loop(0, count, step, (start, start, jnp.ones((), b.dtype)))[0]
        return result

    return run


def _fista_by_points(
    difference: Callable[[Array, int], Array], *, barrier: bool, adjoint: Callable[[Array, int], Array] = _adjoint
) -> Runner:
    """The last two points in the state, the extrapolated one made of them."""

    @partial(jax.jit, static_argnums=4)
    def run(b: Array, lam: float, delta: float, tau: float, count: int) -> Array:
        def step(_: int, carry: tuple[Array, ...]) -> tuple[Array, ...]:
            x, previous, momentum, t = carry
            y = x + momentum * (x - previous)
            if barrier:
                y = lax.optimization_barrier(y)
            new = _smooth_step(y, b, lam, delta, tau, difference, adjoint)
            return new, x, *_momentum(t, y, new, x)

        start, one = jnp.clip(b, 0, 1), jnp.ones((), b.dtype)
        result: Array = lax.fori_loop(0, count, step, (start, start, 0 * one, one))[0]
        return result

    return run


FISTA: dict[str, Runner] = {
    "pad": _fista(_dx, barrier=False),
    "pad, barrier": _fista(_dx, barrier=True),
    "roll and mask": _fista(_dx_roll, barrier=False),
    "two points": _fista_by_points(_dx, barrier=False),
    "two points, barrier": _fista_by_points(_dx, barrier=True),
    "pad, barrier, select": _fista(_dx, barrier=True, adjoint=_adjoint_by_select),
    "two points, barrier, select": _fista_by_points(_dx, barrier=True, adjoint=_adjoint_by_select),
}
