"""A small flow for every atom and operator: each runs, and ends GREEN."""

from typing import Any

Flow = dict[str, Any]
SIGNAL = [0.1, 0.9, 1.2, 1.0, 0.2, -0.1]
COUNTS = [0, 3, 5, 4, 1, 0]
SQUARE = [[1.0, 0.2, 0.1], [0.2, 0.8, 0.0], [0.1, 0.0, 0.5]]
FIELD = [[[1.0, 0.5], [0.2, 0.1]], [[0.3, -0.4], [0.9, 0.0]]]
EDGES = [[0, 1], [1, 2], [2, 3], [3, 4], [4, 5], [5, 0]]
FIT = {"atom": "quadratic", "arg": "x", "data": "b"}


def _flow(
    terms: list[Flow], data: Flow | None = None, *, like: str = "b", operators: Flow | None = None, **more: Any
) -> Flow:
    """A flow over one variable `x`, unless it names its own, with inline data."""
    arrays = {"b": SIGNAL} | (data or {})
    variables = more.pop("variables", {"x": {"like": like, "init": 0.5}})
    named = _words([variables, operators or {}, *terms])
    return {
        "data": {name: {"inline": value} for name, value in arrays.items() if name in named},
        "variables": variables,
        **({"operators": operators} if operators else {}),
        "terms": terms,
        **more,
        "stop": {"maxIterations": 2000, "residual": 1e-6},
    }


def _words(value: object) -> set[str]:
    if isinstance(value, dict | list):
        return {word for one in (value.values() if isinstance(value, dict) else value) for word in _words(one)}
    return {value} if isinstance(value, str) else set()


def _with(term: Flow, data: Flow | None = None) -> Flow:
    """The term beside a least-squares fit."""
    return _flow([FIT, term], data)


_ROWS = {"A": [[1, 0, 0, 1, 0, 0], [0, 1, 0, 0, 1, 0], [0, 0, 1, 0, 0, 1], [1, 1, 1, 0, 0, 0]]}
_MATRIX = {"M": {"matrix": "A"}}
_TWO = {"x": {"like": "b"}, "z": {"like": "b"}}
ATOM_EXAMPLES: dict[str, Flow] = {
    "quadratic": _flow([FIT]),
    "weighted": _flow([{"atom": "weighted", "arg": "x", "data": "b", "factors": "w"}], {"w": [1, 1, 0.5, 0.5, 2, 2]}),
    "quadratic_form": _flow(
        [{"atom": "quadratic_form", "arg": "x", "matrix": "P", "data": "m"}, {"atom": "l1", "arg": "x", "weight": 0.1}],
        {"P": SQUARE, "m": [1, -1, 2]},
        like="m",
    ),
    "huber": _with({"atom": "huber", "arg": "x", "data": "c", "delta": 0.1}, {"c": [0, 1, 1, 1, 0, 5]}),
    "poisson": _flow(
        [{"atom": "poisson", "arg": "x", "data": "d"}, {"atom": "tv", "arg": "x", "weight": 0.5}],
        {"d": COUNTS},
        like="d",
    ),
    "kullback_leibler": _flow(
        [
            {"atom": "kullback_leibler", "arg": "M x", "data": "d"},
            {"atom": "tikhonov", "arg": "x", "weight": 0.1},
            {"atom": "nonnegative", "arg": "x"},
        ],
        {"d": [2, 4, 6, 5], **_ROWS},
        operators=_MATRIX,
    ),
    "logistic": _flow(
        [{"atom": "logistic", "arg": "M x", "data": "labels"}, {"atom": "l1", "arg": "x", "weight": 0.1}],
        {"labels": [1, -1, 1, -1], **_ROWS},
        operators=_MATRIX,
        policy={"family": "accelerated"},
    ),
    "hinge": _flow(
        [{"atom": "hinge", "arg": "M x", "data": "labels"}, {"atom": "tikhonov", "arg": "x", "weight": 0.1}],
        {"labels": [1, -1, 1, -1], **_ROWS},
        operators=_MATRIX,
    ),
    "pinball": _flow(
        [
            {"atom": "pinball", "arg": "M x", "data": "r", "quantile": 0.9},
            {"atom": "tikhonov", "arg": "x", "weight": 0.1},
        ],
        {"r": [2, 4, 6, 5], **_ROWS},
        operators=_MATRIX,
    ),
    "linear": _flow(
        [
            {"atom": "linear", "arg": "x", "costs": "c"},
            {"atom": "simplex", "arg": "x"},
            {"atom": "negative_entropy", "arg": "x", "weight": 0.1},
        ],
        {"c": SIGNAL},
        like="c",
    ),
    "cross_entropy": _flow(
        [{"atom": "cross_entropy", "arg": "M x", "data": "labels"}, {"atom": "tikhonov", "arg": "x", "weight": 0.1}],
        {"labels": [0, 1, 2, 1], "A": [[1, 0], [0, 1], [1, 1], [1, -1]]},
        variables={"x": {"shape": [2, 3]}},
        operators={"M": {"matrix": {"matrix": "A", "apply": "left"}}},
    ),
    "tikhonov": _with({"atom": "tikhonov", "arg": "x", "weight": 0.5}),
    "gradient": _with({"atom": "gradient", "arg": "x", "weight": 2}),
    "laplacian": _with({"atom": "laplacian", "arg": "x", "weight": 2}),
    "l1": _with({"atom": "l1", "arg": "x", "weight": 0.3}),
    "analysis_l1": _flow(
        [FIT, {"atom": "analysis_l1", "arg": "C x", "weight": 0.3}], operators={"C": {"laplacian": {}}}
    ),
    "wavelet_l1": _with({"atom": "wavelet_l1", "arg": "x", "name": "haar", "weight": 0.1}, {"b": [*SIGNAL, 0.1, 0.0]}),
    "elastic_net": _flow(
        [{"atom": "quadratic", "arg": "M x", "data": "r"}, {"atom": "elastic_net", "arg": "x", "l1": 0.1, "l2": 0.2}],
        {"r": [2, 4, 6, 5], **_ROWS},
        operators=_MATRIX,
    ),
    "norm_l21": _with({"atom": "norm_l21", "arg": "x", "groups": "g", "weight": 0.3}, {"g": [0, 0, 1, 1, 2, 2]}),
    "overlapping_group": _with(
        {"atom": "overlapping_group", "arg": "x", "members": "m", "weight": 0.2},
        {"m": [[0, 0], [0, 1], [0, 2], [1, 2], [1, 3], [2, 3], [2, 4], [2, 5]]},
    ),
    "tv": _with({"atom": "tv", "arg": "x", "weight": 0.3}),
    "tv2": _with({"atom": "tv2", "arg": "x", "weight": 0.3}),
    "nuclear": _with({"atom": "nuclear", "arg": "x", "weight": 0.3}, {"b": SQUARE}),
    "dirichlet": _with({"atom": "dirichlet", "arg": "x", "edges": "e"}, {"e": EDGES}),
    "graph_tv": _with({"atom": "graph_tv", "arg": "x", "edges": "e", "weight": 0.3}, {"e": EDGES}),
    "graph_wavelet_l1": _with({"atom": "graph_wavelet_l1", "arg": "x", "edges": "e", "weight": 0.1}, {"e": EDGES}),
    "pde_poisson": _flow(
        [{"atom": "pde_poisson", "arg": "x", "data": "s"}, {"atom": "boundary", "arg": "x", "weight": 10}],
        {"s": SQUARE},
        like="s",
    ),
    "heat": _flow([FIT, {"atom": "heat", "arg": "x", "kappa": 0.3, "weight": 2}], {"b": SQUARE}),
    "wave": _flow([FIT, {"atom": "wave", "arg": "x", "speed": 0.5, "weight": 2}], {"b": SQUARE}),
    "divergence": _flow([FIT, {"atom": "divergence", "arg": "x", "weight": 2}], {"b": FIELD}),
    "curl": _flow([FIT, {"atom": "curl", "arg": "x", "weight": 2}], {"b": FIELD}),
    "boundary": _with({"atom": "boundary", "arg": "x", "weight": 2}),
    "box": _with({"atom": "box", "arg": "x", "lo": 0, "hi": 1}),
    "nonnegative": _with({"atom": "nonnegative", "arg": "x"}),
    "simplex": _with({"atom": "simplex", "arg": "x"}),
    "l1_ball": _with({"atom": "l1_ball", "arg": "x", "radius": 1}),
    "l2_ball": _with({"atom": "l2_ball", "arg": "x", "radius": 1}),
    "knapsack": _with({"atom": "knapsack", "arg": "x", "costs": "c", "budget": 2}, {"c": [1, 1, 2, 2, 1, 1]}),
    "affine": _with({"atom": "affine", "arg": "x", "matrix": "A", "data": "r"}, {"r": [1, 2, 1, 2], **_ROWS}),
    "semidefinite": _with({"atom": "semidefinite", "arg": "x"}, {"b": [[1.0, 2.0], [0.0, 1.0]]}),
    "cardinality": _with({"atom": "cardinality", "arg": "x", "count": 2}),
    "negative_entropy": _with({"atom": "negative_entropy", "arg": "x", "weight": 0.1}),
    "relative_entropy": _with(
        {"atom": "relative_entropy", "arg": "x", "data": "p", "weight": 0.1}, {"p": [1, 1, 1, 2, 1, 1]}
    ),
    "log_barrier": _with({"atom": "log_barrier", "arg": "x", "weight": 0.1}),
    "log_det": _flow(
        [
            {"atom": "linear", "arg": "x", "costs": "s"},
            {"atom": "log_det", "arg": "x"},
            {"atom": "l1", "arg": "x", "weight": 0.1},
        ],
        {"s": SQUARE},
        variables={"x": {"like": "s", "init": 0}},
    ),
    "consensus": _flow(
        [FIT, {"atom": "l1", "arg": "z", "weight": 0.3}, {"atom": "consensus", "arg": "x", "with": "z"}], variables=_TWO
    ),
    "low_rank": _flow(
        [{"atom": "low_rank", "arg": "x", "with": "z", "data": "b"}, {"atom": "nonnegative", "arg": "z"}],
        {"b": SQUARE},
        variables={"x": {"shape": [3], "init": 0.5}, "z": {"shape": [3], "init": 0.5}},
    ),
    "bilinear": _flow(
        [
            FIT,
            {"atom": "bilinear", "arg": "x", "with": "z", "weight": 0.5},
            {"atom": "quadratic", "arg": "z", "data": "c"},
            {"atom": "nonnegative", "arg": "z"},
        ],
        {"c": [1, 0, 1, 0, 1, 0]},
        variables=_TWO,
    ),
    "orthogonality": _flow([FIT, {"atom": "orthogonality", "arg": "x", "weight": 10}], {"b": SQUARE}),
}
_SPARSE = {"atom": "l1", "arg": "W x", "weight": 0.1}
OPERATOR_EXAMPLES: dict[str, Flow] = {
    "identity": _flow([FIT, _SPARSE], operators={"W": {"identity": {}}}),
    "matrix": _flow([FIT, _SPARSE], _ROWS, operators={"W": {"matrix": "A"}}),
    "conv": _flow([FIT, _SPARSE], {"k": [0.25, 0.5, 0.25]}, operators={"W": {"conv": {"kernel": "k"}}}),
    "gradient": _flow(
        [FIT, {"atom": "norm_l21", "arg": "W x", "weight": 0.1}], {"b": SQUARE}, operators={"W": {"gradient": {}}}
    ),
    "laplacian": _flow([FIT, _SPARSE], operators={"W": {"laplacian": {"boundary": "periodic"}}}),
    "incidence": _flow([FIT, _SPARSE], {"e": EDGES}, operators={"W": {"incidence": "e"}}),
    "reshape": _flow(
        [FIT, {"atom": "nuclear", "arg": "W x", "weight": 0.1}], operators={"W": {"reshape": {"shape": [2, 3]}}}
    ),
    "mask": _flow([FIT, _SPARSE], {"m": [1, 1, 0, 0, 1, 1]}, operators={"W": {"mask": "m"}}),
    "fft": _flow([FIT, _SPARSE], operators={"W": {"fft": {}}}),
    "wavelet": _flow([FIT, _SPARSE], operators={"W": {"wavelet": {"name": "haar", "levels": 1}}}),
    "radon": _flow(
        [{"atom": "quadratic", "arg": "W x", "data": "s"}, {"atom": "nonnegative", "arg": "x"}],
        {"s": [[0.1, 1.5, 0.2], [0.4, 1.0, 0.4]]},
        variables={"x": {"shape": [3, 3]}},
        operators={"W": {"radon": {"angles": 2}}},
    ),
    "select": _flow([FIT, _SPARSE], operators={"W": {"select": {"axis": 0, "start": 1, "stop": 4}}}),
    "broadcast": _flow([FIT, _SPARSE], operators={"W": {"broadcast": {"size": 2}}}),
    "scale": _flow([FIT, _SPARSE], operators={"W": {"scale": 2}}),
    "compose": _flow(
        [FIT, _SPARSE],
        {"m": [1, 1, 0, 0, 1, 1]},
        operators={"L": {"laplacian": {}}, "M": {"mask": "m"}, "W": {"compose": ["L", "M"]}},
    ),
    "stack": _flow(
        [FIT, _SPARSE], operators={"D": {"gradient": {}}, "I": {"identity": {}}, "W": {"stack": ["D", "I"]}}
    ),
    "frame": _flow(
        [FIT, _SPARSE],
        {"R": [[0.6, 0.8], [-0.8, 0.6]], "b": [1.0, 0.4]},
        operators={"A": {"matrix": "R"}, "W": {"frame": "A"}},
    ),
}
