"""What running a suite costs beside its trials: 40 trials that keep a core busy for a second each, two at a time.

Prints (wall time - sum of trial times / 2) / 40, from when Ray has started to when it has ended. The trials are real
to everything but the model: they are suggested, sent to a worker, report ten epochs each, and are written to a store.

    python tests/benchmarks/overhead.py
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from pathlib import Path

from rearec_bench.harness.execute import RunOptions, run_suite
from rearec_bench.harness.store import Store
from rearec_bench.harness.suite import load_suite
from rearec_bench.harness.terminal import LineReporter

TRIALS = 40
AT_ONCE = 2
LIMIT_S = 0.25
SUITE = """
name: overhead
datasets: [tiny]
backbones: [sasrec]
strategies: [base, naive]
steps: [1]
seeds: [{seeds}]
training: {{max_epochs: 10}}
"""


def main() -> int:
    """Run the suite; 1 where it costs more than the limit."""
    tests = Path(__file__).resolve().parents[1]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(tests / "harness"), os.environ.get("PYTHONPATH", "")])
    os.environ.update({"FAKE_EPOCH_S": "0.1", "FAKE_SPIN": "1"})
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "overhead.yaml"
        file.write_text(SUITE.format(seeds=", ".join(str(seed) for seed in range(1, TRIALS // 2 + 1))))
        store = Store(Path(folder) / "results")
        outcome = run_suite(
            load_suite(file),
            store=store,
            data_dir=Path(folder),
            options=RunOptions(trial="fake_trial:FakeTrial", cpus=AT_ONCE),
            reporter=LineReporter(sys.stderr),
        )
        events = [json.loads(line) for line in (store.suite_folder("overhead") / "run.jsonl").read_text().splitlines()]
        trials = [store.summary(key).timings["total_s"] for key in sorted(store.keys())]
    wall = outcome.wall_s - outcome.ray_s
    overhead = (wall - sum(trials) / AT_ONCE) / len(trials)
    print(
        f"{len(trials)} trials of {sum(trials) / len(trials):.2f} s, {AT_ONCE} at a time, {os.cpu_count()} cores, "
        f"{platform.machine()}, Python {platform.python_version()}"
    )
    print(
        f"Ray started in {outcome.ray_s:.1f} s; after that {wall:.1f} s, of which trials {sum(trials) / AT_ONCE:.1f} s"
    )
    times = [event["time"] for event in events]
    between = (max(times) - min(times) - sum(trials) / AT_ONCE) / len(trials)
    around = wall - (max(times) - min(times))
    print(
        f"{around:.1f} s before the first trial starts and after the last ends; between them {between:.3f} s per trial"
    )
    print(f"overhead {overhead:.3f} s per trial (limit {LIMIT_S} s)")
    return int(overhead >= LIMIT_S or len(trials) != TRIALS)


if __name__ == "__main__":
    raise SystemExit(main())
