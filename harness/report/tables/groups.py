"""Test NDCG@20 by group of users and items, at the readout and each step: the data of the paper's Figure 4."""

from __future__ import annotations

from ...analysis.compare import METRICS
from ...analysis.groups import GROUPS, ITEMS, READOUT, USERS, Grouped, GroupStates, Load, grouped
from ...analysis.resultset import ResultSet
from ...utils.text import counted
from ..labels import label_of, row_name, state_label
from ..table import EMPTY, ColumnGroup, Line, Record, RowGroup, Table, TableCell
from .parts import ROW, STAT, bounds, number, row_fields, stat_fields, suite_table, value
from .parts import USERS as USERS_BOUNDS

GROUP = ("groups_of", "group", "rows", "low", "high")
FIELDS = (*ROW, *GROUP, "state", "metric", *STAT, "over_step_0_percent", *USERS_BOUNDS)
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
    rows = grouped(results, load)
    return suite_table(
        results,
        name="groups",
        caption="test NDCG@20 by group of users and items",
        heading="State",
        columns=[
            ColumnGroup(title, tuple(f"{_NAMES[kind]}-{number}" for number in range(GROUPS)))
            for kind, title in ((USERS, "Users"), (ITEMS, "Items"))
        ],
        groups=(
            RowGroup((item.row.dataset, label_of(item.row.backbone), row_name(item.row)), tuple(_lines(item)))
            for item in rows
        ),
        notes=(*_NOTES, *_sizes(rows)),
        fields=FIELDS,
        records=(record for item in rows for group in item.groups for record in _records(item, group)),
    )


def _lines(item: Grouped) -> list[Line]:
    width = 2 * GROUPS
    if item.row.unsupported or not item.groups:
        stat = item.row.stats[METRIC]
        gap = TableCell("text", text="n/a" if item.row.unsupported else f"0/{stat.planned}")
        return [Line("Readout", (gap,) * width)]
    lines = []
    for state in item.groups[0].states:
        label = "Readout" if state == READOUT else state_label(state)
        stats = [group.states.get(state, {}).get(METRIC) for group in item.groups]
        lines.append(Line(label, tuple(EMPTY if stat is None else value(stat, of=item.row.place) for stat in stats)))
        if state in item.groups[0].over_first:
            gains = (group.over_first.get(state, {}).get(METRIC) for group in item.groups)
            lines.append(Line("(over step 0)", tuple(number("gain", gain) for gain in gains)))
    return lines


def _sizes(rows: tuple[Grouped, ...]) -> list[str]:
    """What is in the groups of each data set."""
    lines: dict[str, str] = {}
    for item in rows:
        if item.groups and item.row.dataset not in lines:
            words = [
                f"{_NAMES[group.kind]}-{group.number} {counted(group.rows, 'row')} ({group.low:,}-{group.high:,})"
                for group in (states.group for states in item.groups)
            ]
            lines[item.row.dataset] = (
                f"Groups of {item.row.dataset} (history items; training rows of the target): {', '.join(words)}."
            )
    return list(lines.values())


def _records(item: Grouped, group_states: GroupStates) -> list[Record]:
    group = group_states.group
    head = dict(zip(GROUP, (group.kind, group.number, group.rows, group.low, group.high), strict=True))
    return [
        row_fields(item.row)
        | head
        | {"state": state, "metric": metric, "over_step_0_percent": group_states.over_first.get(state, {}).get(metric)}
        | stat_fields(stats[metric])
        | bounds(USERS_BOUNDS, group_states.intervals.get(state, {}).get(metric))
        for state, stats in group_states.states.items()
        for metric in METRICS
    ]
