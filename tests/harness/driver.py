"""Runs a suite in a process of its own, for tests that kill or interrupt it.

    python driver.py SUITE RESULTS [TRIAL [ADDRESS]]

Prints the outcome as JSON on its last line.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from pathlib import Path

from rearec_bench.harness.monitor.terminal import LineReporter
from rearec_bench.harness.run.runner import TRIAL, RunOptions, run_suite
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.suite.load import load_suite

HERE = Path(__file__).resolve().parent


def main(suite: str, results: str, trial: str = TRIAL, address: str = "") -> int:
    """Run and print; 130 or 143 where a signal has ended it."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    outcome = run_suite(
        load_suite(Path(suite)),
        store=Store(Path(results)),
        data_dir=Path(results) / "data",
        options=RunOptions(trial=trial, cpus=2, max_concurrent=2, address=address or None),
        reporter=LineReporter(sys.stdout),
    )
    print(json.dumps(dataclasses.asdict(outcome)))
    if outcome.interrupted:
        return 143 if outcome.ended_by == "terminated" else 130
    return int(bool(outcome.failed))


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
