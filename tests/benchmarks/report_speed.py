"""Time of `report` on 1,000 stored trials, as a whole process: must be under 2 s, without torch and ray.

    python tests/benchmarks/report_speed.py [--trials 1000]

A suite with base, erl and prl is stored with made-up trials (five final runs and a search for each cell, 30 epochs of
history, 2,000 rows a split); then `rearec-bench report` runs in a process of its own, three times for each table.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "harness"))

LIMIT_S = 2.0
SUITE = """
name: speed
datasets: [tiny]
backbones: [sasrec]
strategies:
  - base
  - erl: {{kl_weight: {{search: [0.001, 0.005, 0.01, 0.05, 0.1]}}}}
  - prl: {{temperature: {{search: {{low: 0.05, high: 5.0}}}}}}
steps: [{steps}]
seeds: [1, 2, 3, 4, 5]
search: {{trials: {search}, sampler: random}}
"""
REPORT = """
import sys
from rearec_bench.cli import main

main(["report", "--results", sys.argv[1], "--table", sys.argv[2]], standalone_mode=False)
heavy = [name for name in ("torch", "ray", "optuna", "pandas") if name in sys.modules]
sys.exit(f"imported {heavy}" if heavy else 0)
"""


def fill(root: Path, trials: int) -> int:
    """Store a suite with about so many trials; returns how many there are."""
    import synthetic

    from rearec_bench.harness.plan import expand
    from rearec_bench.harness.store import Store
    from rearec_bench.harness.suite import load_suite

    depths = max(1, -(-(trials - 5) // 60))
    file = root / "speed.yaml"
    root.mkdir(parents=True, exist_ok=True)
    file.write_text(SUITE.format(steps=", ".join(map(str, range(1, depths + 1))), search=25))
    suite = load_suite(file)
    store = Store(root)
    entries = {}
    for cell in expand(suite):
        names = list(cell.space)
        common = {"fingerprint": "f" * 16, "device": "cpu"}
        tried = [
            cell.spec(dict.fromkeys(names, 0.1 + i / 100), seed=0, purpose="search", **common)
            for i in range(25 if names else 0)
        ]
        finals = [cell.spec(dict.fromkeys(names, 0.1), seed=seed, purpose="final", **common) for seed in cell.seeds]
        for spec in (*tried, *finals):
            made = synthetic.trial(dataclasses.replace(spec, steps=min(spec.steps, 3)), rows=2000)
            history = tuple(dataclasses.replace(made.history[0], epoch=epoch) for epoch in range(1, 31))
            store.write(dataclasses.replace(made, spec=spec, history=history))
        entries[cell.id] = {
            "search": [spec.key for spec in tried],
            "best": tried[0].key if tried else None,
            "final": {str(spec.seed): spec.key for spec in finals},
        }
    store.write_suite(suite.name, suite.to_json(), {"cells": entries, "dataset_facts": {}})
    return len(store.keys())


def measure(root: Path, table: str) -> float:
    """Seconds of the fastest of three processes that print a table."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", REPORT, str(root), table], check=True, stdout=subprocess.PIPE)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> int:
    """Measure and print; exit status 1 where the limit is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "results"
        trials = fill(root, options.trials)
        found = {table: measure(root, table) for table in ("overall", "steps", "ceiling")}
    print(json.dumps({"trials": trials, "seconds": found, "limit_s": LIMIT_S, "machine": platform.machine()}))
    return int(found["overall"] > LIMIT_S)


if __name__ == "__main__":
    sys.exit(main())
