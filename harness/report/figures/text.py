"""Words that fit: how wide a text is in print, shortened and broken to a width, and labels moved apart."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from ...utils.text import counted

_WORDS, _PARTS = re.compile(r"(?<= )"), re.compile(r"(?<=[,/_-])")
_CUT = "…"
_NEAR = 20
"""Letters of a word that may be left out where a line is cut."""


@lru_cache(maxsize=4096)
def inches(text: str, size: float, family: str = "") -> float:
    """The width of a text's longest line at a size in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=family or None, size=size)
    widths = (text_to_path.get_text_width_height_descent(line, font, ismath=False)[0] for line in text.split("\n"))
    return float(max(widths)) / 72


def cells(line: str) -> int:
    """The width of a line in letters of a monospaced font; Chinese, Japanese and Korean signs take two."""
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in line
    )


def in_cells(line: str, width: int) -> str:
    """The line, or what of it and of three dots is no wider in `cells`, up to the end of a word if one is near."""
    if cells(line) <= width:
        return line
    kept = line[:width]
    while cells(kept) > width - 3:
        kept = kept[:-1]
    words, _, part = (kept + line[len(kept)]).rpartition(" ")
    return f"{(words if words and len(part) <= _NEAR else kept).rstrip()}..."


@dataclass(frozen=True)
class Fonts:
    """What draws a text.

    Attributes:
        families: the one asked for, and those that have what it lacks.
        lacking: question marks for the characters that no installed font has, for `str.translate`.
        said: a line about those; "" for none.
    """

    families: list[str]
    lacking: Mapping[int, str]
    said: str


def fonts_for(text: str, family: str) -> Fonts:
    """The fonts among the installed ones that a text needs."""
    from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

    families, lacking = [family], {character for character in text if not character.isspace()}
    lacking -= set(map(chr, get_font(findfont(FontProperties(family=[family]))).get_charmap()))
    for font in fontManager.ttflist if lacking else ():
        if font.style != "normal" or font.name.startswith("Last Resort"):  # its signs are boxes
            continue
        found = lacking & set(map(chr, get_font(font.fname).get_charmap()))
        if found:
            families.append(font.name)
            lacking -= found
    said = f"? is one of {counted(len(lacking), 'character')} that no installed font has; Noto Sans CJK has many."
    return Fonts(families, {ord(character): "?" for character in lacking}, said if lacking else "")


def shortened(text: str, width: float, size: float) -> str:
    """The text, or its start and its end around three dots where it is wider than that many inches."""
    if inches(text, size) <= width:
        return text
    kept = len(text) - 1
    while kept > 2 and inches(_around(text, kept), size) > width:
        kept -= 1
    return _around(text, kept)


def broken(text: str, width: float, size: float, *, lines: int) -> str:
    """The text over at most that many lines, broken where words end, or within wide ones; the rest is shortened."""
    done: list[str] = []
    current = ""
    words = _WORDS.split(text)
    for part in (part for word in words for part in (_PARTS.split(word) if inches(word, size) > width else [word])):
        if current and inches((current + part).rstrip(), size) > width and len(done) < lines - 1:
            done.append(current.rstrip())
            current = ""
        current += part
    return "\n".join(shortened(line, width, size) for line in [*done, current.rstrip()])


def apart(places: Sequence[float], gap: float) -> list[float]:
    """The places, moved as little as needed so that neighbours are `gap` apart, within 0 and 1 if they have room."""
    order = sorted(range(len(places)), key=lambda at: places[at])
    moved = list(places)
    for before, at in pairwise(order):
        moved[at] = max(moved[at], moved[before] + gap)
    limit = 1.0 if order and moved[order[-1]] > 1.0 else float("inf")
    for at in reversed(order):
        moved[at] = min(moved[at], limit)
        limit = moved[at] - gap
    under = -min(moved, default=0.0)
    return [place + under for place in moved] if under > 0 else moved


def _around(text: str, kept: int) -> str:
    head = (kept + 1) // 2
    return f"{text[:head].rstrip()}{_CUT}{text[len(text) - (kept - head) :].lstrip()}"
