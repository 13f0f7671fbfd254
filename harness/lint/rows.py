"""What the numbers of one row say of one another, one function each, with one target a test row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import combinations, pairwise

from .cells import Cell
from .checks import (
    BOTH,
    GROWTH,
    HITS,
    MRR,
    NDCG,
    NO_GRID,
    NO_ROWS,
    NO_SEEDS,
    NO_UNIT,
    SPREAD,
    Check,
    Found,
    LeftOut,
    Sides,
    at_least,
    nearest,
)
from .metrics import FAMILIES, Family, Metric, weight
from .numbers import FAR, ZERO, Interval, Printed, View, point, root, rounded, total

Row = Mapping[Metric, Cell]
_MOST_SUMS = 50
_LITTLE = Fraction(1, 10**9)


@dataclass(frozen=True)
class _Increase:
    """What a metric gains between two cut-offs, of which the lower may be 0."""

    cells: Mapping[int, Cell]
    low: int
    high: int

    def __call__(self, view: View) -> Interval:
        low = view(self.cells[self.low].number) if self.low else ZERO
        return view(self.cells[self.high].number) - low

    def __str__(self) -> str:
        names = [f"{cell.metric} {cell}" for cell in (self.cells[self.high], self.cells.get(self.low)) if cell]
        return " - ".join(names)

    @property
    def cell(self) -> Cell:
        """That of the higher cut-off."""
        return self.cells[self.high]


def _family(row: Row, family: Family) -> dict[int, Cell]:
    return {known.cutoff: cell for known, cell in sorted(row.items()) if known.family == family}


def _increases(row: Row, family: Family) -> Iterator[_Increase]:
    cells = _family(row, family)
    return (_Increase(cells, low, high) for low, high in combinations((0, *cells), 2))


def growth(row: Row) -> Found:
    """A metric is at least what it is at a smaller cut-off; first of neighbours, which others follow from."""
    for family in FAMILIES:
        cells = _family(row, family)
        cuts = [*cells]
        for low, high in (pair for apart in range(1, len(cuts)) for pair in zip(cuts, cuts[apart:], strict=False)):
            more = _Increase(cells, low, high)

            def sides(view: View, more: _Increase = more) -> Sides:
                return at_least(more(view), Fraction(0))

            yield Check(GROWTH, more.cell, str(more), sides, instead=_between(cells, low, high))


def _between(cells: Mapping[int, Cell], low: int, high: int) -> tuple[tuple[Cell, Interval], ...]:
    """Of two cells the first if it is too high, and the second if it is too low: within those at other cut-offs."""
    seen = {cut: rounded(cell.number) for cut, cell in cells.items()}
    below = [one.low for cut, one in seen.items() if cut < low and one.low <= seen[high].high]
    above = [one.high for cut, one in seen.items() if cut > high and one.high >= seen[low].low]
    top = Fraction(1) if cells[high].unit else FAR
    return (
        (cells[low], Interval(max(below, default=Fraction(0)), seen[low].high)),
        (cells[high], Interval(seen[high].low, min(above, default=top))),
    )


def within_recall(row: Row) -> Found:
    """Hits between two cut-offs add to NDCG, or MRR, at most what the first rank gives, at least what the last does."""
    cuts = _family(row, "Recall")
    for family, rule in zip(FAMILIES[1:], (NDCG, MRR), strict=True):
        for more in _increases(row, family):
            ends = [cut for cut in (0, *cuts) if more.low <= cut <= more.high]
            if {more.low, more.high} - {*ends}:
                yield LeftOut(rule, "without a recall at that cut-off")
            elif not (more.cell.unit and cuts[more.high].unit):
                yield LeftOut(rule, NO_UNIT)
            else:

                def sides(view: View, family: Family = family, more: _Increase = more, ends: list[int] = ends) -> Sides:
                    hits = [view(cuts[end].number) if end else ZERO for end in ends]
                    least, most = (_weighted(_factors(family, *ends, last=last), hits) for last in (True, False))
                    return more(view), Interval(least.low, most.high)

                given = ", ".join(f"{cuts[end].metric} {cuts[end]}" for end in ends if end)
                yield Check(rule, more.cell, f"{more} with {given}", sides)


@cache
def _factors(family: Family, *ends: int, last: bool) -> list[Interval]:
    """Of the hits up to each of some cut-offs: what they add if those in between are all at the last or first rank."""
    weights = [weight(family, right if last else left + 1) for left, right in pairwise(ends)]
    return [before - behind for before, behind in pairwise([ZERO, *weights, ZERO])]


def _weighted(weights: Iterable[Interval], numbers: Iterable[Interval]) -> Interval:
    return total(factor * number for factor, number in zip(weights, numbers, strict=True))


def ndcg_and_mrr(row: Row) -> Found:
    """NDCG lies within the hull of what hits at each rank give to it, to MRR, and to recall where that is known."""
    mrr, recall = _family(row, "MRR"), _family(row, "Recall")
    for ndcg in _increases(row, "NDCG"):
        low, high = ndcg.low, ndcg.high
        if {low, high} - {0, *mrr}:
            continue
        others = [_Increase(mrr, low, high)]
        if not {low, high} - {0, *recall} and high - low > 1:
            others.append(_Increase(recall, low, high))
        if not all(more.cell.unit for more in (ndcg, *others)):
            yield LeftOut(BOTH, NO_UNIT)
            continue

        def sides(view: View, ndcg: _Increase = ndcg, others: list[_Increase] = others) -> Sides:
            ranks, seen = range(ndcg.low + 1, ndcg.high + 1), [more(view) for more in others]
            ratio = [weight("NDCG", rank) / weight("MRR", rank) * seen[0] for rank in (ranks[0], ranks[-1])]
            bottom, top = [ratio[0].low], [ratio[1].high]
            if len(seen) > 1:
                bottom.append(_weighted(_line(ranks[0], ranks[-1]), seen).low)
                near = min(max(int(seen[1].high / max(seen[0].high, _LITTLE)), ranks[0]), ranks[-2])
                top += [_weighted(_line(rank, rank + 1), seen).high for rank in {max(near - 1, ranks[0]), near}]
            return ndcg(view), Interval(max(bottom), max(max(bottom), min(top)))

        yield Check(BOTH, ndcg.cell, f"{ndcg} with {', '.join(map(str, others))}", sides)


@cache
def _line(first: int, second: int) -> tuple[Interval, Interval]:
    """Where hits are at two ranks alone: the factors of MRR and of recall whose sum is NDCG."""
    slope = (weight("NDCG", first) - weight("NDCG", second)) / (weight("MRR", first) - weight("MRR", second))
    return slope.outward(), (weight("NDCG", first) - slope * weight("MRR", first)).outward()


def whole_hits(row: Row, rows: int | None, seeds: int | None) -> Found:
    """Recall is a whole number of hits; over runs, the mean of such."""
    for cell in _family(row, "Recall").values():
        runs = cell.seeds or seeds
        if rows is None or runs is None:
            yield LeftOut(HITS, NO_ROWS if rows is None else NO_SEEDS)
        elif not cell.unit or rounded(cell.number).width * rows * runs >= 1:
            yield LeftOut(HITS, NO_GRID if cell.unit else NO_UNIT)
        else:

            def sides(view: View, cell: Cell = cell, of: int = rows * runs) -> Sides:
                hits = view(cell.number) * point(of)
                return hits, point(round((hits.low + hits.high) / 2))

            yield Check(HITS, cell, f"{cell} of {rows:,} rows{f' in {runs} runs' if runs > 1 else ''}", sides, " hits")


def deviations(row: Row, rows: int | None, seeds: int | None) -> Found:
    """A standard deviation of values between 0 and 1 has a bound; that of recalls comes from whole hits."""
    for known, cell in row.items():
        spread, runs = cell.spread, cell.seeds or seeds
        if spread is None or runs == 1:
            continue
        if runs is None or not cell.unit:
            yield LeftOut(SPREAD, NO_UNIT if runs else NO_SEEDS)
            continue

        def bound(view: View, mean: Printed = cell.number, spread: Printed = spread, runs: int = runs) -> Sides:
            middle = min(max(view(mean).low, Fraction(1, 2)), view(mean).high)
            return view(spread), Interval(Fraction(0), root(Fraction(runs, runs - 1) * middle * (1 - middle)).high)

        words = f"{cell} ± {spread.text} over {runs} runs"
        yield Check(SPREAD, cell, words, bound)
        if known.family == "Recall" and rows is not None:
            possible = _deviations(cell.number, spread, rows, runs)
            if possible:

                def grid(view: View, spread: Printed = spread, possible: list[Interval] = possible) -> Sides:
                    return nearest(view(spread), possible)

                yield Check(SPREAD, cell, f"{words} of {rows:,} rows", grid)
            else:
                yield LeftOut(SPREAD, NO_GRID)


def _deviations(mean: Printed, spread: Printed, rows: int, runs: int) -> list[Interval]:
    """The deviations of whole hits nearest to a printed one, over n - 1 or n; none if nearly every one is possible."""
    hits, ends = rounded(mean) * point(rows * runs), rounded(spread)
    squares = [max(end, Fraction(0)) ** 2 * rows**2 for end in (ends.low, ends.high)]
    sums = range(math.ceil(hits.low), math.floor(hits.high) + 1)
    if len(sums) > _MOST_SUMS or (squares[1] - squares[0]) * (runs - 1) >= 2:
        return []
    found = []
    for sum_ in sums:
        each, over = divmod(sum_, runs)
        fewest = runs * each * each + 2 * over * each + over  # the least sum of squares of whole hits
        for below in (runs * (runs - 1), runs * runs):
            for wanted in squares:
                start = max(fewest, math.floor((wanted * below + sum_ * sum_) / runs) - 2)
                start += (start - sum_) % 2  # a square is odd where its number is
                found += [
                    root(Fraction(runs * of - sum_ * sum_, below * rows * rows)) for of in range(start, start + 6, 2)
                ]
    return found
