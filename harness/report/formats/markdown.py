"""Tables as markdown that is also readable on a terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...utils.text import one_line
from ..table import Line, Table
from .words import Marks, cell_words


def render_markdown(table: Table, *, spread: bool = False) -> str:
    """A table, then its protocol; `spread` adds standard deviations."""
    from tabulate import tabulate

    titles = max((len(group.titles) for group in table.groups), default=0)
    headers = [""] * titles
    align = ["left"] * titles
    for columns in table.columns:
        headers += [escape(columns.title), *map(escape, columns.columns)]
        align += ["left", *["right"] * len(columns.columns)]
    rows: list[list[str]] = []
    before: tuple[str, ...] = ()
    for group in table.groups:
        for place, line in enumerate(group.lines):
            shown = changed_titles(group.titles, before) if place == 0 else [""] * titles
            rows.append([*map(escape, shown), *_line(line, table, spread=spread)])
        before = group.titles
    body = tabulate(rows, headers=headers, tablefmt="pipe", colalign=align, disable_numparse=True) if rows else ""
    return "\n".join([*([body, ""] if rows else []), *(escape(line) for line in table.protocol)]) + "\n"


def _line(line: Line, table: Table, *, spread: bool) -> list[str]:
    words: list[str] = []
    start = 0
    for columns in table.columns:
        cells = line.cells[start : start + len(columns.columns)]
        start += len(columns.columns)
        words += [escape(line.label), *(cell_words(cell, _MARKS, spread=spread) for cell in cells)]
    return words


def changed_titles(titles: Sequence[str], before: Sequence[str]) -> list[str]:
    """Titles from the first that differs; those that repeat are left blank."""
    same = 0
    while same < min(len(titles), len(before)) and titles[same] == before[same]:
        same += 1
    return ["" if place < same else title for place, title in enumerate(titles)]


def escape(text: str) -> str:
    """Any text escaped for Markdown, on one line: no column, emphasis, code, link or HTML."""
    return _SPECIAL.sub(r"\\\g<0>", one_line(text))


# An underscore within a word is one; a backslash is one unless a sign follows; a bracket is one unless a link follows.
_SPECIAL = re.compile(r"[|<`*]|\\(?=[!-/:-@\[-`{-~])|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|\](?=\()|&(?=#|[A-Za-z]+;)")
_MARKS = Marks(up="↑", down="↓", plus_minus=" ± ", percent="%", bold=lambda words: f"**{words}**", escape=escape)
