"""What tables share: cells made of statistics, fields of tidy records, and the table of a suite."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import compress
from typing import Any

from ...analysis.compare import AVERAGE, METRICS, Place, Row, Stat
from ...analysis.intervals import Interval
from ...analysis.resultset import ResultSet
from ..labels import label_of, metric_label
from ..protocol import protocol_lines
from ..table import EMPTY, ColumnGroup, Kind, Line, Record, RowGroup, Table, TableCell

ROW = ("dataset", "backbone", "strategy", "steps")
STAT = ("mean", "std", "seeds")
USERS, SEEDS = ("users_low", "users_high"), ("seeds_low", "seeds_high")
COLUMNS = (*METRICS, AVERAGE)

NO_STEPS = (
    "No row of this suite has reasoning steps (K >= 1). What would fill this table:  strategies: [base, erl, prl]  "
    "and  steps: [1, 2]"
)
NOT_AVAILABLE = TableCell("text", text="n/a")


def suite_table(
    results: ResultSet,
    *,
    name: str,
    caption: str,
    columns: Sequence[ColumnGroup],
    groups: Iterable[RowGroup],
    notes: Iterable[str],
    fields: tuple[str, ...],
    records: Iterable[Record],
    heading: str = "Row",
    unfilled: str = "",
) -> Table:
    """A table of a suite: its title is the suite's name, and its protocol ends it.

    With `unfilled`, which says what would fill the table, that line is all there is beside the records.
    """
    return Table(
        name=name,
        title=results.name,
        caption=f"{results.name}: {caption}",
        columns=() if unfilled else tuple(columns),
        groups=() if unfilled else tuple(groups),
        protocol=(unfilled,) if unfilled else (*notes, *protocol_lines(results)),
        fields=fields,
        records=tuple(records),
        heading=heading,
    )


def row_groups(lines: Iterable[tuple[tuple[str, ...], Line]]) -> tuple[RowGroup, ...]:
    """Lines under their titles, in the order in which the titles first come."""
    groups: dict[tuple[str, ...], list[Line]] = {}
    for titles, line in lines:
        groups.setdefault(titles, []).append(line)
    return tuple(RowGroup(titles, tuple(here)) for titles, here in groups.items())


def apart(rows: Sequence[Row]) -> tuple[str, Callable[[Row], tuple[str, ...]]]:
    """Data set and backbone where they are the same in all rows, and what of them is left as titles of a row."""
    places = [{row.dataset for row in rows}, {label_of(row.backbone) for row in rows}]
    shared = " ".join(min(names) for names in places if len(names) == 1)
    differ = [len(names) > 1 for names in places]
    return shared, lambda row: tuple(compress((row.dataset, label_of(row.backbone)), differ))


def metric_columns(backbones: Iterable[str]) -> list[ColumnGroup]:
    """Under each backbone the four metrics and their average gain."""
    return [ColumnGroup(label_of(backbone), tuple(map(metric_label, COLUMNS))) for backbone in backbones]


def value(stat: Stat, *, digits: int = 4, of: Place | None = None, best: bool = False, mark: str = "") -> TableCell:
    """The cell of a metric over seeds."""
    return TableCell("value", stat.mean, stat.std, stat.seeds, stat.planned, digits=digits, of=of, best=best, mark=mark)


def number(kind: Kind, value: float | None, *, digits: int = 4) -> TableCell:
    """The cell of a bare number; empty where there is none."""
    return EMPTY if value is None else TableCell(kind, value, digits=digits)


def gains(by_metric: Mapping[str, float], average: float | None, *, best: bool = False) -> list[TableCell]:
    """A cell for each of `COLUMNS`."""
    last = EMPTY if average is None else TableCell("average", average, best=best)
    return [*(number("gain", by_metric.get(metric)) for metric in METRICS), last]


def span(interval: Interval | None, *, digits: int = 4) -> TableCell:
    """The cell of an interval; empty where there is none."""
    return EMPTY if interval is None else TableCell("range", interval.low, high=interval.high, digits=digits)


def row_fields(row: Row) -> dict[str, Any]:
    """`ROW` of a record."""
    return {name: getattr(row, name) for name in ROW}


def stat_fields(stat: Stat) -> dict[str, Any]:
    """`STAT` of a record."""
    return {name: getattr(stat, name) for name in STAT}


def bounds(names: tuple[str, str], interval: Interval | None) -> dict[str, Any]:
    """`USERS` or `SEEDS` of a record."""
    return dict(zip(names, (interval.low, interval.high) if interval else (None, None), strict=True))
