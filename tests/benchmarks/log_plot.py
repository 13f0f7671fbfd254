"""A plot on logarithmic scales as SVG, without a plotting library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 70, 230, 20, 50
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's, told apart by most people."""


@dataclass(frozen=True)
class Line:
    """A series.

    Attributes:
        name: in the legend.
        points: (x, y), all above 0.
    """

    name: str
    points: tuple[tuple[float, float], ...]


def log_plot(lines: Sequence[Line], *, x: str, y: str) -> str:
    """The SVG of some series, with a dashed line of slope 1 to compare with.

    Args:
        lines: the series.
        x: label of the horizontal axis.
        y: label of the vertical axis.
    """
    xs = _decades([point[0] for line in lines for point in line.points])
    ys = _decades([point[1] for line in lines for point in line.points])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for decade in xs:
        at = _across(10.0**decade, xs)
        parts.append(f'<line x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{HEIGHT - BOTTOM}" stroke="#ddd"/>')
        parts.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{_power(decade)}</text>')
    for decade in ys:
        at = _up(10.0**decade, ys)
        parts.append(f'<line x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT}" y2="{at:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{_power(decade)}</text>')
    for number, line in enumerate(lines):
        parts += _series(line, COLOURS[number % len(COLOURS)], number, xs, ys)
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">{escape(x)}</text>'
        f'<text transform="translate(18 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">{escape(y)}</text>'
    )
    parts.append(_linear(len(lines), xs, ys))
    return "\n".join([*parts, "</svg>\n"])


def _series(line: Line, colour: str, number: int, xs: Sequence[int], ys: Sequence[int]) -> list[str]:
    places = [(_across(point[0], xs), _up(point[1], ys)) for point in line.points]
    path = " ".join(f"{across:.1f},{up:.1f}" for across, up in places)
    dots = "".join(f'<circle cx="{across:.1f}" cy="{up:.1f}" r="3.5" fill="{colour}"/>' for across, up in places)
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>',
        dots,
        _legend(line.name, colour, number),
    ]


def _linear(number: int, xs: Sequence[int], ys: Sequence[int]) -> str:
    """From the lower left corner, upwards by a decade per decade."""
    decades = min(xs[-1] - xs[0], ys[-1] - ys[0])
    ends = [(_across(10.0 ** (xs[0] + d), xs), _up(10.0 ** (ys[0] + d), ys)) for d in (0, decades)]
    (x1, y1), (x2, y2) = ends
    drawn = f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#888" stroke-dasharray="5 4"/>'
    return drawn + _legend("linear growth", "#888", number)


def _legend(name: str, colour: str, number: int) -> str:
    left, at = WIDTH - RIGHT + 15, TOP + 12 + 20 * number
    return (
        f'<line x1="{left}" y1="{at}" x2="{left + 18}" y2="{at}" stroke="{colour}" stroke-width="2"/>'
        f'<text x="{left + 25}" y="{at + 4}">{escape(name)}</text>'
    )


def _decades(values: Sequence[float]) -> range:
    """Exponents of the powers of ten from below the least value to above the largest."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return range(low, max(high, low + 1) + 1)


def _across(value: float, decades: Sequence[int]) -> float:
    return LEFT + (math.log10(value) - decades[0]) / (decades[-1] - decades[0]) * (WIDTH - LEFT - RIGHT)


def _up(value: float, decades: Sequence[int]) -> float:
    return HEIGHT - BOTTOM - (math.log10(value) - decades[0]) / (decades[-1] - decades[0]) * (HEIGHT - TOP - BOTTOM)


def _power(decade: int) -> str:
    return f'10<tspan dy="-5" font-size="9">{decade}</tspan>'
