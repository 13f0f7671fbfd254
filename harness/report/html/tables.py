"""Tables as the page shows them: one column of names, groups under their headings, gains on a scale of colours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ...analysis.compare import Place
from ...analysis.significance import LEVEL
from ...utils.text import fixed
from ..formats.words import Marks, cell_words
from ..table import ColumnGroup, Line, RowGroup, Table, TableCell, compact

_MARKS = Marks(up="↑", down="↓", plus_minus=" ± ", percent="%", bold=str, escape=str)
_GAINS = ("gain", "average")
_STEADY = 10.0
"""Percent of the strongest colour of a gain, at least."""


@dataclass(frozen=True)
class PageCell:
    """One cell.

    Attributes:
        sort: the number that it is sorted by; None where there is none.
        look: its classes.
        heat: from 0 to 1, how strong its colour is.
        trials: places in the list of trials of those behind it.
    """

    words: str
    mark: str
    sort: float | None
    look: str
    heat: float | None
    trials: str


@dataclass(frozen=True)
class PageLine:
    """One line; `colour` is the place of its strategy's, or None, and `look` its class."""

    label: str
    colour: int | None
    look: str
    cells: tuple[PageCell, ...]


@dataclass(frozen=True)
class PageTable:
    """A table.

    Attributes:
        heads: of each column its name, with its group's title where the name alone is that of several.
        left: of each column, whether it holds words.
        groups: heading, "" for none, and lines.
        rows: number of lines.
    """

    name: str
    caption: str
    heading: str
    columns: tuple[ColumnGroup, ...]
    heads: tuple[str, ...]
    left: tuple[bool, ...]
    groups: tuple[tuple[str, tuple[PageLine, ...]], ...]
    protocol: tuple[str, ...]
    rows: int


def page_table(table: Table, behind: Mapping[Place, Sequence[int]], colours: Mapping[str, int]) -> PageTable:
    """A table for the page.

    Args:
        behind: row to the places, in the list of trials, of those behind its numbers.
        colours: strategy to the place of its colour.
    """
    table = compact(table)
    lines = [line for group in table.groups for line in group.lines]
    gains = [abs(cell.value) for line in lines for cell in line.cells if cell.kind in _GAINS and cell.value is not None]
    most = max(_STEADY, *gains) if gains else _STEADY

    def shown(line: Line) -> PageLine:
        cells = tuple(_cell(cell, behind, most) for cell in line.cells)
        strategy = next((cell.of[2] for cell in line.cells if cell.of is not None), "")
        full = [cell.kind for cell in line.cells if cell.kind != "empty"]
        look = "gains" if full and all(kind in _GAINS for kind in full) else ""
        return PageLine(line.label, colours.get(strategy), look, cells)

    def titled(group: RowGroup) -> str:
        return " · ".join(filter(None, group.titles))  # baselines have no backbone

    columns = list(zip(*(line.cells for line in lines), strict=True))
    names = [(group.title, name) for group in table.columns for name in group.columns]
    several = Counter(name for _, name in names)
    return PageTable(
        table.name,
        table.caption.removeprefix(f"{table.title}: "),
        table.heading,
        table.columns,
        tuple(f"{title}: {name}" if title and several[name] > 1 else name for title, name in names),
        tuple(all(cell.kind in ("text", "empty") for cell in column) for column in columns),
        tuple((titled(group), tuple(map(shown, group.lines))) for group in table.groups if group.lines),
        table.protocol,
        len(lines),
    )


def _cell(cell: TableCell, behind: Mapping[Place, Sequence[int]], most: float) -> PageCell:
    looks = ["best"] if cell.best or (cell.kind == "p" and cell.value is not None and cell.value < LEVEL) else []
    heat = None
    if cell.kind in _GAINS and cell.value and fixed(cell.value, 2) != "0.00":
        heat = round(min(abs(cell.value) / most, 1.0), 2)
        looks.append("up" if cell.value > 0 else "down")
    places = behind.get(cell.of, ()) if cell.of is not None and cell.value is not None else ()
    kind = "average" if cell.kind == "gain" else cell.kind  # colours say what brackets do elsewhere
    return PageCell(
        cell_words(replace(cell, kind=kind, mark=""), _MARKS, spread=False),
        cell.mark,
        cell.value,
        " ".join(looks),
        heat,
        " ".join(map(str, places)),
    )
