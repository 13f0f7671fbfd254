"""What the rows of a table say of one another: improvements, averages, marks, and rows that two tables have."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import permutations

from .cells import Cell
from .checks import AVERAGES, BOLD, GAINS, NO_UNIT, SAME, UNDERLINED, Check, Found, LeftOut, Sides, at_least, nearest
from .metrics import Metric, is_average, plain
from .numbers import ONE, Interval, View, exact, mean, point, rounded, total

_Pair = tuple[Cell, Cell]
_Column = tuple[str, tuple[str, ...], Metric | None]
_Columns = Mapping[_Column, list[Cell]]

NO_PARTS = "without their parts"
_USUAL, _BEST = 3, "(best)"


def improvements(cells: Sequence[Cell]) -> Found:
    """A gain follows from two values of its column.

    Which row it is over, a table does not always say. A gain is left out unless its label names a row of its column, or
    gains over a row of that name, or over the best of the others, are the rule in the table.
    """
    values, gains = map(_by_column, _split(cells))
    asked = []
    for gain in cells:
        if gain.kind == "gain" and gain.metric and not any(map(is_average, gain.where)):
            pairs = _pairs(gain, gains, values)
            known = all(other.number.value > other.number.unit for _, other in pairs)
            asked.append((gain, pairs if known else []))
    usual = _usual(asked)
    for gain, pairs in asked:
        named = _by_name(pairs)
        shown = _named(gain) or usual[_kind(gain)] & {*named}
        if not pairs or not shown:
            yield LeftOut(GAINS, "over a row that the table does not show")
            continue

        def sides(view: View, gain: Cell = gain, pairs: list[_Pair] = pairs) -> Sides:
            return nearest(view(gain.number), [one for pair in pairs for one in _gains(pair, view, gain)])

        likely = [pair for name, here in named.items() if name in usual[_kind(gain)] for pair in here]

        def words(gain: Cell = gain, pairs: list[_Pair] = pairs, likely: list[_Pair] = likely) -> str:
            exactly = {pair: float(_gains(pair, exact, gain)[0].low) for pair in dict.fromkeys([*likely, *pairs])}
            before = max(
                (ours for ours, _ in pairs if ours.line <= gain.line), key=lambda ours: ours.line, default=None
            )
            off = {pair: abs(value - float(gain.number.value)) for pair, value in exactly.items()}
            near = sorted(exactly, key=lambda pair: (pair not in likely, pair[0] is not before, off[pair]))
            shown = [
                f"{ours} ({ours.row}) over {other} ({other.row}) is {exactly[ours, other]:+.2f}%"
                for ours, other in near
            ]
            alike = [replace(gain, metric=known) for *place, known in values if (*place,) == _place(gain)]
            alike = [like for like in alike if like.metric != gain.metric]
            swapped = [like.metric for like in alike if _follows(like, _pairs(like, gains, values))]
            return f"{gain} printed, {'; '.join(shown[:4])}" + "".join(f"; {one} would give it" for one in swapped)

        yield Check(GAINS, gain, words, sides, "%", says=False)


def _usual(asked: Iterable[tuple[Cell, list[_Pair]]]) -> dict[object, set[str]]:
    """By kind of gain the rows that most are over."""
    over: dict[tuple[object, str], list[bool]] = {}
    usual: dict[object, set[str]] = {}
    for gain, pairs in asked:
        usual.setdefault(_kind(gain), set())
        for name, here in _by_name(pairs).items():
            over.setdefault((_kind(gain), name), []).append(_follows(gain, here))
    for (kind, name), follow in over.items():
        if sum(follow) >= _USUAL and 2 * sum(follow) >= len(follow):
            usual[kind].add(name)
    return usual


def _kind(gain: Cell) -> object:
    """Gains that are over rows of one kind: those of a table with the same label."""
    return gain.table, "" if gain.own_gain else gain.row


def _by_name(pairs: Iterable[_Pair]) -> dict[str, list[_Pair]]:
    """By the name of the row that they are over; the best of the others has a name of its own beside."""
    best: dict[int, Fraction] = {}
    for ours, other in pairs:
        best[id(ours)] = max(best.get(id(ours), other.number.value), other.number.value)
    named: dict[str, list[_Pair]] = {}
    for pair in pairs:
        for name in [plain(pair[1].row), *([_BEST] if pair[1].number.value == best[id(pair[0])] else [])]:
            named.setdefault(name, []).append(pair)
    return named


def _named(gain: Cell) -> str:
    """The row that a label such as (over ERL) names, else ""."""
    found = re.fullmatch(r"\(?over (.+?)\)?", gain.row.strip(), re.IGNORECASE)
    return plain(found[1]) if found else ""


def _follows(gain: Cell, pairs: Iterable[_Pair]) -> bool:
    return any(not rounded(gain.number).gap(one) for pair in pairs for one in _gains(pair, rounded, gain))


def _pairs(gain: Cell, gains: _Columns, values: _Columns) -> list[_Pair]:
    """What a gain may be of and over: of its own row, of the one before it, or of any where a column has one gain."""
    here = values.get(_column(gain), [])
    ours = here
    if gain.own_gain:
        ours = [cell for cell in here if cell.line == gain.line]
    elif len(gains.get(_column(gain), [])) > 1:
        ours = [cell for cell in here if cell.line <= gain.line][-1:]
    over = [cell for cell in here if plain(cell.row) == _named(gain)] if _named(gain) else here
    return [(one, other) for one in ours for other in over if other is not one]


def _gains(pair: _Pair, view: View, gain: Cell) -> list[Interval]:
    """Of the other value, or in points."""
    ours, other = (view(cell.number) for cell in pair)
    return _as_printed([ours / other - ONE, ours - other], gain)


def _as_printed(shares: list[Interval], gain: Cell) -> list[Interval]:
    """In percent, or as they are where no unit is printed; without their sign where none is."""
    found = [*(one * point(100) for one in shares), *([] if gain.unit else shares)]
    return found if gain.signed else [*found, *(point(-1) * one for one in found)]


def average_gains(cells: Sequence[Cell]) -> Found:
    """An average gain is the mean of those of its row, or the gain of the mean."""
    values, gains = _split(cells)
    for average in (cell for cell in gains if cell.metric is None):
        beside = [cell for cell in gains if cell.metric and _place(cell) == _place(average)]
        parts = [cell for cell in beside if cell.line == average.line]
        parts = parts or [cell for cell in beside if cell.line == average.line + 1]
        lines: dict[int, list[Cell]] = {}
        for cell in values:
            if _place(cell) == _place(average) and cell.metric in {part.metric for part in parts}:
                lines.setdefault(cell.line, []).append(cell)
        full = [line for line in lines.values() if len(line) == len(parts)]
        if len(parts) < 2 or any(cell.number.value <= cell.number.unit for line in full for cell in line):
            yield LeftOut(AVERAGES, NO_PARTS)
            continue

        def sides(
            view: View, average: Cell = average, parts: list[Cell] = parts, full: list[list[Cell]] = full
        ) -> Sides:
            sums = [total(view(cell.number) for cell in line) for line in full]
            of_means = _as_printed([ours / other - ONE for ours, other in permutations(sums, 2)], average)
            return nearest(view(average.number), [mean([view(part.number) for part in parts]), *of_means])

        yield Check(AVERAGES, average, f"{average} of {', '.join(map(str, parts))}", sides, "%")


def averages(cells: Sequence[Cell], rows_of: Callable[[Cell], int | None]) -> Found:
    """An average over data sets is that of their values, plain or weighted by rows."""
    values, _ = _split(cells)
    for average in values:
        place = next((place for place, title in enumerate(average.where) if is_average(title)), None)
        if place is None:
            continue
        parts = [cell for cell in values if _without(cell, place) == _without(average, place) and cell is not average]
        rows = [count for part in parts if (count := rows_of(part))]
        if len(parts) < 2 or len(rows) < len(parts):
            yield LeftOut(AVERAGES, "that may be weighted by rows (--rows)" if parts else NO_PARTS)
            continue
        weights = [point(Fraction(count, sum(rows))) for count in rows]

        def sides(
            view: View, average: Cell = average, parts: list[Cell] = parts, weights: list[Interval] = weights
        ) -> Sides:
            seen = [view(part.number) for part in parts]
            weighted = total(share * part for share, part in zip(weights, seen, strict=True))
            return nearest(view(average.number), [mean(seen), weighted])

        yield Check(AVERAGES, average, f"{average} of {', '.join(map(str, parts))}", sides)


def _without(cell: Cell, place: int) -> object:
    return cell.table, cell.row, cell.metric, cell.where[:place], cell.where[place + 1 :]


def marks(cells: Sequence[Cell]) -> Found:
    """The best of a column is bold, and the second underlined, among rows that have that mark in some column."""
    values, _ = _split(cells)
    scopes: dict[object, list[Cell]] = {}
    for cell in values:
        scopes.setdefault((*_place(cell), cell.block, cell.metric), []).append(cell)
    for mark in (BOLD, UNDERLINED):
        marked_rows = {(*_place(cell), cell.block, cell.row) for cell in values if getattr(cell, mark)}
        for here in scopes.values():
            marked = [cell for cell in here if getattr(cell, mark)]
            free = [cell for cell in here if not cell.bold and not (mark == UNDERLINED and cell.underlined)]
            rivals = [cell for cell in free if (*_place(cell), cell.block, cell.row) in marked_rows]
            if marked and not rivals:
                yield LeftOut(mark, "without another row of that mark")
            elif marked:
                ours, best = (max(those, key=lambda cell: cell.number.value) for those in (marked, rivals))

                def sides(view: View, ours: Cell = ours, best: Cell = best) -> Sides:
                    return at_least(view(ours.number), view(best.number).low)

                yield Check(mark, ours, f"{ours} is {mark}, {best} of {best.row} is not", sides, says=False)


def same_rows(tables: Iterable[Sequence[Cell]]) -> Found:
    """A row that stands in two files has the same numbers in both."""
    by_name: dict[object, list[Cell]] = {}
    for cells in tables:
        here: dict[object, list[Cell]] = {}
        for cell in _split(cells)[0]:
            names = sorted(map(plain, (*cell.where, cell.row)))
            here.setdefault((*filter(None, names), cell.metric), []).append(cell)
        for name, found in here.items():
            by_name.setdefault(name, []).extend(found if len(found) == 1 else [])
    for first, *others in filter(None, by_name.values()):
        for cell in others:

            def sides(view: View, here: Cell = cell, there: Cell = first) -> Sides:
                return view(here.number), view(there.number)

            if first.unit and cell.unit:
                yield Check(SAME, cell, f"{cell} here, {first} in {first.table}", sides, says=False)
            else:
                yield LeftOut(SAME, NO_UNIT)


def _split(cells: Iterable[Cell]) -> tuple[list[Cell], list[Cell]]:
    kinds: dict[str, list[Cell]] = {"value": [], "gain": []}
    for cell in cells:
        kinds[cell.kind].append(cell)
    return kinds["value"], kinds["gain"]


def _place(cell: Cell) -> tuple[str, tuple[str, ...]]:
    return cell.table, cell.where


def _column(cell: Cell) -> _Column:
    return cell.table, cell.where, cell.metric


def _by_column(cells: Iterable[Cell]) -> _Columns:
    columns: dict[_Column, list[Cell]] = {}
    for cell in cells:
        columns.setdefault(_column(cell), []).append(cell)
    return columns
