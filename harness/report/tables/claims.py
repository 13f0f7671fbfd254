"""The paper's claims, each with the verdict of our runs."""

from __future__ import annotations

from ...analysis.claims import Judged, judge
from ...analysis.groups import Load
from ...analysis.resultset import ResultSet
from ..table import EMPTY, ColumnGroup, Line, RowGroup, Table, TableCell
from .parts import bounds, span, suite_table

FIELDS = ("id", "claim", "where", "verdict", "expected", "value_percent", "low", "high", "seeds", "cells", "note")

_NOTES = (
    "Percent: mean over seeds and over the comparisons that a claim speaks of; 95%: Student's t over seeds. "
    "Reproduced: the whole interval says what is claimed; not reproduced: the whole interval says the opposite; "
    "undecided: neither, at this power. Verdicts are about these data sets and settings. Of rows at several K, "
    "K = 2 takes part; two steps are compared with the other K that does best on validation.",
)


def claims(results: ResultSet, load: Load) -> Table:
    """Every claim, where it stands in the paper, what is expected, what was found."""
    found = judge(results, load)
    return suite_table(
        results,
        name="claims",
        caption="the claims of arXiv 2503.22675",
        columns=[ColumnGroup("", ("Where", "Verdict", "Expected", "Percent", "95%", "Seeds", "Of"))],
        groups=[RowGroup((), tuple(Line(one.claim.claim, _cells(one)) for one in found))],
        notes=(*_NOTES, *_open(found)),
        fields=FIELDS,
        records=(
            {
                "id": one.claim.id,
                "claim": one.claim.claim,
                "where": one.claim.where,
                "verdict": one.verdict,
                "expected": expectation(one),
                "value_percent": one.value,
                **bounds(("low", "high"), one.interval),
                "seeds": one.seeds,
                "cells": one.cells,
                "note": one.why or one.claim.note,
            }
            for one in found
        ),
    )


def expectation(one: Judged) -> str:
    """What an interval has to show, in words."""
    ((kind, bound),) = one.claim.expect.items()
    words = f"{bound[0]:g} to {bound[1]:g}" if kind == "between" else f"{bound:g}"
    return words if kind == "between" else f"{kind.replace('_', ' ')} {words}"


def _cells(one: Judged) -> tuple[TableCell, ...]:
    tested = one.value is not None
    return (
        TableCell("text", text=one.claim.where),
        TableCell("text", text=one.verdict),
        TableCell("text", text=expectation(one)),
        TableCell("plain" if one.claim.test["kind"] == "share" else "change", one.value, digits=1) if tested else EMPTY,
        span(one.interval, digits=1),
        TableCell("count", one.seeds) if tested else EMPTY,
        TableCell("count", one.cells) if tested else EMPTY,
    )


def _open(found: tuple[Judged, ...]) -> list[str]:
    lines = [f"{one.claim.id}: {one.claim.note}" for one in found if one.claim.note]
    missing: dict[str, list[str]] = {}
    for one in found:
        if one.verdict == "not tested":
            missing.setdefault(one.why, []).append(one.claim.id)
    return lines + [f"Not tested ({why}): {', '.join(ids)}." for why, ids in missing.items()]
