"""The top of the page: what a suite compares, on what, how fairly, and the best row of each data set."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ...analysis.budget import Budget, budgets, unequal
from ...analysis.compare import Compared, compare
from ...analysis.resultset import CellResults, ResultSet
from ...records.results import converged
from ...utils.text import fixed
from ..figures.colours import places_beside_names
from ..figures.gains import METRIC
from ..labels import label_of, points_label, row_name, steps_label
from ..protocol import own_backbones

_FEW = 6
"""Names that are written out."""

Tone = Literal["plain", "good", "bad"]


@dataclass(frozen=True)
class Fact:
    """One line of the top: its name, its words, and whether it speaks for or against the comparison."""

    name: str
    words: str
    tone: Tone = "plain"


@dataclass(frozen=True)
class Best:
    """The best row of a data set and backbone, by the mean of its runs.

    Attributes:
        colour: place of its strategy's colour.
        share: of the best of all, for a bar.
        over: what its gain, in percent, is over.
        next: the row after it, and by how many percent it is behind, or that it is equal; "" for none.
    """

    dataset: str
    backbone: str
    name: str
    colour: int
    mean: float
    std: float | None
    seeds: int
    share: float
    gain: float | None
    over: str
    next: str


def facts_of(results: ResultSet) -> tuple[Fact, ...]:
    """What is compared, on what, its budget, its seeds, and whether training ended by itself."""
    once = [cell for cell in results.models().once().cells if not cell.unsupported]
    return (
        Fact("Compared", _compared(results)),
        Fact("On", _data(results)),
        _budget(results),
        _seeds(once),
        _converged(once),
    )


def strategies_of(results: ResultSet) -> tuple[tuple[str, int], ...]:
    """The suite's strategies, rows of a sweep as one, each with the place of its colour."""
    places = places_beside_names(cell.strategy for cell in results.models().cells)
    return tuple({label_of(name.partition("[")[0]): place for name, place in places.items()}.items())


def best_rows(results: ResultSet) -> tuple[Best, ...]:
    """The best row of every data set and backbone, of rows whose planned runs are all done."""
    colours = places_beside_names(cell.strategy for cell in results.models().cells)
    places: dict[tuple[str, str], list[Compared]] = {}
    for row in compare(results.models().cells):
        if row.row.stats[METRIC].complete:
            places.setdefault((row.row.dataset, row.row.backbone), []).append(row)
    ordered = [
        sorted(rows, key=lambda row: math.inf if METRIC in row.best else _mean(row), reverse=True)
        for rows in places.values()
    ]
    most = max((_mean(rows[0]) for rows in ordered), default=0.0) or 1.0
    return tuple(_best(rows, most, colours) for rows in ordered)


def _best(rows: Sequence[Compared], most: float, colours: Mapping[str, int]) -> Best:
    first, stat = rows[0], rows[0].row.stats[METRIC]
    behind = ""
    if len(rows) > 1:
        behind = row_name(rows[1].row, brackets=False)
        if METRIC in rows[1].best:
            behind += ", equal"
        elif _mean(first):
            behind += f", {fixed(100 * (_mean(rows[1]) / _mean(first) - 1), 1, plus='+')}%"
    return Best(
        first.row.dataset,
        label_of(first.row.backbone),
        row_name(first.row, brackets=False),
        colours[first.row.strategy],
        _mean(first),
        stat.std,
        stat.seeds,
        _mean(first) / most,
        first.improvements.get(METRIC),
        label_of(first.against.strategy) if first.against is not None else "",
        behind,
    )


def _mean(row: Compared) -> float:
    return row.row.stats[METRIC].mean or 0.0


def _compared(results: ResultSet) -> str:
    cells = [cell for cell in results.models().cells if not cell.unsupported]
    rows = list(dict.fromkeys((cell.strategy, cell.steps) for cell in cells))
    depths = list(dict.fromkeys(cell.steps for cell in cells if cell.steps != 0))
    words = f"{len(rows)} rows" if len(rows) > 1 else "1 row"
    words += f" on {_listed([label_of(name) for name in dict.fromkeys(cell.backbone for cell in cells)], 'backbones')}"
    if own := own_backbones(results):
        words += f" or a backbone of their own, {own}"
    words += f", {_listed([steps_label(depth) for depth in depths], 'numbers of steps')}" if depths else ""
    baselines = list(dict.fromkeys(label_of(cell.backbone) for cell in results.cells if cell.is_baseline))
    return words + (f"; beside them {' and '.join(baselines)}, counts without a model" if baselines else "")


def _data(results: ResultSet) -> str:
    names = list(dict.fromkeys(cell.dataset for cell in results.cells))
    facts = [results.facts.get(name, {}) for name in names]
    rows = [fact["statistics"]["rows"]["test"] for fact in facts if "rows" in fact.get("statistics", {})]
    splits = {fact["protocol"]["split"] for fact in facts if "split" in fact.get("protocol", {})}
    words = [_listed(names, "data sets")]
    if len(rows) == len(names):
        words.append(f"{sum(rows):,} test rows")
    words.append("all items ranked")
    return ", ".join([*words, *(f"split {split}" for split in splits if len(splits) == 1)])


def _budget(results: ResultSet) -> Fact:
    rows = budgets(results)
    in_epochs = results.suite is not None and results.suite.search.epochs is not None
    pairs = unequal(rows, in_epochs=in_epochs)
    if not any(row.trials for row in rows):
        return Fact("Budget", "nothing is searched: every row has its settings from the suite", "good")
    sizes: dict[str, list[Budget]] = {}
    for row in rows:
        sizes.setdefault(label_of(row.cell.strategy), []).append(row)
    spent = [f"{name} {_trials(here)}" for name, here in sizes.items()]
    counts = sorted({row.trials for row in rows})
    alike = {_trials(here) for here in sizes.values()}
    if len(spent) > 1 and len(alike) == 1:
        words = f"{alike.pop()} a row"
    else:
        words = ", ".join(spent) if len(spent) <= _FEW else _span(counts)
    equal = f"unequal in {len(pairs)} of {len(rows)} rows" if pairs else "equal where rows are compared"
    return Fact("Budget", f"search trials: {words}; {equal}", "bad" if pairs else "good")


def _trials(rows: Sequence[Budget]) -> str:
    counts, points = sorted({row.trials for row in rows}), {row.cell.points for row in rows}
    of = f" of {points_label(min(filter(None, points)))}" if len(points) == 1 and None not in points else ""
    return f"{'-'.join(map(str, dict.fromkeys((counts[0], counts[-1]))))}{of if counts != [0] else ''}"


def _seeds(cells: Sequence[CellResults]) -> Fact:
    planned, done = sum(len(cell.seeds) for cell in cells), sum(len(cell.runs) for cell in cells)
    counts = sorted({len(cell.seeds) for cell in cells})
    same = ", the same for all rows that are compared" if len(counts) == 1 else ", until decided"
    words = f"{' or '.join(map(str, counts))} a row{same}; "
    words += (
        f"all {planned:,} final runs are done" if done == planned else f"{done:,} of {planned:,} final runs are done"
    )
    return Fact("Seeds", words, "good" if done == planned and counts and counts[0] > 1 else "bad")


def _converged(cells: Sequence[CellResults]) -> Fact:
    finals = [run for cell in cells for run in cell.runs]
    searched = [trial for cell in cells for trial in cell.searched if trial.status == "done"]
    cut = [sum(not converged(trial) for trial in trials) for trials in (finals, searched)]
    if not finals:
        return Fact("Converged", "no final run is done", "bad")
    if not any(cut):
        return Fact("Converged", "yes: max_epochs ended no trial before its patience", "good")
    words = [
        f"{count:,} of {len(trials):,} {name}"
        for count, trials, name in zip(cut, (finals, searched), ("final runs", "search trials"), strict=True)
        if count
    ]
    return Fact("Converged", f"no: max_epochs, not patience, ended {' and '.join(words)}", "bad")


def _listed(names: Sequence[str], what: str) -> str:
    return ", ".join(names) if len(names) <= _FEW else f"{len(names)} {what}"


def _span(counts: Sequence[int]) -> str:
    """Ascending numbers of trials: "8 a row", "2 to 8 a row"."""
    return f"{counts[0]} a row" if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]} a row"
