"""The budget of each row: what its search has cost, and the expected best validation score against it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from ...analysis.budget import RISING, Budget, Spent, budgets, unequal
from ...analysis.resultset import ResultSet
from ...records.results import Status
from ..labels import full_name, metric_label, points_label
from ..table import EMPTY, ColumnGroup, Line, Record, Table, TableCell
from .overall import row_label, steps_shown
from .parts import ROW, apart, number, row_fields, row_groups, suite_table

FIELDS = (*ROW, "quantity", "trials", "epochs", "value")

_SHOWN = (1, 2, 5, 10)
_STATUSES = get_args(Status)
_NOTE = (
    "Best of n: the best validation {metric} to be expected of n of the row's own search trials, drawn without "
    "replacement as if their order meant nothing; with replacement (Dodge et al. 2019), and at every n, with --format "
    "csv or json. A trial that diverged or failed counts as 0, a pruned one as the best it had reached. Trials are "
    "distinct settings, of so many as can be searched where that is a number; the other spaces are continuous."
)
_UNFILLED = (
    "No row of this suite has anything to search. What would fill this table:  "
    "- erl: {kl_weight: {search: [0.01, 0.1]}}"
)


def budget(results: ResultSet) -> Table:
    """Per row its distinct search trials of all points, their cost, the expected best of some, the final runs."""
    results = results.models()
    row_budgets = budgets(results)
    shows_steps = steps_shown(row.cell for row in row_budgets)
    labels = [row_label(row.cell, shows_steps) for row in row_budgets]
    unit = _unit(row_budgets)
    heading, titles = apart([row.cell for row in row_budgets])
    best = [f"best of {_SHOWN[0]}", *(f"of {n}" for n in _SHOWN[1:]), "of all"]
    columns = ("trials", "not done", "epochs", unit, *best, f"final {unit}")
    return suite_table(
        results,
        name="budget",
        caption="what each row's search has cost, and the best validation score expected of less",
        columns=[ColumnGroup(heading, columns)],
        groups=row_groups(
            (titles(row.cell), _line(row, label, unit)) for row, label in zip(row_budgets, labels, strict=True)
        ),
        unfilled="" if any(row.trials or row.cell.points != 1 for row in row_budgets) else _UNFILLED,
        notes=_notes(results, row_budgets, labels),
        fields=FIELDS,
        records=(record for row in row_budgets for record in _records(row)),
    )


def _tried(row: Budget) -> TableCell:
    if not row.trials or row.cell.points is None:
        return number("count", row.trials)
    return TableCell("text", text=f"{row.trials:,} of {points_label(row.cell.points)}")


def _unit(row_budgets: Sequence[Budget]) -> str:
    on_gpu = any(spent.gpu_s for row in row_budgets for spent in (row.search, row.finals))
    return "GPU-s" if on_gpu else "core-s"


def _line(row: Budget, label: str, unit: str) -> Line:
    cut = ", ".join(f"{row.statuses[status]} {status}" for status in _STATUSES[1:] if row.statuses.get(status))
    shown = [n if n <= len(row.curve) else None for n in _SHOWN]
    points = [number("value", row.curve[n - 1].expected if n is not None else None) for n in shown]
    last = number("value", row.curve[-1].expected if row.curve else None)
    return Line(
        label,
        (
            _tried(row),
            TableCell("text", text=cut) if cut else EMPTY,
            number("count", row.search.epochs),
            number("count", _seconds(row.search, unit)),
            *points,
            last,
            number("count", _seconds(row.finals, unit)),
        ),
    )


def _seconds(spent: Spent, unit: str) -> float:
    return spent.gpu_s if unit == "GPU-s" else spent.core_s


def _notes(results: ResultSet, row_budgets: Sequence[Budget], labels: Sequence[str]) -> list[str]:
    metrics = sorted({metric_label(trial.spec.metric) for row in row_budgets for trial in row.cell.searched})
    in_epochs = results.suite is not None and results.suite.search.epochs is not None
    names = {id(row): full_name(row.cell, label) for row, label in zip(row_budgets, labels, strict=True)}
    lines = [_NOTE.format(metric=" or ".join(metrics))]
    pairs = unequal(row_budgets, in_epochs=in_epochs)
    what = "epochs" if in_epochs else "search trials"
    if pairs:
        said = (
            f"{names[id(row)]} {_size(row, in_epochs):,} and {names[id(other)]} {_size(other, in_epochs):,}"
            for row, other in pairs
        )
        lines.append(f"Unequal budgets between rows that are compared ({what}): {'; '.join(said)}.")
    else:
        lines.append(f"Rows that are compared have equal budgets ({what}).")
    rising = [f"{names[id(row)]} (+{100 * (row.rise or 0):.1f}%)" for row in row_budgets if row.is_rising]
    if rising:
        lines.append(
            f"Still rising: {', '.join(rising)}. The second half of the trials is expected to raise the best by more "
            f"than {RISING:.0%}, so that a longer search would be expected to find something better."
        )
    return lines


def _size(row: Budget, in_epochs: bool) -> int:
    return row.search.epochs if in_epochs else row.trials


def _records(row: Budget) -> list[Record]:
    search, finals = (row.trials, row.search.epochs), (len(row.cell.finals), row.finals.epochs)
    rows: list[tuple[str, tuple[int, float], float | None]] = [
        ("search_gpu_s", search, row.search.gpu_s),
        ("search_core_s", search, row.search.core_s),
        ("final_gpu_s", finals, row.finals.gpu_s),
        ("final_core_s", finals, row.finals.core_s),
        ("search_points", search, row.cell.points),
        *((f"search_{status}", search, row.statuses.get(status, 0)) for status in _STATUSES),
    ]
    for point in row.curve:
        rows.append(("expected_best", (point.trials, point.epochs), point.expected))
        rows.append(("expected_best_with_replacement", (point.trials, point.epochs), point.with_replacement))
    return [
        row_fields(row.cell) | dict(zip(FIELDS[4:], (quantity, *size, amount), strict=True))
        for quantity, size, amount in rows
    ]
