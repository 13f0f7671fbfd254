"""Every row against the one it is compared with: the difference, its intervals, its tests; and the marks of tables."""

from __future__ import annotations

from collections.abc import Mapping

from ...analysis.resultset import Place, ResultSet
from ...analysis.significance import LEVEL, OVER_BOTH, OVER_USERS, Comparison, Significance, significance
from ..labels import label_of, metric_label, row_name
from ..table import ColumnGroup, Line, Record, RowGroup, Table, TableCell
from .parts import ROW, SEEDS, USERS, bounds, number, row_fields, span, suite_table

FIELDS = (
    *ROW,
    "against",
    "metric",
    "change",
    "change_percent",
    *USERS,
    "p_users",
    "p_users_holm",
    "effect_size",
    "detectable_users",
    "users",
    *SEEDS,
    "p_seeds",
    "detectable_seeds",
    "seeds",
    "complete",
)

MARKS = {OVER_USERS: "†", OVER_BOTH: "‡"}

Marks = Mapping[tuple[Place, str], str]
"""(row, metric) to `OVER_USERS` or `OVER_BOTH`; rows without one are not there."""

NO_MARKS: Marks = {}


def significance_table(results: ResultSet) -> Table:
    """Each row beside the one it is compared with: 95% intervals, p-values, effect sizes, detectable differences."""
    results = results.models()
    found = significance(results)
    groups: dict[tuple[str, ...], list[Line]] = {}
    for one in found.comparisons:
        label = f"{row_name(one.row)} - {label_of(one.against.strategy)}"
        groups.setdefault((one.row.dataset, label_of(one.row.backbone), label), []).append(_line(one))
    return suite_table(
        results,
        name="significance",
        caption="differences and their tests",
        columns=[
            ColumnGroup("", ("Change", "Percent")),
            ColumnGroup("Over users", ("95%", "p (Holm)", "d", "Detectable")),
            ColumnGroup("Over seeds", ("95%", "p", "Detectable")),
        ],
        groups=(RowGroup(titles, tuple(lines)) for titles, lines in groups.items()),
        notes=(*_notes(found), *mark_lines(found)),
        fields=FIELDS,
        records=map(_record, found.comparisons),
    )


def mark_lines(found: Significance) -> tuple[str, ...]:
    """What the marks of a table mean, and which rows could not be tested."""
    lines = []
    if found.tests:
        lines.append(
            f"{MARKS[OVER_USERS]} differs from the row it is compared with: paired t-test on users' means, p below "
            f"{LEVEL:g} after Holm's correction for {found.tests} comparisons; {MARKS[OVER_BOTH]} also over seeds "
            f"(paired t-test, p below {LEVEL:g}, not corrected). Only rows whose every run is there are marked."
        )
    lines += [
        f"Not tested: {row.dataset} {label_of(row.backbone)} {row.strategy}: its runs, or those it is compared with, "
        "were tested on different rows."
        for row in found.unpaired
    ]
    return tuple(lines)


def _notes(found: Significance) -> list[str]:
    if not found.comparisons:
        return ["No row of this suite has runs to be compared with those of another."]
    return [
        "Over users: 95% by a bootstrap of users, each with all its test rows (runs averaged); p of a paired t-test on "
        "users' means, corrected by Holm; d: their mean difference over its standard deviation. Over seeds: Student's "
        "t on runs with the same seed.",
        "Detectable: the smallest true difference that the test finds with a probability of 80% at a level of 0.05, "
        "uncorrected.",
    ]


def _line(one: Comparison) -> Line:
    mark = MARKS.get(one.mark, "")
    missing = "" if one.complete else " (not all runs)"
    return Line(
        metric_label(one.metric) + missing,
        (
            TableCell("change", one.change, mark=mark, of=one.row.place),
            number("average", one.percent),
            span(one.users_interval),
            number("p", one.p_holm),
            number("change", one.effect, digits=3),
            number("value", one.detectable_users),
            span(one.seeds_interval),
            number("p", one.p_seeds),
            number("value", one.detectable_seeds),
        ),
    )


def _record(one: Comparison) -> Record:
    return {
        **row_fields(one.row),
        "against": one.against.strategy,
        "metric": one.metric,
        "change": one.change,
        "change_percent": one.percent,
        **bounds(USERS, one.users_interval),
        "p_users": one.p_users,
        "p_users_holm": one.p_holm,
        "effect_size": one.effect,
        "detectable_users": one.detectable_users,
        "users": one.users,
        **bounds(SEEDS, one.seeds_interval),
        "p_seeds": one.p_seeds,
        "detectable_seeds": one.detectable_seeds,
        "seeds": one.seeds,
        "complete": one.complete,
    }
