"""Tables for a terminal: as markdown where it is wide enough, else in blocks that fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...utils.text import one_line, that_fit, wrapped
from ..table import ColumnGroup, Table
from .markdown import changed_titles, render_markdown
from .words import Marks, cell_words

_MARKS = Marks(up="↑", down="↓", plus_minus=" ± ", percent="%", bold=lambda words: f"*{words}", escape=one_line)
_GAP = "  "
_FEWEST = 4
"""Columns of labels, at least."""


def render_screen(table: Table, *, width: int, spread: bool = False) -> str:
    """A table whose rows are at most `width` characters wide, then its protocol.

    Where markdown would be wider, column groups come below each other, each in as many blocks as its columns need;
    titles have lines of their own, and so have long labels where that makes fewer lines in all. A star marks the best.
    """
    markdown = render_markdown(table, spread=spread)
    if not table.columns:
        return markdown
    if markdown.index("\n") <= width:
        return wrapped(markdown, width)
    lines: list[str] = []
    start = 0
    for columns in table.columns:
        end = start + len(columns.columns)
        words = [
            [[cell_words(cell, _MARKS, spread=spread) for cell in line.cells[start:end]] for line in group.lines]
            for group in table.groups
        ]
        start = end
        lines += _blocks(table, columns, words, width)
    return wrapped("\n".join([*lines, *map(one_line, table.protocol)]), width) + "\n"


def _blocks(table: Table, columns: ColumnGroup, words: Sequence[Sequence[Sequence[str]]], width: int) -> Iterator[str]:
    heads, title = list(map(one_line, columns.columns)), one_line(columns.title)
    widths = [max(map(len, column)) for column in zip(heads, *(row for group in words for row in group), strict=True)]
    indent = _GAP if any(group.titles for group in table.groups) else ""
    labels = [[indent + one_line(line.label) for line in group.lines] for group in table.groups]
    names = [title, *(label for group in labels for label in group)]

    def lines_with(margin: int) -> int:
        above = sum(len(name) > margin for name in names)
        return len(that_fit(widths, width - margin, len(_GAP))) * (len(names) + above)

    widest = min(max(map(len, names)), width - max(widths) - len(_GAP))
    margin = min(range(_FEWEST, max(_FEWEST, widest) + 1), key=lines_with)
    for places in that_fit(widths, width - margin, len(_GAP)):
        yield from _row(title, heads, widths, places, margin)
        before: tuple[str, ...] = ()
        for group, of_group, rows in zip(table.groups, labels, words, strict=True):
            titles = [one_line(title) for title in changed_titles(group.titles, before) if title]
            before = group.titles
            yield from [_GAP.join(titles)] if titles else []
            for name, row in zip(of_group, rows, strict=True):
                if any(row):
                    yield from _row(name, row, widths, places, margin)
        yield ""


def _row(name: str, cells: Sequence[str], widths: Sequence[int], places: Sequence[int], margin: int) -> Iterator[str]:
    """A line, and above it the name where that is wider than the margin."""
    if len(name) > margin:
        yield name
        name = ""
    if line := (name.ljust(margin) + "".join(_GAP + cells[place].rjust(widths[place]) for place in places)).rstrip():
        yield line
