"""Exact intervals: all numbers that a printed one may stand for, and arithmetic that loses none of them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

_NOISE = Fraction(1, 10**6)
"""Of a number: what sums in single precision may be off by, which shows where many digits are printed."""
_SHORT = 2**40
_FINE = 2**60
"""Roots are bounded from both sides by fractions of this denominator."""
_LONGEST = 60
"""Characters of a number; one of more is none."""
_NUMBER = re.compile(r"([-+]?)(\d*)(?:\.(\d+))?(?:e([-+]?\d+))?", re.IGNORECASE)


@dataclass(frozen=True)
class Interval:
    """All numbers from `low` to `high`, both included."""

    low: Fraction
    high: Fraction

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.high + other.high)

    def __sub__(self, other: Interval) -> Interval:
        return Interval(self.low - other.high, self.high - other.low)

    def __mul__(self, other: Interval) -> Interval:
        if self.low >= 0 and other.low >= 0:
            return Interval(self.low * other.low, self.high * other.high)
        ends = [a * b for a in (self.low, self.high) for b in (other.low, other.high)]
        return Interval(min(ends), max(ends))

    def __truediv__(self, other: Interval) -> Interval:
        """The quotient by an interval of positive numbers."""
        return self * Interval(1 / other.high, 1 / other.low)

    def gap(self, other: Interval) -> Fraction:
        """How far the two are apart; 0 where they share a number."""
        return max(Fraction(0), other.low - self.high, self.low - other.high)

    def outward(self) -> Interval:
        """A slightly wider interval with short ends, for fast arithmetic."""
        return Interval(
            Fraction(math.floor(self.low * _SHORT), _SHORT), Fraction(math.ceil(self.high * _SHORT), _SHORT)
        )

    @property
    def width(self) -> Fraction:
        """Its length."""
        return self.high - self.low


def point(value: Fraction | int) -> Interval:
    """The interval of one number."""
    return Interval(Fraction(value), Fraction(value))


ZERO, ONE = point(0), point(1)
FAR = Fraction(10**9)
"""Above every number of a table."""


@dataclass(frozen=True)
class Printed:
    """A number as a table prints it.

    Attributes:
        text: as printed, without marks.
        value: what stands there.
        unit: one of its last digit.
    """

    text: str
    value: Fraction
    unit: Fraction

    @cached_property
    def rounded(self) -> Interval:
        """Every number that rounds to it."""
        margin = self.unit / 2 + abs(self.value) * _NOISE
        return Interval(self.value - margin, self.value + margin)

    def scaled(self, factor: Fraction) -> Printed:
        """The same number in another unit, such as a percentage as a fraction."""
        return Printed(self.text, self.value * factor, self.unit * factor)


View = Callable[[Printed], Interval]
"""What a printed number stands for: `rounded`, `cut` or `exact`."""


def rounded(number: Printed) -> Interval:
    """Every number that rounds to the printed one, to even or up at a half, in double or single precision."""
    return number.rounded


def cut(number: Printed) -> Interval:
    """Every number whose further digits may have been cut off instead."""
    noise = abs(number.value) * _NOISE
    low = number.value - (number.unit if number.value < 0 else 0) - noise
    high = number.value + (number.unit if number.value >= 0 else 0) + noise
    return Interval(low, high)


def exact(number: Printed) -> Interval:
    """The printed number itself."""
    return point(number.value)


def printed(text: str) -> Printed | None:
    """A plain decimal number; None for anything else, such as one with a decimal comma or between thousands."""
    found = _NUMBER.fullmatch(text)
    if not found or not (found[2] or found[3]) or len(text) > _LONGEST:
        return None
    decimals, power = len(found[3] or ""), int(found[4] or 0)
    if abs(power) > 30:
        return None
    unit = Fraction(10) ** (power - decimals)
    value = int((found[2] or "") + (found[3] or "")) * unit
    return Printed(text, -value if found[1] == "-" else value, unit)


def total(parts: Iterable[Interval]) -> Interval:
    """The sum."""
    result = ZERO
    for part in parts:
        result = result + part
    return result


def mean(parts: list[Interval]) -> Interval:
    """The mean of at least one."""
    return total(parts) * point(Fraction(1, len(parts)))


def root(value: Fraction) -> Interval:
    """Bounds on a square root; 0 of a negative number."""
    value = max(value, Fraction(0))
    below = math.isqrt(int(value * _FINE**2))
    return Interval(Fraction(below, _FINE), Fraction(below + 1, _FINE))


def log2(number: int) -> Interval:
    """Bounds on the binary logarithm of a whole number above 0: the double next to it is no further off."""
    near, off = Fraction(math.log2(number)), Fraction(1, 2**45)
    return Interval(near - off, near + off)
