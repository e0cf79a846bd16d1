"""The words that documents may use, and what the engine can do, are the same."""

import numpy as np
import pytest

from flowapi.flow import FlowDocument
from flowapi.terms import ATOMS, LATER_ATOMS, LATER_OPERATORS, OPERATORS
from flowengine.compiler import compile_flow, explain

TERM = {
    "quadratic": {"data": "b"}, "l1": {"weight": 0.1}, "norm_l21": {"axis": 1}, "box": {"lo": 0, "hi": 1}, "nonnegative": {},
}  # fmt: skip
OPERATOR = {
    "identity": {}, "matrix": {"matrix": "A", "apply": "left"}, "conv": {"kernel": "k"}, "gradient": {}, "mask": {"mask": "b"},
}  # fmt: skip


def test_later_words_are_not_words_yet() -> None:
    assert not LATER_ATOMS & set(ATOMS)
    assert not LATER_OPERATORS & set(OPERATORS)
    assert (set(TERM), set(OPERATOR)) == (set(ATOMS), set(OPERATORS))


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("atom", ATOMS)
def test_every_atom_compiles_on_every_operator(atom, operator, tmp_path) -> None:
    rng = np.random.default_rng(0)
    for name, shape in (("b", (4, 4)), ("A", (4, 4)), ("k", (3, 3))):
        np.save(tmp_path / f"{name}.npy", rng.random(shape))
    extra = {} if (atom, operator) == ("quadratic", "gradient") else TERM[atom]
    document = FlowDocument.parse({
        "data": {name: {"npy": f"{name}.npy"} for name in ("b", "A", "k")},
        "variables": {"x": {"like": "b"}}, "operators": {"W": {operator: OPERATOR[operator]}},
        "terms": [{"atom": "quadratic", "arg": "x", "data": "b"}, {"atom": atom, "arg": "W x", **(TERM[atom] and extra)}],
        "stop": {"maxIterations": 1},
    })  # fmt: skip
    compiled = compile_flow(document, tmp_path)
    lines = explain(compiled)
    assert any(compiled.choice.method.name in line for line in lines)
    assert len(lines) >= 4
