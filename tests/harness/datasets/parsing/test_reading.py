"""The line that says how far the reading of raw files is."""

from __future__ import annotations

import io

from rearec_bench.harness.datasets.parsing.raw import ReadingMeter
from rearec_bench.harness.utils.meter import Meter


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_each_file_has_a_line_of_its_own_and_leaves_the_terminal_as_it_was() -> None:
    now = [0.0]
    out = Terminal()
    tell = ReadingMeter(Meter(out, clock=lambda: now[0]))
    for file in ("a.csv.gz", "b.csv"):
        for done in (0, 10_000_000, 40_000_000):
            tell(done, 40_000_000, file)
            now[0] += 1.0
    lines = out.getvalue().split("\r\x1b[K")
    assert [line.split("   ")[0] for line in lines if line] == [
        "reading a.csv.gz  25%",
        "reading a.csv.gz 100%",
        "reading b.csv  25%",
        "reading b.csv 100%",
    ]
    assert "10 of 40 MB   10 MB/s   3 s left" in lines[1]
    assert out.getvalue().endswith("\r\x1b[K")


def test_small_files_write_nothing_to_a_log() -> None:
    out = io.StringIO()
    tell = ReadingMeter(Meter(out))
    tell(0, 100, "a.csv")
    tell(100, 100, "a.csv")
    assert out.getvalue() == ""
