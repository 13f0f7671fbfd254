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
    found = beyond_accuracy(results, load)
    groups: dict[tuple[str, str], list[Line]] = {}
    for one in found:
        label = label_of(one.row.backbone) if one.row.is_baseline else row_name(one.row)
        titles = (one.row.dataset, "" if one.row.is_baseline else label_of(one.row.backbone))
        groups.setdefault(titles, []).append(Line(label, _cells(one)))
    return suite_table(
        results,
        name="beyond",
        caption="beyond accuracy",
        columns=[ColumnGroup("", (*map(metric_label, METRICS), "MRR", "Coverage", "Popularity"))],
        groups=(RowGroup(titles, tuple(lines)) for titles, lines in groups.items()),
        notes=[_NOTE],
        fields=FIELDS,
        records=(
            row_fields(one.row) | {"metric": name} | stat_fields(stat)
            for one in found
            for name, stat in _stats(one).items()
        ),
    )


def _stats(one: BeyondAccuracy) -> dict[str, Stat]:
    return {
        **{metric: one.row.stats[metric] for metric in METRICS},
        "mrr": one.mrr,
        "coverage@10": one.coverage,
        "popularity@10": one.popularity,
    }


def _cells(one: BeyondAccuracy) -> tuple[TableCell, ...]:
    if one.row.unsupported:
        return (NOT_AVAILABLE,) * len(_stats(one))
    digits = {"popularity@10": 1}
    return tuple(value(stat, digits=digits.get(name, 4), of=one.row.place) for name, stat in _stats(one).items())
