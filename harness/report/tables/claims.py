"""The paper's claims, each with the verdict of our runs."""

from __future__ import annotations

from ...analysis.claims import MIN_CELLS, Judged, judge
from ...analysis.groups import Load
from ...analysis.resultset import ResultSet
from ...utils.text import fixed
from ..table import EMPTY, ColumnGroup, Line, RowGroup, Table, TableCell
from .parts import bounds, span, suite_table

FIELDS = ("id", "claim", "where", "verdict", "expected", "value_percent", "low", "high", "seeds", "cells", "note")

_NOTES = (
    "Percent: mean over seeds and over the comparisons that a claim speaks of; 95%: Student's t over seeds, "
    "for shares Wilson's interval. "
    "Reproduced: the whole interval says what is claimed; not reproduced: the whole interval says the opposite; "
    "undecided: neither, at this power, or an interval without width, or fewer than "
    f"{MIN_CELLS} comparisons (Of; the four metrics of one are their mean, and count once). Verdicts are about these "
    "data sets and settings. Of rows at several K, K = 2 takes part; two steps are compared with the other K that does "
    "best on validation.",
)

_UNFILLED = (
    "No claim of the paper can be tested on this suite. What would fill this table:  "
    "strategies: [base, naive, rpe, erl, prl]  and  steps: [1, 2]"
)


def claims(results: ResultSet, load: Load) -> Table:
    """Every claim, its place in the paper, the expectation and our result."""
    judged = judge(results, load)
    return suite_table(
        results,
        name="claims",
        caption=f"the claims of {' and '.join(dict.fromkeys(_paper(row) for row in judged))}",
        heading="Claim",
        columns=[ColumnGroup("", ("Where", "Verdict", "Expected", "Percent", "95%", "Seeds", "Of"))],
        groups=[RowGroup((), tuple(Line(row.claim.claim, _cells(row)) for row in judged))],
        unfilled="" if any(row.value is not None for row in judged) else _UNFILLED,
        notes=(*_NOTES, *_open(judged)),
        fields=FIELDS,
        records=(
            {
                "id": row.claim.id,
                "claim": row.claim.claim,
                "where": row.claim.where,
                "verdict": row.verdict,
                "expected": expectation(row),
                "value_percent": row.value,
                **bounds(("low", "high"), row.interval),
                "seeds": row.seeds,
                "cells": row.cells,
                "note": " ".join(filter(None, (row.why or row.claim.note, _beside(row)))),
            }
            for row in judged
        ),
    )


def _paper(row: Judged) -> str:
    return row.claim.paper or "arXiv 2503.22675"


def expectation(row: Judged) -> str:
    """What an interval has to show, in words."""
    ((kind, bound),) = row.claim.expect.items()
    words = f"{bound[0]:g} to {bound[1]:g}" if kind == "between" else f"{bound:g}"
    return words if kind == "between" else f"{kind.replace('_', ' ')} {words}"


def _cells(row: Judged) -> tuple[TableCell, ...]:
    tested = row.value is not None
    return (
        TableCell("text", text=": ".join(filter(None, (row.claim.paper, row.claim.where)))),
        TableCell("text", text=row.verdict),
        TableCell("text", text=expectation(row)),
        TableCell("value" if row.claim.test["kind"] == "share" else "change", row.value, digits=1) if tested else EMPTY,
        span(row.interval, digits=1),
        TableCell("count", row.seeds) if tested else EMPTY,
        TableCell("count", row.cells) if tested else EMPTY,
    )


def _open(judged: tuple[Judged, ...]) -> list[str]:
    lines = [f"{row.claim.id}: {row.claim.note}" for row in judged if row.claim.note]
    lines += [f"{row.claim.id}: {_beside(row)}" for row in judged if row.beside is not None]
    missing: dict[tuple[str, str], list[str]] = {}
    for row in judged:
        if row.why:
            missing.setdefault((row.verdict, row.why), []).append(row.claim.id)
    return lines + [f"{verdict.capitalize()} ({why}): {', '.join(ids)}." for (verdict, why), ids in missing.items()]


def _beside(row: Judged) -> str:
    """The other reading of a claim, which decides nothing; "" where it has none."""
    if row.beside is None:
        return ""
    value, interval = row.beside
    span = f" (95%: {fixed(interval.low, 1)} to {fixed(interval.high, 1)})" if interval is not None else ""
    words = f"{fixed(value, 1, plus='+')}%{span}"
    return f"Over {row.claim.test['over']}, which decides; over the {row.claim.test['beside']} {words}."
