"""What a method loses without one of its parts: each full row, and the rows that are compared with it (Figure 7)."""

from __future__ import annotations

from ...analysis.compare import Compared, compare
from ...analysis.resultset import ResultSet
from ...analysis.significance import Significance, significance
from ..protocol import protocol_lines
from ..table import Table
from .overall import comparison_table
from .significance import mark_lines

_NOTE = "Each row beside the whole method that it lacks a part of; gains are those over the whole method."

_UNFILLED = (
    "No row of this suite is compared with another one that reasons. What would fill this table:  "
    "- erl: {name: erl_no_kl, diversity: false, against: erl}"
)


def ablation(results: ResultSet) -> Table:
    """The rows that are compared with a row which has steps itself, each after that row."""
    results = results.models()
    rows = compare(results.cells)
    kept = families(rows)
    tests = significance(results, intervals=False) if kept else Significance((), ())
    return comparison_table(
        kept,
        name="ablation",
        title=results.name,
        caption=f"{results.name}: ablation",
        protocol=(_NOTE, *mark_lines(tests), *protocol_lines(results)) if kept else (_UNFILLED,),
        marks=tests.marks(),
    )


def families(rows: tuple[Compared, ...]) -> tuple[Compared, ...]:
    """Whole methods, each followed by the rows that are compared with it, in the order of the suite."""
    parts: dict[tuple[str, str, str, int | None], list[Compared]] = {}
    for row in rows:
        if row.against is not None and row.against.against not in ("", row.against.strategy):
            parts.setdefault(row.against.place, []).append(row)
    return tuple(shown for row in rows for shown in (row, *parts.get(row.row.place, ())) if row.row.place in parts)
