"""The rank of each row with its interval, and the groups of rows that cannot be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_lowercase

from ...analysis.intervals import Interval
from ...analysis.ranks import AcrossDatasets, AverageRank, Ranked, Ranks, rank_rows
from ...analysis.resultset import ResultSet
from ...analysis.significance import LEVEL
from ...utils.text import counted
from ..labels import label_of, metric_label, row_name, steps_label
from ..table import EMPTY, ColumnGroup, Line, Record, Table, TableCell
from .parts import ROW, STAT, row_fields, row_groups, span, stat_fields, suite_table, value

FIELDS = (*ROW, "metric", *STAT, "rank", "rank_low", "rank_high", "groups", "rows", "average_rank")

_NO_VALUES: Record = dict.fromkeys(FIELDS)

OVER_DATASETS = "all data sets"

_UNFILLED = (
    "No data set has two rows whose every run is there. What would fill this table:  strategies: [base, erl]  and  "
    "seeds: [1, 2, 3]"
)


def ranks_table(results: ResultSet) -> Table:
    """Each row's rank on its data set, 95% of it, and its groups; over several data sets also average ranks."""
    ranks = rank_rows(results)
    lines = [
        ((dataset,), _line(each, ranks.metric, len(rows), named))
        for dataset, rows in ranks.datasets.items()
        for named in [several_backbones(rows)]
        for each in rows
    ]
    across = ranks.across.rows if ranks.across is not None else ()
    named = any(map(several_backbones, ranks.datasets.values()))
    return suite_table(
        results.models(),
        name="ranks",
        caption="ranks, and what can be told apart",
        columns=[ColumnGroup("", (metric_label(ranks.metric), "Rank", "95%", "Better than", "Worse than", "Groups"))],
        groups=row_groups([*lines, *(((OVER_DATASETS,), _average_line(each, named)) for each in across)]),
        unfilled="" if lines else _UNFILLED,
        notes=[*_notes(ranks), *across_lines(ranks.across)],
        fields=FIELDS,
        records=[
            *(_record(each, ranks.metric, len(rows)) for rows in ranks.datasets.values() for each in rows),
            *(_average_record(each, ranks.metric, len(across)) for each in across),
        ],
    )


def several_backbones(rows: Sequence[Ranked]) -> bool:
    """Whether names of rows need their backbone: those on one of their own have a name that is theirs alone."""
    return len({each.row.backbone for each in rows if not each.row.own_backbone}) > 1


def ranked_name(each: Ranked, named: bool) -> str:
    """A row, with its backbone where it is to be named."""
    return f"{label_of(each.row.backbone)} {row_name(each.row)}" if named else row_name(each.row)


def average_name(each: AverageRank, named: bool) -> str:
    """The same of a row over data sets."""
    backbone, strategy, steps = each.place
    name = f"{label_of(strategy)} ({steps_label(steps)})" if steps != 0 else label_of(strategy)
    return f"{label_of(backbone)} {name}" if named else name


def letters(groups: Sequence[int]) -> str:
    """Groups as a compact letter display: a b; a2 after z."""
    return " ".join(ascii_lowercase[at % 26] + (str(at // 26 + 1) if at >= 26 else "") for at in groups)


def across_lines(across: AcrossDatasets | None) -> list[str]:
    """What average ranks show, or how many data sets they lack."""
    if across is None:
        return []
    if across.p is None or across.difference is None:
        return [
            f"Over data sets: {across.ranked} rows take {across.needed} data sets at least for any two to differ "
            f"(Friedman, Nemenyi); they are ranked on {across.datasets}."
        ]
    found = "" if across.p < LEVEL else ", so that no two rows are told apart"
    return [
        f"Over {across.datasets} data sets: Friedman's test p = {across.p:.3f}{found}; Nemenyi's critical difference "
        f"of average ranks at {LEVEL:g}: {across.difference:.2f}."
    ]


def _notes(ranks: Ranks) -> list[str]:
    lines = [
        f"Rank by test {metric_label(ranks.metric)}, of the rows whose every run is there. 95%: of all ranks at once, "
        "from 1 + the rows significantly better to the number of rows less those significantly worse (better than, "
        "worse than: how many). Rows that share a letter cannot be told apart: "
        f"{counted(ranks.tests, 'pair')} tested over users and seeds at once (Behrens-Fisher), p below {LEVEL:g} after "
        "Holm's correction for them."
    ]
    if ranks.untested:
        lines.append(
            f"Not tested, so not told apart: {counted(ranks.untested, 'pair')} with other test rows, with fewer than "
            "two seeds in common, or without any variance."
        )
    return lines


def _line(each: Ranked, metric: str, rows: int, named: bool) -> Line:
    return Line(
        ranked_name(each, named),
        (
            value(each.row.stats[metric], of=each.row.place, best=each.rank == 1),
            TableCell("count", each.rank),
            span(Interval(each.low, each.high), digits=0),
            TableCell("count", rows - each.high),
            TableCell("count", each.low - 1),
            TableCell("text", text=letters(each.groups)),
        ),
    )


def _average_line(each: AverageRank, named: bool) -> Line:
    rank = TableCell("value", each.rank, digits=2)
    groups = TableCell("text", text=letters(each.groups))
    return Line(average_name(each, named), (EMPTY, rank, EMPTY, EMPTY, EMPTY, groups))


def _record(each: Ranked, metric: str, rows: int) -> Record:
    return {
        **_NO_VALUES,
        **row_fields(each.row),
        "metric": metric,
        **stat_fields(each.row.stats[metric]),
        "rank": each.rank,
        "rank_low": each.low,
        "rank_high": each.high,
        "groups": letters(each.groups),
        "rows": rows,
    }


def _average_record(each: AverageRank, metric: str, rows: int) -> Record:
    backbone, strategy, steps = each.place
    return {
        **_NO_VALUES,
        "backbone": backbone,
        "strategy": strategy,
        "steps": steps,
        "metric": metric,
        "groups": letters(each.groups),
        "rows": rows,
        "average_rank": each.rank,
    }
