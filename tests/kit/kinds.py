"""A small flow for every method, and for every rule that a method has for its steps: what engine tests run."""

import dataclasses
from typing import Any

import numpy as np

from flowengine.compiler.build import CompiledFlow
from kit.solving import compiled, document

Term = dict[str, Any]
RNG = np.random.default_rng(4)
B = RNG.random((16, 12))
FIT: Term = {"atom": "quadratic", "arg": "x", "data": "b"}
BLURRED: Term = {"atom": "quadratic", "arg": "K x", "data": "b"}
ABSOLUTE: Term = {"atom": "l1", "arg": "K x", "data": "b"}
ROBUST: Term = {"atom": "huber", "arg": "K x", "data": "b"}
SPARSE: Term = {"atom": "l1", "arg": "x", "weight": 0.01}
VARIATION: Term = {"atom": "norm_l21", "arg": "D x", "weight": 0.1}
PERIODIC: Term = {"atom": "norm_l21", "arg": "P x", "weight": 0.1}
CORNERS: Term = {"atom": "l1", "arg": "D x", "weight": 0.1}
BOX: Term = {"atom": "box", "arg": "x", "lo": 0, "hi": 1}
SMOOTH: list[Term] = [FIT, {"atom": "gradient", "arg": "x", "weight": 0.5}]
FACTORS: Term = {"atom": "low_rank", "arg": "u", "with": "v", "data": "b"}
CHAINS = {"x": {"like": "b", "chains": 4}}
PAIR: dict[str, Any] = {
    "u": {"shape": [16, 2], "init": 0.5, "spread": 0.1}, "v": {"shape": [12, 2], "init": 0.5, "spread": 0.1},
}  # fmt: skip
OPERATORS = {
    "K": {"conv": {"kernel": "k"}}, "D": {"gradient": {}}, "P": {"gradient": {"boundary": "periodic"}},
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Kind:
    """Terms, policy and variables, and what they make the engine choose."""

    method: str
    terms: list[Term]
    policy: dict[str, Any] = dataclasses.field(default_factory=dict)
    variables: dict[str, Any] = dataclasses.field(default_factory=lambda: {"x": {"like": "b"}})
    rule: str = ""
    waves: str | None = None


CONVEX = {
    "pg": Kind("pg", [BLURRED, SPARSE], {"algorithm": "pg"}),
    "pg searched": Kind("pg", [BLURRED, SPARSE], {"algorithm": "pg", "step": "backtracking"}),
    "fista": Kind("fista", [ROBUST, SPARSE], {"family": "accelerated"}),
    "fista searched": Kind("fista", [ROBUST, SPARSE], {"family": "accelerated", "step": "backtracking"}),
    "pdhg": Kind("pd3o", [FIT, VARIATION], {"algorithm": "pd3o"}),
    "pd3o": Kind("pd3o", [BLURRED, VARIATION, SPARSE], {"algorithm": "pd3o"}),
    "pd3o anchored": Kind("pd3o", [ABSOLUTE, CORNERS], {"algorithm": "pd3o"}),
    "admm": Kind("admm", [BLURRED, PERIODIC, BOX], {"algorithm": "admm"}, rule="moves", waves="fourier"),
    "admm cosine": Kind("admm", [FIT, VARIATION], {"algorithm": "admm"}, rule="residuals", waves="cosine"),
    "admm exact": Kind("admm", [BLURRED, VARIATION], {"algorithm": "admm"}, rule="residuals"),
    "admm anchored": Kind("admm", [ABSOLUTE, CORNERS], {"algorithm": "admm"}, rule="anchor"),
}
"""By what they minimise; all of one variable."""

OTHERS = {
    "palm": Kind("palm", [FACTORS, {"atom": "nonnegative", "arg": "u"}], variables=PAIR),
    "rgd": Kind("rgd", [FACTORS], variables=PAIR | {"u": {"shape": [16, 2], "manifold": "stiefel", "spread": 1}}),
    "ula": Kind("ula", SMOOTH, {"algorithm": "ula"}, CHAINS),
    "mala": Kind("mala", SMOOTH, {"algorithm": "mala"}, CHAINS),
    "myula": Kind("myula", [*SMOOTH, VARIATION], {"algorithm": "myula"}, CHAINS),
    "leapfrog": Kind("leapfrog", SMOOTH, {"algorithm": "leapfrog"}, CHAINS),
    "hmc": Kind("hmc", SMOOTH, {"algorithm": "hmc", "trajectory": 3}, CHAINS),
}
KINDS = CONVEX | OTHERS


def flow_of(kind: str, dtype: str = "float64", policy: dict[str, Any] | None = None, **stop: Any) -> CompiledFlow:
    """The flow of this kind, with these stop rules, and more of a policy."""
    one = KINDS[kind]
    used = [name for name in OPERATORS if f"{name} x" in str(one.terms)]
    data: dict[str, Any] = {"b": B} | ({"k": [[0.5, 0.2], [0.2, 0.1]]} if "K" in used else {})
    return compiled(document(
        data, dtype=dtype, variables=one.variables, terms=one.terms,
        operators={name: OPERATORS[name] for name in used}, policy=one.policy | (policy or {}),
        certificates={"every": 10}, stop=stop or {"maxIterations": 1_000_000},
    ))  # fmt: skip
