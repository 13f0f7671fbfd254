"""Test metrics by the value of a swept hyper-parameter: the data of the paper's Figure 6."""

from __future__ import annotations

from collections.abc import Sequence

from ...analysis.compare import METRICS, Compared, compare
from ...analysis.resultset import ResultSet
from ...analysis.significance import significance
from ..labels import label_of, metric_label, steps_label
from ..table import ColumnGroup, Line, RowGroup, Table, TableCell
from .overall import FIELDS, records_of, value_cell
from .parts import COLUMNS, number, suite_table
from .significance import Marks, mark_lines

_UNFILLED = (
    "No row of this suite sweeps a hyper-parameter. What would fill this table:  - prl: {decay: {sweep: [1, 1.5, 5]}}"
)


def sensitivity(results: ResultSet) -> Table:
    """A line for each swept value, under the row and the hyper-parameters that it belongs to; base beside them."""
    results = results.models()
    tests = significance(results, intervals=False)
    marks = tests.marks()
    rows = compare(results.cells)
    swept = [row for row in rows if "[" in row.row.strategy]
    groups: list[RowGroup] = []
    for dataset, backbone in dict.fromkeys((row.row.dataset, row.row.backbone) for row in swept):
        here = [row for row in swept if (row.row.dataset, row.row.backbone) == (dataset, backbone)]
        of: dict[tuple[str, int | None], list[Compared]] = {}
        for row in here:
            of.setdefault((row.row.strategy.partition("[")[0], row.row.steps), []).append(row)
        for (family, steps), family_rows in of.items():
            shown = f"{label_of(family)}{f' ({steps_label(steps)})' if steps else ''}"
            groups.append(RowGroup((dataset, label_of(backbone), shown), tuple(_lines(family_rows, rows, marks))))
    return suite_table(
        results,
        name="sensitivity",
        caption="sensitivity to hyper-parameters",
        heading="Value",
        columns=[ColumnGroup("", tuple(map(metric_label, COLUMNS)))],
        groups=groups,
        unfilled="" if groups else _UNFILLED,
        notes=("Avg.: mean of the four gains over the row that each is compared with.", *mark_lines(tests)),
        fields=FIELDS,
        records=(record for row in swept for record in records_of(row)),
    )


def _lines(family: Sequence[Compared], rows: Sequence[Compared], marks: Marks) -> list[Line]:
    against = family[0].against
    beside = [row for row in rows if against is not None and row.row == against]
    lines = [Line(label_of(row.row.strategy), _cells(row, marks)) for row in beside]
    return lines + [Line(row.row.strategy.partition("[")[2].removesuffix("]"), _cells(row, marks)) for row in family]


def _cells(row: Compared, marks: Marks) -> tuple[TableCell, ...]:
    return (*(value_cell(row, metric, marks) for metric in METRICS), number("average", row.average))
