"""Kubernetes' quantities are numbers, compared as such."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowapi.quantities import amount


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1), (7, 7), ("500m", Fraction(1, 2)), ("1k", 1000), ("1Ki", 1024), ("1.5Gi", 3 * 2**29), ("2e9", 2 * 10**9),
        ("1E3", 1000), ("1E", 10**18), ("12E-1", Fraction(6, 5)), ("100u", Fraction(1, 10**4)), ("0", 0), ("00.50", Fraction(1, 2)),
        ("1n", Fraction(1, 10**9)), ("0.1n", Fraction(1, 10**9)), ("1e-30", Fraction(1, 10**9)), ("1.0000000001", 1 + Fraction(1, 10**9)),
    ],
)  # fmt: skip
def test_a_quantity_is_a_number_rounded_up_to_a_billionth(text, number) -> None:
    assert amount(text) == number


@pytest.mark.parametrize(
    "text",
    ["", "Gi", "1K", "1gi", "1GB", "1 Gi", "-1", "+1", ".5", "5.", "1e", "1e1.5", "1e100", "1Em", "٣", "1\n", "1" * 33],
)
def test_anything_else_is_none(text) -> None:
    assert amount(text) is None


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_units_compare_as_numbers(one, other) -> None:
    assert (amount(f"{one}m") <= amount(f"{other}m")) == (one <= other)
    assert amount(f"{one}Ki") == amount(one * 1024)
    assert amount(f"{one}e3") == amount(f"{one}k") == amount(f"{one * 1000}")
