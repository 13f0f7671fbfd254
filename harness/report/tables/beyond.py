"""The four metrics with reciprocal rank, coverage and popularity of what is recommended."""

from __future__ import annotations

from ...analysis.beyond_accuracy import BeyondAccuracy, beyond_accuracy
from ...analysis.compare import METRICS, Stat
from ...analysis.groups import Load
from ...analysis.resultset import ResultSet
from ..labels import label_of, metric_label, row_name
from ..table import ColumnGroup, Line, RowGroup, Table, TableCell
from .parts import NOT_AVAILABLE, ROW, STAT, row_fields, stat_fields, suite_table, value

FIELDS = (*ROW, "metric", *STAT)

_NOTE = (
    "MRR: mean reciprocal rank of the target among all items. Coverage: share of the catalogue in the ten best of at "
    "least one test row. Popularity: mean number of training rows whose target is a recommended item."
)


def beyond_table(results: ResultSet, load: Load) -> Table:
    """Each row's accuracy beside what it recommends."""
    cells = beyond_accuracy(results, load)
    groups: dict[tuple[str, str], list[Line]] = {}
    for cell in cells:
        label = label_of(cell.row.backbone) if cell.row.is_baseline else row_name(cell.row)
        titles = (cell.row.dataset, "" if cell.row.is_baseline else label_of(cell.row.backbone))
        groups.setdefault(titles, []).append(Line(label, _cells(cell)))
    return suite_table(
        results,
        name="beyond",
        caption="beyond accuracy",
        columns=[ColumnGroup("", (*map(metric_label, METRICS), "MRR", "Coverage", "Popularity"))],
        groups=(RowGroup(titles, tuple(lines)) for titles, lines in groups.items()),
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


def _cells(cell: BeyondAccuracy) -> tuple[TableCell, ...]:
    if cell.row.unsupported:
        return (NOT_AVAILABLE,) * len(_stats(cell))
    digits = {"popularity@10": 1}
    return tuple(value(stat, digits=digits.get(name, 4), of=cell.row.place) for name, stat in _stats(cell).items())
