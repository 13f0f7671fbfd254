"""Time of `report` on about 1,000 stored trials, as a whole process, which may import neither torch nor ray.

A suite with base, erl and prl is stored with made-up trials (final runs and a search for each cell, 30 epochs of
history, 2,000 rows a split); then `rearec-bench report` runs in a process of its own, the tables in turn.

    python tests/benchmarks/report_speed.py [--tiny] [--json FILE]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from figure import Figure, alternating, main
from made_store import NAME, make_store

LIMIT_S = 2.0
TABLES = ("overall", "steps", "ceiling")
REPORT = """
import sys
from rearec_bench.cli import main

main(["report", sys.argv[1], "--results", sys.argv[2], "--table", sys.argv[3]], standalone_mode=False)
heavy = [name for name in ("torch", "ray", "optuna", "pandas") if name in sys.modules]
sys.exit(f"imported {heavy}" if heavy else 0)
"""


def measure(tiny: bool) -> list[Figure]:
    """Median seconds of a process that prints a table."""
    with tempfile.TemporaryDirectory() as folder:
        _, trials = make_store(Path(folder), 100 if tiny else 1000)
        results = Path(folder) / "results"
        calls = {table: partial(_report, results, table) for table in TABLES}
        seconds = alternating(calls, repeats=1 if tiny else 5)
    return [
        Figure(f"report --table {table}, {trials:,} trials", seconds[table], "s", None if tiny else LIMIT_S)
        for table in TABLES
    ]


def _report(results: Path, table: str) -> None:
    command = [sys.executable, "-c", REPORT, NAME, str(results), table]
    subprocess.run(command, check=True, stdout=subprocess.PIPE)


if __name__ == "__main__":
    raise SystemExit(main(__doc__, measure))
