"""The answers on record are those that other people's solvers find."""

import numpy as np
import pytest

from kit.references import RECIPES
from kit.references.recipe import VERSIONS, record

CASES = [pytest.param(one, case, id=one.key(case)) for one in RECIPES.values() for case in one.cases]


@pytest.mark.parametrize(("recipe", "case"), CASES)
def test_the_answer_on_record_is_of_the_problem_that_tests_solve(recipe, case) -> None:
    _, answer = recipe(*case)
    assert all(np.isfinite(array).all() for array in answer.values())


def test_nothing_else_is_on_record_and_small_files_hold_it() -> None:
    known = {one.key(case) for one in RECIPES.values() for case in one.cases}
    for topic in {one.topic for one in RECIPES.values()}:
        found = record(topic)
        assert {name.rsplit("/", 1)[0] for name in found} - {VERSIONS} <= known
        assert sum(array.nbytes for array in found.values()) < 200_000


@pytest.mark.thorough
@pytest.mark.parametrize(("recipe", "case"), CASES)
def test_the_answer_on_record_is_found_again(recipe, case) -> None:
    kept = record(recipe.topic)
    for name, array in recipe.computed(case).items():
        np.testing.assert_allclose(array, kept[name], rtol=1e-5, atol=1e-5 * np.abs(kept[name]).max())
