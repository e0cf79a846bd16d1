"""Where several methods fit, they find the same."""

import numpy as np
import pytest

from kit.solving import compiled, document, solve

thorough = pytest.mark.thorough


def agree(doc_of, *, tolerance: float = 1e-5) -> dict[str, object]:
    """What `admm` and `pd3o` find is the same; the flows, by method."""
    flows, points = {}, []
    for name in ("admm", "pd3o"):
        point, end, flow = solve(doc_of({"algorithm": name}))
        assert (flow.choice.method.name, end.reason, end.controller) == (name, "Converged", "GREEN")
        flows[name] = flow
        points.append(point if isinstance(point, dict) else {"x": point})
    for name, array in points[0].items():
        assert np.abs(array - points[1][name]).max() < tolerance * (1 + np.abs(array).max())
    return flows


PENALTIES = {
    "groups": {"atom": "norm_l21", "arg": "x", "groups": "g"}, "norm": {"atom": "norm_l21", "arg": "x"},
    "ball": {"atom": "l2_ball", "arg": "x", "radius": 0.5}, "simplex": {"atom": "simplex", "arg": "x"},
}  # fmt: skip


def bounded_products(penalty, policy):
    rng = np.random.default_rng(50)
    data = {"A": rng.standard_normal((12, 6)), "b": rng.standard_normal(12), "K": rng.standard_normal((3, 6))}
    data |= {"g": np.array([0, 0, 0, 1, 1, -1])} if "groups" in penalty else {}
    terms = [
        {"atom": "quadratic", "arg": "A x", "data": "b"},
        penalty,
        {"atom": "box", "arg": "K x", "lo": -0.2, "hi": 0.2},
    ]
    return document(
        data, variables={"x": {"shape": [6]}}, operators={"A": {"matrix": "A"}, "K": {"matrix": "K"}}, terms=terms,
        policy=policy, stop={"maxIterations": 50_000, "residual": 1e-9},
    )  # fmt: skip


@pytest.mark.parametrize("penalty", PENALTIES)
def test_penalties_that_couple_entries_take_one_step_for_all(penalty) -> None:
    choice = compiled(bounded_products(PENALTIES[penalty], {})).choice
    assert choice.method.name == "admm"
    assert choice.hypers.tau.shape == ()


@pytest.mark.parametrize("penalty", ["groups", *(pytest.param(one, marks=thorough) for one in list(PENALTIES)[1:])])
def test_penalties_that_couple_entries(penalty) -> None:
    agree(lambda policy: bounded_products(PENALTIES[penalty], policy))


def test_several_variables_with_proxes_and_a_step_for_each_entry() -> None:
    rng = np.random.default_rng(51)
    data = {"A": rng.standard_normal((10, 4)), "B": rng.standard_normal((10, 5)), "b": rng.standard_normal(10)}
    flows = agree(lambda policy: document(
        data, variables={"u": {"shape": [4]}, "v": {"shape": [5]}},
        operators={"A": {"matrix": "A"}, "B": {"matrix": "B"}},
        terms=[
            {"atom": "l1", "arg": [{"op": "A", "var": "u"}, {"op": "B", "var": "v"}], "data": "b"},
            {"atom": "nonnegative", "arg": "u"}, {"atom": "simplex", "arg": "v"}, {"atom": "tikhonov", "arg": "v", "weight": 0.1},
        ],
        policy=policy, stop={"maxIterations": 200_000, "residual": 1e-8},
    ), tolerance=1e-3)  # fmt: skip
    tau = flows["admm"].choice.hypers.tau
    assert (tau["u"].shape, tau["v"].shape) == ((4,), ())


def test_a_real_variable_with_a_complex_image() -> None:
    b = np.random.default_rng(52).standard_normal(8)
    agree(lambda policy: document(
        {"b": b}, variables={"x": {"like": "b"}}, operators={"F": {"fft": {}}},
        terms=[
            {"atom": "quadratic", "arg": "x", "data": "b"}, {"atom": "l1", "arg": "F x", "weight": 0.3, "as": "dual"},
            {"atom": "tv", "arg": "x", "weight": 0.1},
        ],
        policy=policy, stop={"maxIterations": 50_000, "residual": 1e-9},
    ))  # fmt: skip


@thorough
def test_bounds_of_a_deblurred_picture_hold_by_fourier_too() -> None:
    rng = np.random.default_rng(26)
    b, k = rng.random((12, 10)) * 1.5 - 0.2, rng.random((3, 3)) / 9
    found = {}
    for name in ("admm", "pd3o"):
        found[name], end, flow = solve(document(
            {"b": b, "k": k}, variables={"x": {"like": "b"}}, operators={"K": {"conv": {"kernel": "k"}}},
            terms=[
                {"atom": "quadratic", "arg": "K x", "data": "b"}, {"atom": "tv", "arg": "x", "weight": 0.05, "boundary": "periodic"},
                {"atom": "box", "arg": "x", "lo": 0, "hi": 1},
            ],
            policy={"family": "accelerated", "algorithm": name if name == "pd3o" else None}, stop={"maxIterations": 50_000, "residual": 1e-9},
        ))  # fmt: skip
        assert (flow.choice.method.name, end.reason) == (name, "Converged")
    assert found["admm"].min() >= 0
    assert np.abs(found["admm"] - found["pd3o"]).max() < 1e-6


def deblurring(**policy):
    rng = np.random.default_rng(9)
    kernel = np.outer([0.05, 0.25, 0.4, 0.2, 0.1], [0.1, 0.2, 0.4, 0.3, 0.0])
    grid = np.zeros((24, 24))
    grid[:5, :5] = kernel
    spectrum = np.fft.fft2(np.roll(grid, (-2, -2), (0, 1)))
    truth = np.kron(rng.random((4, 4)), np.ones((6, 6)))
    b = np.fft.ifft2(np.fft.fft2(truth) * spectrum).real + 0.01 * rng.standard_normal((24, 24))
    return document(
        {"b": b, "k": kernel}, variables={"x": {"like": "b", "init": "b"}},
        operators={"K": {"conv": {"kernel": "k"}}, "D": {"gradient": {"boundary": "periodic"}}},
        terms=[{"atom": "quadratic", "arg": "K x", "data": "b"}, {"atom": "norm_l21", "arg": "D x", "weight": 0.005}],
        policy=policy, stop={"maxIterations": 100_000, "residual": 1e-9},
    )  # fmt: skip


def test_admm_and_pd3o_agree_on_a_periodic_problem_and_admm_is_chosen_and_quicker() -> None:
    x, end, flow = solve(deblurring(family="accelerated"))
    y, other, plain = solve(deblurring(family="accelerated", algorithm="pd3o"))
    assert (flow.choice.method.name, plain.choice.method.name) == ("admm", "pd3o")
    assert (end.reason, end.controller, other.reason) == ("Converged", "GREEN", "Converged")
    assert abs(end.energy - other.energy) / other.energy < 1e-9
    assert np.abs(x - y).max() < 1e-4
    assert end.iteration < other.iteration < 5_000  # with a fixed ratio of the steps neither was there after 20,000


def test_wavelet_deblurring_in_a_frame_and_by_a_dual() -> None:
    """ISTA, Daubechies, Defrise and De Mol, CPAM 57, 2004: the same minimiser by fista, pd3o and admm."""
    rng = np.random.default_rng(4)
    b, kernel = rng.random((16, 16)), np.outer([0.25, 0.5, 0.25], [0.25, 0.5, 0.25])
    found = {}
    for algorithm, role in (("fista", None), ("pd3o", "dual"), ("admm", "dual")):
        term = {"atom": "l1", "arg": "W x", "weight": 0.02, **({"as": role} if role else {})}
        found[algorithm], end, flow = solve(document(
            {"b": b, "k": kernel}, variables={"x": {"like": "b"}},
            operators={"K": {"conv": {"kernel": "k"}}, "W": {"wavelet": "haar"}}, policy={"algorithm": algorithm},
            terms=[{"atom": "quadratic", "arg": "K x", "data": "b"}, term, {"atom": "tikhonov", "arg": "x", "weight": 0.01}],
            stop={"maxIterations": 200_000, "residual": 1e-10},
        ))  # fmt: skip
        assert flow.choice.method.name == algorithm
        assert end.reason == "Converged"
    assert np.abs(found["fista"] - found["pd3o"]).max() < 1e-6
    assert np.abs(found["fista"] - found["admm"]).max() < 1e-6


def test_momentum_takes_fewer_iterations_and_gives_the_same_answer() -> None:
    rng = np.random.default_rng(3)
    A = rng.standard_normal((40, 15))
    b = A[:, :4].sum(axis=1) + 0.05 * rng.standard_normal(40)
    plain, fast = (
        solve(document(
            {"A": A, "b": b}, variables={"w": {"shape": [15]}},
            operators={"A": {"matrix": "A"}}, policy={"family": family},
            terms=[{"atom": "quadratic", "arg": "A w", "data": "b"}, {"atom": "l1", "arg": "w", "weight": 0.5}],
            stop={"maxIterations": 200_000, "residual": 1e-12},
        ))
        for family in ("basic", "accelerated")
    )  # fmt: skip
    assert (plain[2].choice.method.name, fast[2].choice.method.name) == ("pg", "fista")
    assert np.abs(plain[0] - fast[0]).max() < 1e-9
    assert fast[1].iteration <= plain[1].iteration
