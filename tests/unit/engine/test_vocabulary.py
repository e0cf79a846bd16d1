"""The words that documents may use, and what the engine can do, are the same; every word's example runs."""

import itertools
import re

import numpy as np
import pytest

from flowapi import catalogue
from flowapi.atoms import ATOMS
from flowapi.errors import FlowError
from flowapi.flow import FlowDocument
from flowapi.operators import OPERATORS, Compose, Frame, Identity, Stack
from flowapi.reader import read_one
from flowapi.spec import load_manifest
from flowapi.synonyms import SYNONYMS
from flowengine.compiler import compile_flow, explain
from flowengine.compiler.operators import BUILDERS as OPERATOR_BUILDERS
from flowengine.compiler.terms.registry import BUILDERS as ATOM_BUILDERS
from kit.solving import solve

EXAMPLES = {f"atom {name}": one for name, one in catalogue.atoms().items()} | {
    f"operator {name}": one for name, one in catalogue.operators().items()
}


def test_every_word_has_a_builder() -> None:
    assert set(ATOM_BUILDERS) == set(ATOMS.values())
    assert {*OPERATOR_BUILDERS, Identity, Compose, Stack, Frame} == set(OPERATORS.values())


def test_the_words_of_others_lead_to_ones_that_there_are() -> None:
    assert set(SYNONYMS.values()) <= {*ATOMS, *OPERATORS}
    assert not set(SYNONYMS) & {*ATOMS, *OPERATORS}


def of_one_term(term) -> dict:
    return {"variables": {"x": {"shape": [2]}}, "terms": [term], "stop": {"maxIterations": 10}}


@pytest.mark.parametrize(
    ("said", "meant"),
    [("lasso", "l1"), ("ridge", "tikhonov"), ("l2", "tikhonov"), ("TV", "tv"), ("total_variation", "tv"),
     ("group_lasso", "norm_l21"), ("isotonic", "nonnegative` of `D x`, with the operator `D: {gradient: {}}"), ("entropy", "negative_entropy"),
     ("least_squares", "quadratic"), ("Least-Squares", "quadratic"), ("hubber", "huber")],
)  # fmt: skip
def test_a_word_of_others_is_answered_by_the_one_that_means_it(said, meant) -> None:
    with pytest.raises(FlowError, match=re.escape(f"unknown atom `{said}`. Did you mean `{meant}`?")):
        FlowDocument.parse(of_one_term({"atom": said, "arg": "x"}))


@pytest.mark.parametrize(("l1", "l2", "remedy"), [(0, 1, "`tikhonov`"), (1, 0, "`l1`")])
def test_an_elastic_net_with_one_part_names_the_atom_that_it_is(l1, l2, remedy, tmp_path) -> None:
    net = {"atom": "elastic_net", "arg": "x", "l1": l1, "l2": l2}
    with pytest.raises(FlowError, match=f"is not above 0. Write a positive one, or use {remedy}"):
        compile_flow(FlowDocument.parse(of_one_term(net)), tmp_path)


OF_EACH_FAMILY = ["quadratic", "logistic", "l1", "nuclear", "tv", "simplex", "low_rank", "heat"]
OF_EACH_STORAGE = ["identity", "conv", "gradient", "fft", "radon", "select", "stack"]
"""Images like the variable, in components, complex, smaller, and several beside each other."""
FAST = {f"atom {name}" for name in OF_EACH_FAMILY} | {"operator conv", "operator gradient", "operator radon"}
PAIRS = [
    pytest.param(atom, operator, marks=() if atom in OF_EACH_FAMILY and operator in OF_EACH_STORAGE else pytest.mark.thorough)
    for atom, operator in itertools.product(ATOMS, OPERATORS)
]  # fmt: skip


def test_every_family_of_atoms_has_one_in_the_fast_tests() -> None:
    assert {ATOMS[name].__module__ for name in OF_EACH_FAMILY} == {one.__module__ for one in ATOMS.values()}


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_compiles_and_is_explained(name, tmp_path) -> None:
    entry = EXAMPLES[name]
    document = FlowDocument.parse(entry.example)
    compiled = compile_flow(document, tmp_path)
    lines = explain(compiled)
    assert any(compiled.choice.method.name in line for line in lines)
    assert len(lines) >= len(document.terms) + 2
    assert not compiled.choice.warnings
    assert entry.formula
    assert all(text.strip() for text in entry.keys.values())


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=() if one in FAST else pytest.mark.thorough) for one in EXAMPLES]
)
def test_every_example_converges_green(name) -> None:
    _, end, _ = solve(FlowDocument.parse(EXAMPLES[name].example))
    assert (end.reason, end.controller) == ("Converged", "GREEN")


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_reads_as_it_is_printed(name, tmp_path) -> None:
    (tmp_path / "flow.yaml").write_text(catalogue.as_yaml(EXAMPLES[name].example), encoding="utf-8")
    assert load_manifest(read_one(tmp_path / "flow.yaml")).spec.flow == EXAMPLES[name].example


@pytest.mark.parametrize(("atom", "operator"), PAIRS)
def test_every_atom_on_every_operator_compiles_or_says_why_not(atom, operator, tmp_path) -> None:
    """With whatever data: what comes is a compiled flow or one sentence with a path and a remedy."""
    term = next(one for one in catalogue.atoms()[atom].example["terms"] if one["atom"] == atom)
    given = catalogue.atoms()[atom].example["data"] | catalogue.operators()[operator].example["data"]
    operators = catalogue.operators()[operator].example["operators"]
    variable = catalogue.operators()[operator].example["variables"]["x"]
    try:
        document = FlowDocument.parse({
            "data": given, "variables": {"x": variable}, "operators": operators,
            "terms": [{**term, "arg": "W x"}], "stop": {"maxIterations": 1},
        })  # fmt: skip
        compiled = compile_flow(document, tmp_path)
    except FlowError as error:
        assert error.path.startswith("flow.")
        assert error.remedy
    else:
        assert compiled.choice.reasons


def test_formulas_name_their_weight() -> None:
    free = {"box", "nonnegative", "semidefinite", "simplex", "l1_ball", "l2_ball", "knapsack", "affine", "cardinality"}
    for name, entry in catalogue.atoms().items():
        assert ("weight" in entry.formula) == (name not in free), name
    assert np.all([name in catalogue.atoms() for name in free])
