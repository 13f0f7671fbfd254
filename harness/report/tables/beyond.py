"""The four metrics with reciprocal rank, coverage and popularity of what is recommended."""

from __future__ import annotations

from ...analysis.beyond_accuracy import BeyondAccuracy, beyond_accuracy
from ...analysis.compare import METRICS, Stat
from ...analysis.groups import Load
from ...analysis.resultset import ResultSet
from ..labels import label_of, metric_label, steps_label
from ..table import ColumnGroup, Line, Record, RowGroup, Table, TableCell
from .protocol import protocol_lines

FIELDS = ("dataset", "backbone", "strategy", "steps", "metric", "mean", "std", "seeds")

_NOTE = (
    "MRR: mean reciprocal rank of the target among all items. Coverage: share of the catalogue in the ten best of at "
    "least one test row. Popularity: mean number of training rows whose target is a recommended item."
)


def beyond_table(results: ResultSet, load: Load) -> Table:
    """Each row's accuracy beside what it recommends."""
    found = beyond_accuracy(results, load)
    groups: dict[tuple[str, str], list[Line]] = {}
    for one in found:
        shown = f" ({steps_label(one.row.steps)})" if one.row.steps else ""
        label = f"{label_of(one.row.backbone if one.row.is_baseline else one.row.strategy)}{shown}"
        titles = (one.row.dataset, "" if one.row.is_baseline else label_of(one.row.backbone))
        groups.setdefault(titles, []).append(Line(label, _cells(one)))
    return Table(
        name="beyond",
        title=results.name,
        caption=f"{results.name}: beyond accuracy",
        columns=(ColumnGroup("", (*map(metric_label, METRICS), "MRR", "Coverage", "Popularity")),),
        groups=tuple(RowGroup(titles, tuple(lines)) for titles, lines in groups.items()),
        protocol=(_NOTE, *protocol_lines(results)),
        fields=FIELDS,
        records=tuple(record for one in found for record in _records(one)),
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
        return (TableCell("text", text="n/a"),) * len(_stats(one))
    digits = {"popularity@10": 1}
    return tuple(
        TableCell("value", held.mean, held.std, held.seeds, held.planned, digits=digits.get(name, 4), of=one.row.place)
        for name, held in _stats(one).items()
    )


def _records(one: BeyondAccuracy) -> list[Record]:
    head = {name: getattr(one.row, name) for name in FIELDS[:4]}
    return [
        head | {"metric": name, "mean": held.mean, "std": held.std, "seeds": held.seeds}
        for name, held in _stats(one).items()
    ]
