"""The log of lines that cannot be read."""

from __future__ import annotations

from pathlib import Path

from rearec_bench.harness.datasets.parsing.bad_lines import BadLineLog, BadLines

from ..builders import error_of


def test_the_log_counts_by_file_and_reason_and_names_the_first() -> None:
    log = BadLineLog("error")
    log.refuse()
    log.add(Path("d/a.csv"), 9, "no JSON", "is no JSON: x")
    log.add(Path("d/a.csv"), 4, "user is empty", "user: is empty", lines=3)
    log.add(Path("d/b.csv"), 2, "no JSON")
    log.add(Path("d/a.csv"), 7, "no JSON", "is no JSON: y")
    assert log.found() == (
        BadLines("a.csv", "user is empty", 3, 4),
        BadLines("a.csv", "no JSON", 2, 7),
        BadLines("b.csv", "no JSON", 1, 2),
    )
    first, rest = error_of(log.refuse).splitlines()
    assert first == "d/a.csv:4  user: is empty."
    assert rest.startswith("Lines that cannot be read: 6. 3 x user is empty (first: line 4 of a.csv); 2 x no JSON (")
    assert "7 of a.csv); 1 x no JSON (first: line 2 of b.csv). " in rest and rest.endswith("--on-bad-line skip")


def test_lines_that_are_skipped_end_nothing() -> None:
    log = BadLineLog("skip")
    log.add(Path("a"), 1, "no JSON")
    log.refuse()
    assert log.found() == (BadLines("a", "no JSON", 1, 1),)
