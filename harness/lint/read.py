"""A file to the cells of its tables: which columns and rows are metrics, and what the others call them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..utils.errors import InputError
from .cells import NOTHING, Cell, Content, Reading, Text, content, in_fractions
from .formats import Grid, csv_table, is_markdown, latex_tables, markdown_tables
from .metrics import Metric, is_average, is_gain, is_statistic, metric
from .numbers import printed

_VALUES, _SPREADS, _SEEDS = ("value", "mean", "score"), ("std", "sd", "stdev"), ("seeds", "runs")
_ROWS = ("strategy", "method", "model", "row", "name")
_LABELS = re.compile(r"(?:models?|methods?|data ?sets?|metrics?|row|variants?)?", re.IGNORECASE)
_SPREAD_SAID = re.compile(r"standard deviation|\bstd\b|\bs\.?d\.", re.IGNORECASE)
_PERCENT_SAID = re.compile(
    r"\bin (?:percent|%|\\%)|\(\s*\\?%\s*\)|percentage|(?:x|×|\\times|by)\s*\$?\s*100\b", re.IGNORECASE
)
_CUTOFFS = ("k", "@k", "top-k", "topk", "cutoff", "cut-off")
NO_NAME, NO_NUMBER, TWICE = "no metric's name", "not one number", "a row named twice"
STATISTIC, GAIN_BESIDE = "of a test or a spread", "a gain beside its value"


def read_table(path: Path) -> Reading:
    """The cells of all tables of a CSV, Markdown or LaTeX file.

    Raises:
        InputError: it cannot be read, or no number in it is of a metric that is known.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InputError(f"{path} cannot be read: {why}. Allowed: a CSV, Markdown or LaTeX file.") from error
    reading = read_text(text, str(path))
    if not reading.cells:
        left_out = ", ".join(f"{count:,} {why}" for why, count in reading.left_out.items() if count)
        raise InputError(
            f"{path}: no table with a metric at a cut-off. Known: Recall@K, R@K, HR@K, Hit@K, H@K, NDCG@K, N@K, MRR@K "
            f"and M@K, in headers or rows of a CSV, Markdown or LaTeX table.{left_out and f' Left out: {left_out}.'}"
        )
    return reading


def read_text(text: str, name: str) -> Reading:
    """The same of a text; without cells where it has no such table."""
    if r"\begin{" in text:
        grids = list(latex_tables(text))
    elif is_markdown(text):
        grids = list(markdown_tables(text))
    else:
        grids = [csv_table(text, name)] if text.strip() else []
    reading = Reading()
    for number, grid in enumerate(grids, 1):
        _read_grid(grid, f"{name}, table {number}" if len(grids) > 1 else name, text, reading)
    return reading


def _read_grid(grid: Grid, name: str, text: str, reading: Reading) -> None:
    names = [cell.words.lower() for cell in grid.rows[0]] if grid.rows else []
    if {"quantity", "statistic", "change"} & {*names}:
        reading.left_out["a table of several quantities"] += 1
        return
    tidy = "metric" in names and any(value in names for value in _VALUES)
    found = list(_tidy(grid, names, name, reading) if tidy else _wide(grid, name, reading))
    percent = {cell.metric.family for cell, inside in found if cell.metric and cell.kind == "value" and inside.percent}
    said = tidy or bool(_SPREAD_SAID.search(text))
    cells = [cell if said else _without_spread(cell, reading) for cell, _ in found]
    if any(cell.kind == "value" and cell.signed for cell in cells):
        reading.left_out["a table of numbers with signs: differences?"] += 1
        return
    reading.cells += in_fractions(_once(cells, reading), percent, maybe=bool(_PERCENT_SAID.search(text)))


def _without_spread(cell: Cell, reading: Reading) -> Cell:
    if cell.spread is None:
        return cell
    reading.left_out["a spread that is not said to be a standard deviation"] += 1
    return replace(cell, spread=None)


def _once(cells: Sequence[Cell], reading: Reading) -> list[Cell]:
    """Cells whose place is theirs alone."""
    counts: dict[object, int] = {}
    for cell in cells:
        counts[_key(cell)] = counts.get(_key(cell), 0) + 1
    once = [cell for cell in cells if counts[_key(cell)] == 1]
    reading.left_out[TWICE] += len(cells) - len(once)
    return once


def _key(cell: Cell) -> object:
    return cell.where, cell.row, cell.line, cell.metric, cell.kind


def _tidy(grid: Grid, names: Sequence[str], table: str, reading: Reading) -> Iterator[tuple[Cell, Content]]:
    """A row a number, its metric in a column."""
    place = {name: column for column, name in enumerate(names)}

    def column(*wanted: str) -> int | None:
        return next((place[name] for name in wanted if name in place), None)

    value, spread, seeds = column(*_VALUES), column(*_SPREADS), column(*_SEEDS)
    gain = next((place[name] for name in names if is_gain(name.replace("_", " "))), None)
    cutoff = column(*_CUTOFFS)
    apart = {place["metric"], value, spread, seeds, gain}
    titles = [number for number in range(len(names)) if number not in apart]
    row = column(*_ROWS)
    row = row if row in titles else titles[-1] if titles else None
    lines: dict[tuple[str, ...], int] = {}
    for words in ([cell.words for cell in row_cells] for row_cells in grid.rows[1:]):
        known = metric(words[place["metric"]])
        if known is None and cutoff is not None and (known := metric(f"{words[place['metric']]}@{words[cutoff]}")):
            words[cutoff] = ""
        if known is None and not is_average(words[place["metric"]]):
            reading.left_out[NO_NAME] += 1
            continue
        where = tuple(words[number] for number in titles if row is not None and number < row)
        label = " ".join(filter(None, (words[number] for number in titles if row is not None and number >= row)))
        line = lines.setdefault((*where, label), len(lines))
        for kind, number in (("value", value), ("gain", gain)):
            inside = content(words[number]) if number is not None else None
            if inside is None or number is None or (known is None and kind == "value"):
                reading.left_out[NO_NUMBER] += number is not None and words[number].lower() not in NOTHING
                continue
            deviation = printed(words[spread]) if spread is not None and kind == "value" else None
            runs = int(words[seeds]) if seeds is not None and words[seeds].isdecimal() else None
            percent = kind == "gain" and (inside.percent or "percent" in names[number])
            cell = Cell(
                table, where, label, 0, line, known, "gain" if kind == "gain" else "value", inside.number,
                unit="percent" if percent else "", spread=deviation or inside.spread, seeds=runs or None,
                signed=inside.signed or kind == "gain", own_gain=True,
            )  # fmt: skip
            yield cell, inside


@dataclass(frozen=True)
class _Column:
    """A column of a wide table: its metric, whether it averages over metrics, and its further titles."""

    metric: Metric | None
    average: bool
    titles: tuple[str, ...]


def _wide(grid: Grid, table: str, reading: Reading) -> Iterator[tuple[Cell, Content]]:
    """Metrics in the header or in the labels of rows."""
    start = next((place for place, row in enumerate(grid.rows) if any(map(_is_decimal, row))), len(grid.rows))
    head, body = grid.rows[:start], list(zip(grid.blocks, grid.rows, strict=True))[start:]
    width = len(grid.rows[0]) if grid.rows else 0
    columns = [_column([row[place].words for row in head]) for place in range(width)]
    in_head = any(column.metric for column in columns)
    by_column = [*zip(*(row for _, row in body), strict=True)]
    numbers = [sum(map(_is_decimal, column)) for column in by_column]
    filled = [sum(cell.words.lower() not in NOTHING for cell in column) for column in by_column]
    is_number = [2 * some >= all_ > 0 for some, all_ in zip(numbers, filled, strict=True)]
    values = [
        place
        for place in range(width)
        if columns[place].metric or (columns[place].average if in_head else body and is_number[place])
    ]
    labels = [place for place in range(width) if place not in values and body and not is_number[place]]
    for place in {*range(width)} - {*values, *labels}:
        reading.left_out[NO_NAME] += numbers[place] if body else 0
    kinds = _kinds([column.titles for place, column in enumerate(columns) if place in values and not column.metric])
    section, above = "", [""] * width
    for line, (block, row) in enumerate(body):
        words = [cell.words for cell in row]
        if not any(content(words[place]) for place in values):
            alone = {*filter(None, words)}
            section = alone.pop() if len(alone) == 1 else section
        above = _filled(words, above, labels)
        for place in values:
            mine = _labels_of(place, labels, values)
            beside = columns[mine[-1]] if mine else None
            named = _named(columns[place], [above[label] for label in mine], beside, kinds)
            inside = content(words[place])
            reading.left_out["blank" if words[place].lower() in NOTHING else NO_NUMBER] += inside is None
            reading.left_out[NO_NAME] += inside is not None and named is None
            if inside is None or named is None:
                continue
            known, where, name, across = named
            if any(map(is_statistic, (name, *where))):
                reading.left_out[STATISTIC] += 1
                continue
            reading.left_out[GAIN_BESIDE] += inside.gain_beside
            gain = is_gain(name) or any(map(is_gain, where)) or (known is None and inside.signed)
            if known is None and not gain:
                reading.left_out["an average over metrics"] += 1
                continue
            titles = tuple(filter(None, (section, *where)))
            cell = Cell(
                table, titles, name, 0 if across else block, place if across else line, known,
                "gain" if gain else "value", inside.number, unit="percent" if gain and inside.percent else "",
                spread=inside.spread, signed=inside.signed, bold=row[place].bold, underlined=row[place].underlined,
            )  # fmt: skip
            yield cell, inside


def _kinds(titles: Sequence[tuple[str, ...]]) -> bool:
    """Whether titles above methods say of which kind these are: no method stands below two."""
    names = [title[-1] for title in titles if title and not is_gain(title[-1])]
    return len({*names}) == len(names)


def _named(
    column: _Column, labels: list[str], label: _Column | None, kinds: bool
) -> tuple[Metric | None, tuple[str, ...], str, bool] | None:
    """Metric, titles, row, and whether rows of the comparison are columns; None without a metric.

    Titles above methods that say of which `kinds` they are do not part them.
    """
    if column.metric or column.average:
        own = [title for title in label.titles if not _LABELS.fullmatch(title)] if label else []
        return column.metric, (*labels[:-1], *own, *column.titles), labels[-1] if labels else "", False
    known, rest = _metric_in(labels)
    if known is None or not column.titles:
        return None
    return known, (*rest, *(() if kinds else column.titles[:-1])), column.titles[-1], True


def _column(levels: list[str]) -> _Column:
    levels = list(filter(None, dict.fromkeys(levels)))
    known, titles = _metric_in(levels)
    average = known is None and bool(levels) and is_average(levels[-1])
    return _Column(known, average, tuple(titles[:-1] if average else titles))


def _metric_in(names: Sequence[str]) -> tuple[Metric | None, list[str]]:
    """The metric that a name is, or two neighbours are together (NDCG over @10), and the other names."""
    for size in (1, 2):
        for place in range(len(names) - size, -1, -1):
            if known := metric(" ".join(names[place : place + size])):
                return known, [*names[:place], *names[place + size :]]
    return None, list(names)


def _filled(words: Sequence[str], above: Sequence[str], labels: Sequence[int]) -> list[str]:
    """Labels of a row; a blank one, but the last of its side, is that of the row above."""
    result = list(words)
    for place, label in enumerate(labels):
        last = label + 1 not in labels
        if not words[label] and not last and not any(words[left] for left in labels[:place]):
            result[label] = above[label]
    return result


def _labels_of(place: int, labels: Sequence[int], values: Sequence[int]) -> list[int]:
    """The columns that name a row at a value: those at the left end, the last of them repeated beside some values."""
    first = [label for label in labels if label < values[0]]
    near = [label for label in labels if values[0] < label < place]
    return [*first[:-1], near[-1]] if near else first


def _is_decimal(cell: Text) -> bool:
    inside = content(cell.words)
    return inside is not None and ("." in cell.words or inside.percent)
