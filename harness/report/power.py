"""What `rearec-bench plan SUITE --detect` prints: what a suite can detect, and what a difference takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..analysis.power import Resolution, resolutions
from ..analysis.resultset import collect
from ..plan.cells import expand
from ..store.store import Store
from ..utils.text import columns, counted, wrapped
from .labels import full_name, label_of, metric_label

if TYPE_CHECKING:
    from ..suite.model import Suite

_INDENT = "  "
_FEW = 5
"""Stored seeds; fewer tell their spread within a factor of two at best."""


def power_report(suite: Suite, asked: float, *, store: Store, typed: str, width: int | None = None) -> str:
    """The smallest difference that each row can show, and the seeds and test rows that `asked` percent takes.

    `typed` is what the suite was called on the command line, `width` that of a terminal. Where nothing is stored it is
    one line, with the command for a pilot.

    Raises:
        StoreError: the suite's own files are damaged, or the rows of a trial cannot be read.
    """
    index = store.read_suite(suite.name)[1] if suite.name in store.suites() else {}
    found = resolutions(collect(suite.name, expand(suite), index, store=store), asked)
    two = (*suite.seeds, max(suite.seeds) + 1)[:2]
    pilot = f"rearec-bench run {typed} --set seeds=[{two[0]},{two[1]}]"
    rest = []
    if found.without:
        rest.append(
            f"No spread is known of {', '.join(map(full_name, found.without))}: the reference scores 0, the two do not "
            "differ or do so by the same everywhere, or they were tested on other rows."
        )
    if found.unknown:
        names = ", ".join(map(full_name, found.unknown))
        rest.append(f"Fewer than two seeds are stored beside the reference's of {names}. To store them:  {pilot}")
    if not found.rows and not found.without:
        return (
            f"No row of {suite.name} that is compared with another has two stored seeds beside it, from which to tell. "
            f"A pilot of two:  {pilot}"
        )
    if not found.rows:
        return wrapped("\n".join(rest), width)
    heads = ("over users", "over seeds", "over both", "rows, users", "seeds, seeds", "seeds, both", "rows, both")
    table = columns([("row", "against", *heads), *map(_line, found.rows)], left=2, width=width and width - len(_INDENT))
    stored = sorted({each.stored for each in found.rows})
    lines = [
        f"{suite.name}  smallest difference in test {metric_label(found.metric)} that is found with a probability of "
        f"80% at a level of 0.05, in percent of the reference; and what {asked:g}% takes",
        "",
        *(f"{_INDENT}{line}".rstrip() for line in table),
        "",
        "over users: the runs as they are; over seeds: the test users as they are; over both: neither, as --table "
        "ranks tests. rows, users: test rows that it takes over users; seeds, both: seeds that it takes over both with "
        "the test rows as they are. none: no number is enough. Not corrected for many comparisons.",
        f"The suite has {_either({each.seeds for each in found.rows}, 'seed')} and "
        f"{_either({each.rows for each in found.rows}, 'test row')}; from {' or '.join(map(str, stored))} stored "
        "seeds, the spread between seeds as the mean of the rows with one reference.",
    ]
    if stored[0] < _FEW:
        lines[-1] += f" With fewer than {_FEW} that spread is rough: plan for more seeds than it says."
    return wrapped("\n".join([*lines, *rest]), width)


def _line(each: Resolution) -> tuple[str, ...]:
    detected = (each.over_users, each.over_seeds, each.over_both)
    takes = (each.rows_users, each.seeds_seeds, each.seeds_both, each.rows_both)
    return (
        full_name(each.row),
        label_of(each.against.strategy),
        *(f"{value:.1f}%" for value in detected),
        *("none" if number is None else f"{number:,}" for number in takes),
    )


def _either(numbers: set[int], noun: str) -> str:
    return counted(" or ".join(f"{number:,}" for number in sorted(numbers)), noun)
