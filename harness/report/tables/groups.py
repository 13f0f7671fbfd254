"""Test NDCG@20 by group of users and items, at the readout and each step: the data of the paper's Figure 4."""

from __future__ import annotations

from ...analysis.compare import METRICS, Measured
from ...analysis.groups import GROUPS, ITEMS, READOUT, USERS, Grouped, GroupStates, Load, grouped
from ...analysis.resultset import ResultSet
from ..labels import label_of, steps_label
from ..table import EMPTY, ColumnGroup, Line, Record, RowGroup, Table, TableCell
from .protocol import protocol_lines

FIELDS = (
    "dataset",
    "backbone",
    "strategy",
    "steps",
    "groups_of",
    "group",
    "rows",
    "low",
    "high",
    "state",
    "metric",
    "mean",
    "std",
    "seeds",
    "over_step_0_percent",
    "users_low",
    "users_high",
)
METRIC = "ndcg@20"

_NAMES = {USERS: "UG", ITEMS: "IG"}
_NOTES = (
    "N@20. UG-0 to UG-3: users in four groups of equal size by the length of their longest test history, UG-3 the "
    "longest. IG-0 to IG-3: items by how often they are a training target, IG-3 the most popular, with equal test rows "
    "as far as an item stays in one group.",
    "In brackets the gain over step 0 of the same model (intervals over users with --format csv).",
)


def groups(results: ResultSet, load: Load) -> Table:
    """Each row's metric in every group, and what its steps gain there."""
    found = grouped(results, load)
    lines = [(item, _lines(item)) for item in found]
    return Table(
        name="groups",
        title=results.name,
        caption=f"{results.name}: test NDCG@20 by group of users and items",
        columns=tuple(
            ColumnGroup(title, tuple(f"{_NAMES[kind]}-{number}" for number in range(GROUPS)))
            for kind, title in ((USERS, "Users"), (ITEMS, "Items"))
        ),
        groups=tuple(RowGroup(_titles(item), tuple(held)) for item, held in lines),
        protocol=(*_NOTES, *_sizes(found), *protocol_lines(results)),
        fields=FIELDS,
        records=tuple(record for item in found for one in item.groups for record in _records(item, one)),
    )


def _titles(item: Grouped) -> tuple[str, str, str]:
    shown = f" ({steps_label(item.row.steps)})" if item.row.steps else ""
    return item.row.dataset, label_of(item.row.backbone), f"{label_of(item.row.strategy)}{shown}"


def _lines(item: Grouped) -> list[Line]:
    width = 2 * GROUPS
    if item.row.unsupported or not item.groups:
        held = item.row.stats[METRIC]
        gap = TableCell("text", text="n/a" if item.row.unsupported else f"0/{held.planned}")
        return [Line("Readout", (gap,) * width)]
    lines = []
    for state in item.groups[0].states:
        label = "Readout" if state == READOUT else state.replace("step_", "Step ")
        lines.append(Line(label, tuple(_value(one, state, item.row) for one in item.groups)))
        if state in item.groups[0].over_first:
            lines.append(Line("(over step 0)", tuple(_gain(one, state) for one in item.groups)))
    return lines


def _value(one: GroupStates, state: str, row: Measured) -> TableCell:
    held = one.states.get(state, {}).get(METRIC)
    if held is None:
        return EMPTY
    return TableCell("value", held.mean, held.std, held.seeds, held.planned, of=row.place)


def _gain(one: GroupStates, state: str) -> TableCell:
    gain = one.over_first.get(state, {}).get(METRIC)
    return EMPTY if gain is None else TableCell("gain", gain)


def _sizes(found: tuple[Grouped, ...]) -> list[str]:
    """What is in the groups of each data set."""
    lines: dict[str, str] = {}
    for item in found:
        if item.groups and item.row.dataset not in lines:
            words = [
                f"{_NAMES[group.kind]}-{group.number} {group.rows:,} rows ({group.low:,}-{group.high:,})"
                for group in (one.group for one in item.groups)
            ]
            lines[item.row.dataset] = (
                f"Groups of {item.row.dataset} (history items; training rows of the target): {', '.join(words)}."
            )
    return list(lines.values())


def _records(item: Grouped, one: GroupStates) -> list[Record]:
    head = {name: getattr(item.row, name) for name in FIELDS[:4]} | {
        "groups_of": one.group.kind,
        "group": one.group.number,
        "rows": one.group.rows,
        "low": one.group.low,
        "high": one.group.high,
    }
    records: list[Record] = []
    for state, stats in one.states.items():
        for metric in METRICS:
            interval = one.intervals.get(state, {}).get(metric)
            records.append(
                head
                | {
                    "state": state,
                    "metric": metric,
                    "mean": stats[metric].mean,
                    "std": stats[metric].std,
                    "seeds": stats[metric].seeds,
                    "over_step_0_percent": one.over_first.get(state, {}).get(metric),
                    "users_low": interval.low if interval else None,
                    "users_high": interval.high if interval else None,
                }
            )
    return records
