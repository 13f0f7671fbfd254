"""Does packing cost quality? Validation NDCG@20 of packed against row-by-row training, seed by seed.

    rearec-bench run suites/packing_ml100k.yaml        (and suites/packing_beauty.yaml)
    python tests/benchmarks/packing.py packing_ml100k [--results DIR]

The same seed starts both from the same weights, so differences are paired; the interval is Student's t over seeds, in
percent of the row-by-row mean. `users` may be a default where no interval reaches below -1%.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from rearec_bench.harness.analysis.intervals import t_interval
from rearec_bench.harness.analysis.resultset import CellResults, load_results
from rearec_bench.harness.store.store import Store


def compare(single: CellResults, packed: CellResults) -> str:
    """One line of the table."""
    by_seed = {run.spec.seed: run for run in packed.runs}
    pairs = [(run, by_seed[run.spec.seed]) for run in single.runs if run.spec.seed in by_seed]
    name = single.strategy.partition("[")[0]
    if len(pairs) < 2:
        return f"| {single.dataset} | {name} | {len(pairs)} seeds | | | | |"
    alone = [run.validation["ndcg@20"] for run, _ in pairs if run.validation]
    together = [run.validation["ndcg@20"] for _, run in pairs if run.validation]
    mean = statistics.fmean(alone)
    differences = [100 * (b - a) / mean for a, b in zip(alone, together, strict=True)]
    interval = t_interval(differences)
    if interval is None:
        raise ValueError(f"{name}: a validation value is not finite")
    rates = [
        statistics.median(epoch.rows_per_s for run in cell.runs for epoch in run.history) for cell in (single, packed)
    ]
    return (
        f"| {single.dataset} | {name} | {len(pairs)} | {mean:.4f} | {statistics.fmean(together):.4f} | "
        f"{statistics.fmean(differences):+.2f}% [{interval.low:+.2f}%, {interval.high:+.2f}%] | "
        f"{rates[1] / rates[0]:.2f} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="+")
    parser.add_argument("--results", type=Path, default=Path("results"))
    arguments = parser.parse_args()
    print("| data set | strategy | seeds | row by row | packed | difference, 95% interval | rows/s, ratio |")
    print("|:--|:--|--:|--:|--:|--:|--:|")
    for suite in arguments.suites:
        cells = load_results(suite, store=Store(arguments.results)).cells
        for cell in cells:
            if "packing=none" in cell.strategy:
                twin = cell.strategy.replace("packing=none", "packing=users")
                print(compare(cell, next(c for c in cells if c.strategy == twin and c.dataset == cell.dataset)))


if __name__ == "__main__":
    main()
