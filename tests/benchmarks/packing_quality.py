"""What packing whole users costs in validation quality: the table of docs/measurements/packing.md, from stored suites.

    python tests/benchmarks/packing_quality.py packing_ml100k packing_beauty            [--results DIR]

`users` may be a default where no interval reaches below -1%. Intervals are at 95%, Student's t over seeds. The same
seed starts both rows from the same weights, so differences are paired; they are in percent of the other row's mean.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from rearec_bench.harness.analysis.intervals import t_interval
from rearec_bench.harness.analysis.resultset import CellResults, load_results
from rearec_bench.harness.store.store import Store

METRIC = "ndcg@20"


def quality(cell: CellResults) -> dict[int, float]:
    """Validation metric of each run that is done, by seed."""
    return {run.spec.seed: run.validation[METRIC] for run in cell.runs if run.validation is not None}


def packing(suites: Sequence[Sequence[CellResults]]) -> Iterator[str]:
    """Packed against row-by-row training."""
    yield "| data set | strategy | seeds | row by row | packed | difference, 95% interval | rows/s, ratio |"
    yield "|:--|:--|--:|--:|--:|--:|--:|"
    for cells in suites:
        by_row = {(cell.dataset, cell.strategy): cell for cell in cells}
        for alone in (cell for cell in cells if "packing=none" in cell.strategy):
            packed = by_row[alone.dataset, alone.strategy.replace("packing=none", "packing=users")]
            ours, theirs = quality(packed), quality(alone)
            seeds = sorted(ours.keys() & theirs.keys())
            row = f"| {alone.dataset} | {alone.strategy.partition('[')[0]} | {len(seeds)}"
            if len(seeds) < 2:
                yield f"{row} seeds | | | | |"
                continue
            before, after = (statistics.fmean(values[seed] for seed in seeds) for values in (theirs, ours))
            change = t_interval([100 * (ours[seed] - theirs[seed]) / before for seed in seeds])
            assert change is not None, "two seeds and more have an interval"
            rates = [
                statistics.median(e.rows_per_s for run in cell.runs for e in run.history) for cell in (alone, packed)
            ]
            yield (
                f"{row} | {before:.4f} | {after:.4f} | {100 * (after / before - 1):+.2f}% "
                f"[{change.low:+.2f}%, {change.high:+.2f}%] | {rates[1] / rates[0]:.2f} |"
            )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="+", metavar="SUITE")
    parser.add_argument("--results", type=Path, default=Path("results"))
    options = parser.parse_args()
    store = Store(options.results)
    suites = [load_results(name, store=store).cells for name in options.suites]
    print("\n".join(packing(suites)))


if __name__ == "__main__":
    main()
