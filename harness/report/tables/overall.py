"""The layout of the paper's Tables 2 and 3: data sets down, backbones across, gains under each row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from ...analysis.compare import AVERAGE, METRICS, Compared, Row, Stat, compare, stats_of
from ...analysis.paper import paper_rows
from ...analysis.resultset import CellResults, ResultSet
from ...analysis.significance import Significance, significance
from ..labels import label_of, steps_label
from ..protocol import protocol_lines
from ..table import EMPTY, Line, Record, RowGroup, Table, TableCell
from .parts import COLUMNS, NOT_AVAILABLE, ROW, STAT, gains, metric_columns, row_fields, stat_fields, value
from .significance import MARKS, NO_MARKS, Marks, mark_lines

FIELDS = (*ROW, "metric", *STAT, "improvement_percent")

_ON_VALIDATION = "Validation chose settings and epochs: these numbers flatter every row, and compare none."
_Key = tuple[str, int | None]


def overall(results: ResultSet) -> Table:
    """Test metrics of every row, its gain over the row that it is compared with, and the best in bold.

    A data set's baselines come first, the same under each backbone.
    """
    return _overall(results, None)


def marked_overall(results: ResultSet) -> Table:
    """The same with marks where a difference is more than chance; reads the rows of all final runs."""
    return _overall(results, significance(results, intervals=False))


def validation_overall(results: ResultSet) -> Table:
    """The same on validation, where settings and epochs were chosen."""

    def on_validation(cell: CellResults) -> CellResults:
        metrics = [run.validation or {} for run in cell.runs]
        return replace(cell, stats=stats_of(metrics, planned=len(cell.seeds)))

    return comparison_table(
        compare(list(map(on_validation, results.cells))),
        name="validation",
        title=results.name,
        caption=f"{results.name}: validation metrics",
        protocol=(_ON_VALIDATION, *protocol_lines(results, "valid")),
    )


def _overall(results: ResultSet, tests: Significance | None) -> Table:
    return comparison_table(
        compare(results.cells),
        name="overall",
        title=results.name,
        caption=f"{results.name}: test metrics",
        protocol=(*(mark_lines(tests) if tests else ()), *protocol_lines(results)),
        marks=tests.marks() if tests else NO_MARKS,
    )


def paper_table(table: str) -> Table:
    """The paper's "table2" or "table3" as printed, its gains computed anew."""
    number = table.removeprefix("table")
    protocol = (
        f"The values of Table {number} of arXiv 2503.22675 as printed; gains are recomputed from them.",
        "Test, max length 50, patience 10; all items ranked and history not masked, judging by the released code. "
        "Seeds and ties are not stated.",
    )
    return comparison_table(
        compare(paper_rows(table)),
        name=table,
        title=f"Table {number}",
        caption=f"Table {number} of arXiv 2503.22675: test metrics",
        protocol=protocol,
    )


def comparison_table(
    rows: Sequence[Compared],
    *,
    name: str,
    title: str,
    caption: str,
    protocol: tuple[str, ...],
    marks: Marks = NO_MARKS,
) -> Table:
    """Rows in the paper's layout; `marks` are the values that differ from those of the row compared with."""
    models = [row for row in rows if not row.row.is_baseline]
    backbones = list(dict.fromkeys(row.row.backbone for row in models))
    shows_steps = steps_shown(row.row for row in models)
    groups = []
    for dataset in dict.fromkeys(row.row.dataset for row in rows):
        baselines = [row for row in rows if row.row.dataset == dataset and row.row.is_baseline]
        lines = [Line(label_of(row.row.backbone), tuple(_value_cells(row) * len(backbones))) for row in baselines]
        here = [row for row in models if row.row.dataset == dataset]
        groups.append(RowGroup((dataset,), (*lines, *_lines(here, backbones, shows_steps=shows_steps, marks=marks))))
    return Table(
        name=name,
        title=title,
        caption=caption,
        columns=tuple(metric_columns(backbones)),
        groups=tuple(groups),
        protocol=protocol,
        fields=FIELDS,
        records=tuple(record for row in rows for record in records_of(row)),
    )


def records_of(row: Compared) -> list[Record]:
    """The tidy records of a row: the four metrics, and the average gain where there is one."""
    stats = {metric: (row.row.stats[metric], row.improvements.get(metric)) for metric in METRICS}
    if row.average is not None:
        seeds = min(stat.seeds for stat in row.row.stats.values())
        stats[AVERAGE] = (Stat(None, None, seeds, seeds), row.average)
    return [
        row_fields(row.row) | {"metric": metric} | stat_fields(stat) | {"improvement_percent": gain}
        for metric, (stat, gain) in stats.items()
    ]


def row_label(row: Row, shows_steps: Callable[[Row], bool]) -> str:
    """The label of a row: Base, +ERL, +ERL (K=2); see `steps_shown`."""
    plus = "" if row.against in ("", row.strategy) else "+"
    shown = f" ({steps_label(row.steps)})" if shows_steps(row) else ""
    return f"{plus}{label_of(row.strategy)}{shown}"


def steps_shown(rows: Iterable[Row]) -> Callable[[Row], bool]:
    """Which rows show their K: all rows with steps where the table has several K."""
    depths: dict[str, set[int | None]] = {}
    for row in rows:
        depths.setdefault(row.strategy, set()).add(row.steps)
    several = len(set().union(*depths.values()) - {0}) > 1 or any(len(values) > 1 for values in depths.values())
    return lambda row: several and (row.steps != 0 or len(depths[row.strategy]) > 1)


def value_cell(row: Compared, metric: str, marks: Marks = NO_MARKS) -> TableCell:
    """The cell of a row's metric."""
    if row.row.unsupported:
        return NOT_AVAILABLE
    place = row.row.place
    mark = MARKS.get(marks.get((place, metric), ""), "")
    return value(row.row.stats[metric], best=metric in row.best, mark=mark, of=place)


def _lines(
    rows: Sequence[Compared], backbones: Sequence[str], *, shows_steps: Callable[[Row], bool], marks: Marks
) -> list[Line]:
    keys: list[_Key] = list(dict.fromkeys((row.row.strategy, row.row.steps) for row in rows))
    lines = []
    for key in keys:
        across = {row.row.backbone: row for row in rows if (row.row.strategy, row.row.steps) == key}
        any_row = next(iter(across.values()))
        values: list[TableCell] = []
        below: list[TableCell] = []
        for backbone in backbones:
            cell_row = across.get(backbone)
            values += _value_cells(cell_row, marks)
            below += _gain_cells(cell_row)
        lines.append(Line(row_label(any_row.row, shows_steps), tuple(values)))
        if any(row.against is not None for row in across.values()):
            lines.append(Line(_gain_label(any_row.row), tuple(below)))
    return lines


def _gain_label(row: Row) -> str:
    return "(Improv.)" if row.against.lower() == "base" else f"(over {label_of(row.against)})"


def _value_cells(row: Compared | None, marks: Marks = NO_MARKS) -> list[TableCell]:
    if row is None:
        return [EMPTY] * len(COLUMNS)
    last = EMPTY if row.against is not None else TableCell("text", text="-")
    return [*(value_cell(row, metric, marks) for metric in METRICS), last]


def _gain_cells(row: Compared | None) -> list[TableCell]:
    if row is None:
        return [EMPTY] * len(COLUMNS)
    return gains(row.improvements, row.average, best=AVERAGE in row.best)
