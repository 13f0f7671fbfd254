"""Runs benchmark scripts one after the other and prints their figures as one table, with the machine.

    python tests/benchmarks/run.py short             # what `make bench` runs: two cores, under 15 minutes
    python tests/benchmarks/run.py long              # what `make bench-long` runs: soak, growth
    python tests/benchmarks/run.py losses inference  # some scripts
    python tests/benchmarks/run.py short --tiny      # sizes that run in seconds; the numbers mean nothing
    python tests/benchmarks/run.py short -o FILE     # writes the table to a file, too

Each script runs in a process of its own; one that fails is named, and the exit status is 1. A missed target is shown,
and is no failure: these are measurements.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figure import Figure, machine, table

HERE = Path(__file__).resolve().parent
SETS = {
    "short": ("training", "losses", "evaluation", "inference", "overhead", "stores", "checkpoints"),
    "long": ("soak", "growth"),
}


def run(script: str, *, tiny: bool) -> list[Figure] | None:
    """The figures of one script; None where it failed."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "figures.json"
        command = [sys.executable, str(HERE / f"{script}.py"), "--json", str(found), *(["--tiny"] if tiny else [])]
        began = time.perf_counter()
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        seconds = time.perf_counter() - began
        if done.returncode or not found.is_file():
            print(f"{script} failed after {seconds:.0f} s:\n{done.stdout[-4000:]}", file=sys.stderr)
            return None
        print(f"{script}: {seconds:.0f} s", file=sys.stderr)
        return [Figure(**figure) for figure in json.loads(found.read_text())]


def main() -> int:
    """Measure; exit status 1 where a script failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scripts", nargs="+", metavar="SCRIPT", help=f"{', '.join(SETS)}, or names of scripts.")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE")
    options = parser.parse_args()
    scripts = [script for name in options.scripts for script in SETS.get(name, (name,))]
    unknown = [script for script in scripts if not (HERE / f"{script}.py").is_file()]
    if unknown:
        parser.error(f"no script {', '.join(unknown)}; there are {', '.join(sorted(sum(SETS.values(), ())))}")
    found = {script: run(script, tiny=options.tiny) for script in scripts}
    figures = [figure for made in found.values() if made is not None for figure in made]
    text = f"{table(figures)}\n\n{machine()}\n"
    print(text)
    if options.output:
        options.output.write_text(text)
    return int(None in found.values())


if __name__ == "__main__":
    raise SystemExit(main())
