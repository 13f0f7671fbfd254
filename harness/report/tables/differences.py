"""Two results folders side by side: a line per metric of each cell that differs, and what became of the trials."""

from __future__ import annotations

from collections.abc import Sequence

from ...analysis.compare import Place
from ...analysis.differences import CellDifference, SuiteDifferences, TrialDifferences
from ...analysis.intervals import RESAMPLES
from ...utils.text import counted
from ..labels import label_of, metric_label, steps_label
from ..table import ColumnGroup, Line, Record, RowGroup, Table, TableCell
from .parts import ROW, SEEDS, USERS, bounds, number, span, value

FIELDS = (
    "suite",
    *ROW,
    "metric",
    "first_mean",
    "first_seeds",
    "second_mean",
    "second_seeds",
    "change",
    *USERS,
    *SEEDS,
)

_MOST_NAMED = 20
_NOTE = (
    f"95% over users: bootstrap of {RESAMPLES:,} resamples of the test users, runs averaged per row; over seeds: "
    "Student's t of the runs with the same seed. Clear by: the intervals that have no zero in them."
)


def difference_table(trials: TrialDifferences, suites: Sequence[SuiteDifferences], *, names: tuple[str, str]) -> Table:
    """The differences of two folders of these names."""
    return Table(
        name="diff",
        title=f"{names[0]} and {names[1]}",
        caption=f"What differs between {names[0]} and {names[1]}",
        columns=(ColumnGroup("", ("Metric", *names, "Change", "95% users", "95% seeds", "Clear by")),),
        groups=tuple(group for suite in suites for group in _groups(suite)),
        protocol=(
            *_trial_lines(trials, names),
            *(line for suite in suites for line in _suite_lines(suite, names)),
            *([_NOTE] if any(suite.cells for suite in suites) else []),
        ),
        fields=FIELDS,
        records=tuple(_record(suite.name, cell) for suite in suites for cell in suite.cells),
    )


def is_same(trials: TrialDifferences, suites: Sequence[SuiteDifferences]) -> bool:
    """Whether two folders hold the same, times and machines apart."""
    of_trials = (*trials.only, trials.different, trials.damaged)
    of_suites = (part for suite in suites for part in (suite.cells, *suite.only))
    return not any(map(len, (*of_trials, *of_suites)))


def _groups(suite: SuiteDifferences) -> list[RowGroup]:
    groups = []
    for place in dict.fromkeys(cell.place for cell in suite.cells):
        here = [cell for cell in suite.cells if cell.place == place]
        titles = (suite.name, place[0], label_of(place[1]))
        lines = [Line(_row(place) if number == 0 else "", tuple(_cells(cell))) for number, cell in enumerate(here)]
        groups.append(RowGroup(titles, tuple(lines)))
    return groups


def _row(place: Place) -> str:
    return f"{label_of(place[2])} {steps_label(place[3])}" if place[3] != 0 else label_of(place[2])


def _cells(cell: CellDifference) -> list[TableCell]:
    return [
        TableCell("text", text=metric_label(cell.metric)),
        value(cell.first),
        value(cell.second),
        number("change", cell.change),
        span(cell.users),
        span(cell.seeds),
        TableCell("text", text=", ".join(cell.marks) or "-"),
    ]


def _trial_lines(trials: TrialDifferences, names: tuple[str, str]) -> list[str]:
    counts = [f"{trials.same:,} the same in both", f"{len(trials.different):,} different"]
    counts += [f"{len(keys):,} in {name} alone" for name, keys in zip(names, trials.only, strict=True)]
    lines = [f"Trials: {', '.join(counts)}."]
    lines += _most([f"Trial {key[:8]} differs: {words}." for key, words in trials.different.items()])
    for name, keys in zip(names, trials.only, strict=True):
        if keys:
            more = f" and {len(keys) - _MOST_NAMED:,} more" if len(keys) > _MOST_NAMED else ""
            lines.append(f"In {name} alone: {', '.join(key[:8] for key in keys[:_MOST_NAMED])}{more}.")
    return lines + _most(
        [f"Trial {key[:8]} of {names[side]} is damaged: {why}." for (side, key), why in trials.damaged.items()]
    )


def _most(lines: list[str]) -> list[str]:
    more = [f"And {len(lines) - _MOST_NAMED:,} more of these."] if len(lines) > _MOST_NAMED else []
    return [*lines[:_MOST_NAMED], *more]


def _suite_lines(suite: SuiteDifferences, names: tuple[str, str]) -> list[str]:
    differing = len({cell.place for cell in suite.cells})
    lines = [f"Suite {suite.name}: {counted(suite.alike, 'cell')} with the same numbers, {differing:,} with others."]
    for name, places in zip(names, suite.only, strict=True):
        lines += _most([f"Suite {suite.name}: {_name(place)} stands in {name} alone." for place in places])
    lines += [
        f"Suite {suite.name}: {_name(place)} was tested on other rows, so users are not paired."
        for place in suite.other_rows
    ]
    return lines


def _name(place: Place) -> str:
    return f"{place[0]} {label_of(place[1])} {_row(place)}"


def _record(suite: str, cell: CellDifference) -> Record:
    return {
        "suite": suite,
        **dict(zip(ROW, cell.place, strict=True)),
        "metric": cell.metric,
        "first_mean": cell.first.mean,
        "first_seeds": cell.first.seeds,
        "second_mean": cell.second.mean,
        "second_seeds": cell.second.seeds,
        "change": cell.change,
        **bounds(USERS, cell.users),
        **bounds(SEEDS, cell.seeds),
    }
