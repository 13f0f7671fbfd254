"""The four metrics with reciprocal rank, coverage and popularity of what is recommended."""

from __future__ import annotations

from ...analysis.beyond_accuracy import BeyondAccuracy, beyond_accuracy
from ...analysis.compare import METRICS, Stat
from ...analysis.groups import Load
from ...analysis.resultset import ResultSet
from ..labels import label_of, metric_label, row_name
from ..table import ColumnGroup, Line, Table
from .parts import NOT_AVAILABLE, ROW, STAT, row_fields, row_groups, stat_fields, suite_table, value

FIELDS = (*ROW, "metric", *STAT)

_NOTE = (
    "MRR: mean reciprocal rank of the target among all items. Coverage: share of the catalogue in the ten best of at "
    "least one test row. Popularity: mean number of training rows whose target is a recommended item."
)


def beyond_table(results: ResultSet, load: Load) -> Table:
    """Each row's accuracy beside what it recommends."""
    cells = beyond_accuracy(results, load)
    return suite_table(
        results,
        name="beyond",
        caption="beyond accuracy",
        columns=[ColumnGroup("", (*map(metric_label, METRICS), "MRR", "Coverage", "Popularity"))],
        groups=row_groups(map(_line, cells)),
        notes=[_NOTE],
        fields=FIELDS,
        records=(
            row_fields(cell.row) | {"metric": name} | stat_fields(stat)
            for cell in cells
            for name, stat in _stats(cell).items()
        ),
    )


def _stats(cell: BeyondAccuracy) -> dict[str, Stat]:
    return {
        **{metric: cell.row.stats[metric] for metric in METRICS},
        "mrr": cell.mrr,
        "coverage@10": cell.coverage,
        "popularity@10": cell.popularity,
    }


def _line(cell: BeyondAccuracy) -> tuple[tuple[str, str], Line]:
    row = cell.row
    backbone, label = label_of(row.backbone), row_name(row)
    if row.is_baseline:
        backbone, label = "", backbone
    digits = {"popularity@10": 1}
    cells = (
        NOT_AVAILABLE if row.unsupported else value(stat, digits=digits.get(name, 4), of=row.place)
        for name, stat in _stats(cell).items()
    )
    return (row.dataset, backbone), Line(label, tuple(cells))
