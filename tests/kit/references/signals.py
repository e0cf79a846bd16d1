"""Signals and pictures: trends, total variation, blur, frames, graphs; by CVXPY and scikit-image."""

from typing import Any

import numpy as np

from kit.references.recipe import Answer, Data, cvxpy, differences, least, lengths, recipe, total_variation


def _trend(b: np.ndarray, weight: float, second: Any, *, tolerance: float = 1e-10) -> dict[str, Any]:
    """½‖x − b‖² + weight ‖second · x‖₁."""
    cp = cvxpy()
    x = cp.Variable(len(b))
    energy = least(0.5 * cp.sum_squares(x - b) + weight * cp.norm1(second @ x), tolerance=tolerance)
    return {"energy": energy, "x": x.value}


def _second(n: int) -> np.ndarray:
    return np.diff(np.eye(n), 2, axis=0)


@recipe()
def trend() -> tuple[Data, Answer]:
    """Kim, Koh, Boyd and Gorinevsky, SIAM Review 51, 2009: piecewise linear fits."""
    rng = np.random.default_rng(11)
    b = np.interp(np.arange(60), [0, 20, 40, 59], [0, 6, -2, 5]) + 0.3 * rng.standard_normal(60)
    return {"b": b, "S": _second(60)}, lambda: _trend(b, 10, _second(60))


@recipe()
def long_trend() -> tuple[Data, Answer]:
    """As `trend`, of 300 points: second differences have a condition of 1e9."""
    b = np.cumsum(np.random.default_rng(25).standard_normal(300))
    return {"b": b, "S": _second(300)}, lambda: _trend(b, 100, _second(300), tolerance=1e-11)


@recipe()
def trend_with_ends() -> tuple[Data, Answer]:
    """As `trend`, with the first difference at both ends, as a Laplacian with Neumann borders has it."""
    t = np.arange(40.0)
    b = np.interp(t, [0, 12, 25, 39], [0, 6, 2, 9]) + 0.3 * np.random.default_rng(4).standard_normal(40)
    ends = np.zeros((2, 40))
    ends[0, :2], ends[1, -2:] = [-1, 1], [1, -1]
    return {"b": b}, lambda: _trend(b, 2, np.vstack([_second(40), ends]))


@recipe("neumann", "periodic")
def trend_of_a_series(boundary: str) -> tuple[Data, Answer]:
    """As `trend`, of 1,200 points."""
    from scipy import sparse

    rng, n = np.random.default_rng(27), 1_200
    b = np.interp(np.linspace(0, 1, n), [0, 0.3, 0.7, 1], [0, 6, -2, 0]) + rng.standard_normal(n)
    second = sparse.diags_array([np.ones(n - 1), -2 * np.ones(n), np.ones(n - 1)], offsets=[-1, 0, 1]).tolil()
    if boundary == "periodic":
        second[0, n - 1] = second[n - 1, 0] = 1
    else:
        second[0, 0] = second[n - 1, n - 1] = -1
    return {"b": b}, lambda: _trend(b, 50, second.tocsr(), tolerance=1e-11)


@recipe()
def trend_inside_a_series() -> tuple[Data, Answer]:
    """As `trend`, of 1,200 points."""
    rng, n = np.random.default_rng(27), 1_200
    b = np.interp(np.linspace(0, 1, n), [0, 0.3, 0.7, 1], [0, 6, -2, 0]) + rng.standard_normal(n)

    def answer() -> dict[str, Any]:
        from scipy import sparse

        second = sparse.diags_array([1.0, -2.0, 1.0], offsets=[0, 1, 2], shape=(n - 2, n))
        return _trend(b, 50, second.tocsr(), tolerance=1e-11)

    return {"b": b}, answer


@recipe()
def trend_of_a_quantile() -> tuple[Data, Answer]:
    """As `trend`, with the loss of Koenker and Bassett, Econometrica 46, 1978."""
    rng = np.random.default_rng(21)
    b = np.interp(np.linspace(0, 1, 80), [0, 0.3, 0.7, 1], [0, 6, -2, 5]) + rng.standard_normal(80)

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        z = cp.Variable(80)
        loss = cp.sum(cp.maximum(0.8 * (b - z), -0.2 * (b - z)))
        return {"energy": least(loss + 10 * cp.norm1(_second(80) @ z), tolerance=1e-11)}

    return {"b": b, "S": _second(80)}, answer


@recipe()
def robust_trend() -> tuple[Data, Answer]:
    """As `trend_with_ends`, of 400 points, with the loss of Huber, Annals of Mathematical Statistics 35, 1964."""
    rng = np.random.default_rng(61)
    b = 0.3 * np.cumsum(rng.standard_normal(400)) + 10 * (rng.random(400) < 0.05)

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        z = cp.Variable(400)
        ends = cp.abs(z[1] - z[0]) + cp.abs(z[-2] - z[-1])
        energy = cp.sum(cp.huber(z - b, 0.3)) / 2 + 5 * (cp.norm1(z[:-2] - 2 * z[1:-1] + z[2:]) + ends)
        return {"energy": least(energy), "x": z.value}

    return {"b": b}, answer


@recipe()
def denoised() -> tuple[Data, Answer]:
    """½‖x − b‖² + 0.2 TV(x): Rudin, Osher and Fatemi, Physica D 60, 1992."""
    b = np.random.default_rng(2).random((32, 32))

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        z = cp.Variable(b.shape)
        least(0.5 * cp.sum_squares(z - b) + 0.2 * total_variation(z))
        return {"x": z.value}

    return {"b": b}, answer


@recipe()
def denoised_by_projections() -> tuple[Data, Answer]:
    """As `denoised`, with 0.1 TV: Chambolle, Journal of Mathematical Imaging and Vision 20, 2004."""
    noise = 0.1 * np.random.default_rng(2).standard_normal((32, 32))
    b = np.clip(np.add.outer(np.arange(32) > 15, np.arange(32) > 9) * 0.4 + noise, 0, 1)

    def answer() -> dict[str, Any]:
        from skimage.restoration import denoise_tv_chambolle

        return {"x": denoise_tv_chambolle(b, weight=0.1, eps=0, max_num_iter=150_000)}

    return {"b": b}, answer


@recipe()
def second_order_variation() -> tuple[Data, Answer]:
    """½‖x − b‖² + 0.2 Σ‖second differences‖."""
    b = np.random.default_rng(4).standard_normal((7, 8))

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        d0, d1 = (np.vstack([np.diff(np.eye(n), axis=0), np.zeros((1, n))]) for n in b.shape)
        z = cp.Variable(b.shape)
        parts = [d0.T @ d0 @ z, z @ d1.T @ d1, np.sqrt(2) * d0 @ z @ d1.T]
        return {"energy": least(0.5 * cp.sum_squares(z - b) + 0.2 * lengths(parts), tolerance=1e-9), "x": z.value}

    return {"b": b}, answer


@recipe()
def ramps_and_an_edge() -> tuple[Data, Answer]:
    """½‖u − b‖² + 0.1 Σ‖∇u − w‖ + 0.2 Σ‖∇w‖, with all four derivatives of w: ramps and an edge."""
    axis, noise = np.arange(20) / 20, 0.05 * np.random.default_rng(2).standard_normal((20, 20))
    b = np.add.outer(axis, axis) + 0.5 * (axis < 0.5)[:, None] + noise

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        u, field = cp.Variable(b.shape), [cp.Variable(b.shape) for _ in b.shape]
        first = [d - w for d, w in zip(differences(u), field, strict=True)]
        second = [d for w in field for d in differences(w)]
        energy = 0.5 * cp.sum_squares(u - b) + 0.1 * lengths(first) + 0.2 * lengths(second)
        return {"energy": least(energy, tolerance=1e-9), "u": u.value}

    return {"b": b}, answer


@recipe()
def deblurred() -> tuple[Data, Answer]:
    """½‖Kx − b‖² + 0.01 TV(x) with 0.1 ≤ x ≤ 0.9; K is a periodic convolution."""
    rng = np.random.default_rng(2)
    kernel = np.asarray([[0.05, 0.1, 0.0], [0.1, 0.4, 0.2], [0.0, 0.1, 0.05]])
    truth = np.kron(rng.random((4, 4)), np.ones((4, 4)))
    n = truth.shape[0]
    blur = np.zeros((n * n, n * n))
    for i, j, a, b in np.ndindex(n, n, 3, 3):  # true convolution, centre at (1, 1)
        blur[i * n + j, ((i - a + 1) % n) * n + (j - b + 1) % n] += kernel[a, b]
    data = (blur @ truth.ravel()).reshape(n, n) + 0.01 * rng.standard_normal((n, n))

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        z = cp.Variable((n, n))
        fit = 0.5 * cp.sum_squares(blur @ cp.vec(z, order="C") - data.ravel())
        best = least(fit + 0.01 * total_variation(z), [z >= 0.1, z <= 0.9], 1e-11)
        return {"energy": best, "x": z.value}

    return {"b": data, "k": kernel}, answer


@recipe()
def inpainted() -> tuple[Data, Answer]:
    """½‖m ⊙ x − b‖² + 0.02 TV(x) with 0 ≤ x ≤ 1."""
    rng = np.random.default_rng(2)
    mask = (rng.random((16, 16)) < 0.6).astype(float)
    picture = mask * np.kron(rng.random((4, 4)), np.ones((4, 4)))

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        z = cp.Variable((16, 16))
        energy = 0.5 * cp.sum_squares(cp.multiply(mask, z) - picture) + 0.02 * total_variation(z)
        return {"energy": least(energy, [z >= 0, z <= 1])}

    return {"m": mask, "b": picture}, answer


@recipe()
def counts() -> tuple[Data, Answer]:
    """Poisson data behind an operator, with 0.3 ‖Dx‖₁ and x ≥ 0."""
    rng = np.random.default_rng(5)
    M = rng.random((30, 20)) * (rng.random((30, 20)) < 0.3) + 0.01
    d = rng.poisson(M @ np.repeat([4.0, 1.0, 9.0, 2.0], 5))

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        z = cp.Variable(20)
        energy = cp.sum(M @ z) - d @ cp.log(M @ z) + 0.3 * cp.norm(cp.diff(z), 1)
        return {"energy": least(energy, [z >= 0], 1e-9), "x": z.value}

    return {"M": M, "d": d}, answer


@recipe()
def overlapping_groups() -> tuple[Data, Answer]:
    """Jacob, Obozinski and Vert, ICML 2009, in the form that keeps unions of complements of groups."""
    b = np.random.default_rng(4).standard_normal(10)
    groups, weights = [[0, 1, 2, 3], [2, 3, 4, 5], [5, 6, 7], [7, 8, 9]], [1.0, 0.5, 2.0, 1.0]
    members = np.array([(g, i) for g, group in enumerate(groups) for i in group])

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        z = cp.Variable(10)
        penalty = sum(w * cp.norm(z[group]) for w, group in zip(weights, groups, strict=True))
        return {"energy": least(0.5 * cp.sum_squares(z - b) + 0.6 * penalty), "x": z.value}

    return {"b": b, "m": members, "w": weights}, answer


@recipe()
def variation_on_a_graph() -> tuple[Data, Answer]:
    """½‖x − b‖² + 0.3 Σ w_e |x_i − x_j|."""
    edges = np.array([[0, 1], [1, 2], [2, 0], [2, 3], [3, 4], [4, 5], [5, 3]])
    weights = np.array([1.0, 2.0, 1.0, 0.1, 1.0, 3.0, 1.0])
    b = np.array([1.0, 1.2, 0.9, -1.0, -1.1, -0.8])

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        z = cp.Variable(6)
        least(0.5 * cp.sum_squares(z - b) + 0.3 * weights @ cp.abs(z[edges[:, 0]] - z[edges[:, 1]]))
        return {"x": z.value}

    return {"b": b, "e": edges, "w": weights}, answer


@recipe()
def wavelets_of_a_graph() -> tuple[Data, Answer]:
    """½‖x − b‖² + 0.3 ‖Wx‖₁; W is ours, for the answer depends on what is said of it."""
    from flowengine.linops import graph_wavelets

    rng = np.random.default_rng(4)
    edges = np.array([(i, (i + 1) % 9) for i in range(9)] + [(0, 4), (2, 7)])
    b, weights = rng.standard_normal(9), rng.random(11) + 0.5

    def answer() -> dict[str, Any]:
        laplacian = np.zeros((9, 9))
        for (i, j), w in zip(edges, weights, strict=True):
            laplacian[[i, j], [i, j]] += w
            laplacian[[i, j], [j, i]] -= w
        cp = cvxpy()
        z = cp.Variable(9)
        least(0.5 * cp.sum_squares(z - b) + 0.3 * cp.norm1(graph_wavelets(laplacian, 3) @ z))
        return {"x": z.value}

    return {"b": b, "e": edges, "w": weights}, answer


@recipe()
def from_fourier_coefficients() -> tuple[Data, Answer]:
    """½‖m ⊙ Fx − y‖² + 0.02 TV(x), x real: Lustig, Donoho and Pauly, Magnetic Resonance in Medicine 58, 2007."""
    rng = np.random.default_rng(0)
    mask, square = (rng.random((16, 16)) < 0.6).astype(float), np.zeros((16, 16))
    square[4:11, 5:12] = 1
    noise = rng.standard_normal((16, 16)) + 1j * rng.standard_normal((16, 16))
    y = mask * (np.fft.fft2(square, norm="ortho") + 0.01 * noise)

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        x, f = cp.Variable((16, 16)), np.fft.fft(np.eye(16), norm="ortho")
        fit = 0.5 * cp.sum_squares(cp.abs(cp.multiply(mask, f @ x @ f) - y))
        return {"energy": least(fit + 0.02 * lengths(differences(x)), tolerance=None), "x": x.value}

    return {"m": mask, "y": y}, answer
