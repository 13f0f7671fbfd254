"""Exact intervals contain what they stand for."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rearec_bench.harness.lint.numbers import Interval, Printed, cut, log2, printed, root, rounded


@settings(deadline=None)
@given(st.integers(1, 5000))
def test_bounds_of_a_logarithm_are_narrow_and_contain_it(number: int) -> None:
    bounds = log2(number)
    assert bounds.low <= math.log2(number) + 1e-15 and math.log2(number) - 1e-15 <= bounds.high
    assert bounds.width < Fraction(1, 10**9)


@settings(deadline=None)
@given(st.fractions(0, 4))
def test_bounds_of_a_root_contain_it(value: Fraction) -> None:
    bounds = root(value)
    assert bounds.low**2 <= value <= bounds.high**2
    assert bounds.width < Fraction(1, 10**9)


@settings(deadline=None)
@given(st.floats(-100, 100), st.integers(0, 6))
def test_what_rounds_to_a_printed_number_is_in_its_interval(value: float, digits: int) -> None:
    number = printed(f"{value:.{digits}f}")
    assert number is not None
    assert not rounded(number).gap(Interval(Fraction(value), Fraction(value)))


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("0.0347", "0.0347", "0.0348"), (".5", "0.5", "0.6"), ("-4.44", "-4.45", "-4.44"), ("3.4e-2", "0.034", "0.035")],
)
def test_digits_may_be_cut_off(text: str, low: str, high: str) -> None:
    number = printed(text)
    assert number is not None
    noise = abs(number.value) / 10**6
    assert cut(number) == Interval(Fraction(low) - noise, Fraction(high) + noise)


@pytest.mark.parametrize(
    "text", ["", ".", "1,234", "0,0347", "n/a", "1.2.3", "e5", "0." + "1" * 5000, "1e" + "1" * 5000]
)
def test_anything_else_is_no_number(text: str) -> None:
    assert printed(text) is None


def test_unrounded_numbers_have_the_width_of_single_precision() -> None:
    number = Printed("0.1", Fraction(1, 10), Fraction(1, 10**17))
    assert Fraction(1, 10**8) < rounded(number).width < Fraction(1, 10**6)
