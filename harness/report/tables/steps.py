"""Each metric by K, a model trained per K: the data of the paper's Figure 5."""

from __future__ import annotations

from collections.abc import Sequence

from ...analysis.compare import METRICS, Compared, compare
from ...analysis.resultset import ResultSet
from ..labels import label_of, metric_label
from ..table import EMPTY, ColumnGroup, Line, RowGroup, Table
from .overall import FIELDS, records_of, row_label, value_cell
from .parts import NO_STEPS, suite_table


def steps(results: ResultSet) -> Table:
    """Per data set, backbone and metric, a line per strategy and a column per K ("searched": validation chose it)."""
    results = results.models()
    rows = compare(results.cells)
    depths = sorted({row.row.steps for row in rows if row.row.steps is not None})
    columns: list[int | None] = [*depths, *([None] if any(row.row.steps is None for row in rows) else [])]
    groups = []
    for dataset, backbone in dict.fromkeys((row.row.dataset, row.row.backbone) for row in rows):
        here = [row for row in rows if (row.row.dataset, row.row.backbone) == (dataset, backbone)]
        for metric in METRICS:
            titles = (dataset, label_of(backbone), metric_label(metric))
            groups.append(RowGroup(titles, tuple(_lines(here, columns, metric=metric))))
    return suite_table(
        results,
        name="steps",
        caption="test metrics by number of reasoning steps K",
        columns=[ColumnGroup("K", tuple("searched" if k is None else str(k) for k in columns))],
        groups=groups,
        unfilled="" if set(columns) - {0} else NO_STEPS,
        notes=["One model trained for each K."],
        fields=FIELDS,
        records=(record for row in rows for record in records_of(row) if record["metric"] in METRICS),
    )


def _lines(rows: Sequence[Compared], columns: Sequence[int | None], *, metric: str) -> list[Line]:
    lines = []
    for strategy in dict.fromkeys(row.row.strategy for row in rows):
        of = {row.row.steps: row for row in rows if row.row.strategy == strategy}
        label = row_label(next(iter(of.values())).row, lambda row: False)
        lines.append(Line(label, tuple(value_cell(of[k], metric) if k in of else EMPTY for k in columns)))
    return lines
