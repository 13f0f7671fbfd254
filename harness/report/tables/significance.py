"""Every row against the one it is compared with: the difference, its intervals, its tests; and the marks of tables."""

from __future__ import annotations

from collections.abc import Mapping

from ...analysis.compare import Place, compare
from ...analysis.resultset import ResultSet
from ...analysis.significance import LEVEL, OVER_BOTH, OVER_USERS, Comparison, Significance, significance
from ...utils.text import counted
from ..labels import label_of, metric_label, row_name
from ..table import ColumnGroup, Line, Record, Table, TableCell
from .parts import ROW, SEEDS, USERS, bounds, number, row_fields, row_groups, span, suite_table

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

_UNFILLED = "No row of this suite is compared with another. What would fill this table:  strategies: [base, erl]"

MARKS = {OVER_USERS: "†", OVER_BOTH: "‡"}

Marks = Mapping[tuple[Place, str], str]
"""(row, metric) to `OVER_USERS` or `OVER_BOTH`; rows without one are not there."""

NO_MARKS: Marks = {}


def significance_table(results: ResultSet) -> Table:
    """Each row beside the one it is compared with: 95% intervals, p-values, effect sizes, detectable differences."""
    results = results.models()
    tests = significance(results)
    return suite_table(
        results,
        name="significance",
        caption="differences and their tests",
        heading="Metric",
        columns=[
            ColumnGroup("", ("Change", "Percent")),
            ColumnGroup("Over users", ("95%", "p (Holm)", "d", "Detectable")),
            ColumnGroup("Over seeds", ("95%", "p", "Detectable")),
        ],
        groups=row_groups((_titles(each), _line(each)) for each in tests.comparisons),
        unfilled="" if any(row.against is not None for row in compare(results.cells)) else _UNFILLED,
        notes=(*_notes(tests), *mark_lines(tests)),
        fields=FIELDS,
        records=map(_record, tests.comparisons),
    )


def mark_lines(result: Significance) -> tuple[str, ...]:
    """What the marks of a table mean, and which rows could not be tested."""
    lines = []
    if result.tests:
        lines.append(
            f"{MARKS[OVER_USERS]} differs from the row it is compared with: paired t-test on users' means, p below "
            f"{LEVEL:g} after Holm's correction for {counted(result.tests, 'comparison')}; {MARKS[OVER_BOTH]} also "
            f"over seeds (paired t-test, p below {LEVEL:g}, not corrected). "
            "Only rows whose every run is there are marked."
        )
    lines += [
        f"Not tested: {row.dataset} {label_of(row.backbone)} {row.strategy}: its runs, or those it is compared with, "
        "were tested on different rows."
        for row in result.unpaired
    ]
    return tuple(lines)


def _notes(result: Significance) -> list[str]:
    if not result.comparisons:
        return ["No row of this suite has runs to be compared with those of another."]
    return [
        "Over users: 95% by a bootstrap of users, each with all its test rows (runs averaged); p of a paired t-test on "
        "users' means, corrected by Holm; d: their mean difference over its standard deviation. Over seeds: Student's "
        "t on runs with the same seed.",
        "Detectable: the smallest true difference that the test finds with a probability of 80% at a level of 0.05, "
        "uncorrected.",
    ]


def _titles(comparison: Comparison) -> tuple[str, str, str]:
    row = comparison.row
    return row.dataset, label_of(row.backbone), f"{row_name(row)} - {label_of(comparison.against.strategy)}"


def _line(comparison: Comparison) -> Line:
    mark = MARKS.get(comparison.mark, "")
    missing = "" if comparison.complete else " (not all runs)"
    return Line(
        metric_label(comparison.metric) + missing,
        (
            TableCell("change", comparison.change, mark=mark, of=comparison.row.place),
            number("average", comparison.percent),
            span(comparison.users_interval),
            number("p", comparison.p_holm),
            number("change", comparison.effect, digits=3),
            number("value", comparison.detectable_users),
            span(comparison.seeds_interval),
            number("p", comparison.p_seeds),
            number("value", comparison.detectable_seeds),
        ),
    )


def _record(comparison: Comparison) -> Record:
    return {
        **row_fields(comparison.row),
        "against": comparison.against.strategy,
        "metric": comparison.metric,
        "change": comparison.change,
        "change_percent": comparison.percent,
        **bounds(USERS, comparison.users_interval),
        "p_users": comparison.p_users,
        "p_users_holm": comparison.p_holm,
        "effect_size": comparison.effect,
        "detectable_users": comparison.detectable_users,
        "users": comparison.users,
        **bounds(SEEDS, comparison.seeds_interval),
        "p_seeds": comparison.p_seeds,
        "detectable_seeds": comparison.detectable_seeds,
        "seeds": comparison.seeds,
        "complete": comparison.complete,
    }
