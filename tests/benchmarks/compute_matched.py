"""Reasoning, or just more compute? The tables of docs/measurements/compute_matched.md from a stored suite.

    python tests/benchmarks/compute_matched.py [SUITE] [--results DIR]

The first table has test NDCG@20 of every row with Student's t at 95% over seeds. The second has differences in percent
of the other row's mean: by seed with Student's t (the same seed starts rows of one size from the same weights), and
over users with a bootstrap at 95%, runs averaged. Rows with steps stand over each base, bigger bases over base.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from rearec_bench.harness.analysis.compare import METRICS
from rearec_bench.harness.analysis.intervals import Interval, cluster_means, percentile_interval, t_interval
from rearec_bench.harness.analysis.paired_rows import PairedRows, paired_rows, same_rows
from rearec_bench.harness.analysis.resultset import CellResults, load_results
from rearec_bench.harness.store.store import Store

METRIC = "ndcg@20"
AT = METRICS.index(METRIC)
BASE = "base"
NAMES = {
    "base_inference": "wider (inference)",
    "base_training": "wider (training)",
    "base_6_layers": "6 layers",
    "base_10_layers": "10 layers",
    "erl": "ERL",
    "prl": "PRL",
}


def name_of(cell: CellResults) -> str:
    """A row as the tables call it."""
    return NAMES.get(cell.strategy, cell.strategy)


def interval_text(interval: Interval | None, form: str) -> str:
    """Both bounds; "" without an interval."""
    return "" if interval is None else f"[{interval.low:{form}}, {interval.high:{form}}]"


def row_line(cell: CellResults, rows: PairedRows) -> str:
    """One line of the first table."""
    values = [float(metrics[AT]) for metrics in rows.by_seed.values()]
    name = name_of(cell)
    if cell.steps:
        name = f"{name}, K = {cell.steps}"
    elif cell.strategy != BASE:
        name = f"base, {name}"
    epochs = ", ".join(str(run.best_epoch) for run in cell.runs)
    value = f"{statistics.fmean(values):.4f} {interval_text(t_interval(values), '.4f')}"
    return f"| {name} | {cell.runs[0].parameters:,} | {value} | {epochs} |"


def difference_line(cell: CellResults, other: CellResults, ours: PairedRows, theirs: PairedRows) -> str:
    """One line of the second table."""
    name = f"| {name_of(cell)} over {name_of(other)} |"
    seeds = [seed for seed in ours.by_seed if seed in theirs.by_seed]
    if not seeds or not same_rows(ours, theirs):
        return f"{name} | | |"
    scale = 100 / statistics.fmean(float(theirs.by_seed[seed][AT]) for seed in seeds)
    by_seed = [float(ours.by_seed[seed][AT] - theirs.by_seed[seed][AT]) * scale for seed in seeds]
    change = (ours.gains - theirs.gains)[:, AT : AT + 1]  # (R, 1)
    users = percentile_interval(cluster_means(change, ours.users)[:, 0] * scale)
    over_seeds, over_users = (interval_text(interval, "+.1f") for interval in (t_interval(by_seed), users))
    return f"{name} {statistics.fmean(by_seed):+.1f} | {over_seeds} | {over_users} |"


def pairs(cells: Sequence[CellResults]) -> Iterator[tuple[CellResults, CellResults]]:
    """Which row stands over which."""
    bases = [cell for cell in cells if cell.steps == 0]
    for cell in cells:
        if cell.steps:
            yield from ((cell, base) for base in bases)
    plain = next(cell for cell in bases if cell.strategy == BASE)
    yield from ((cell, plain) for cell in bases if cell is not plain)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", nargs="?", default="compute_matched_short")
    parser.add_argument("--results", type=Path, default=Path("results"))
    arguments = parser.parse_args()
    store = Store(arguments.results)
    every = load_results(arguments.suite, store=store).models().cells
    rows = {cell.strategy: found for cell in every if (found := paired_rows(cell, store)) is not None}
    cells = [cell for cell in every if cell.strategy in rows]
    epochs = max(run.spec.training.max_epochs for cell in cells for run in cell.runs)
    print(f"| row | parameters | test NDCG@20, 95% over seeds | best epochs of {epochs} |")
    print("|:--|--:|:--|:--|")
    for cell in cells:
        print(row_line(cell, rows[cell.strategy]))
    print()
    print("| difference | percent | 95% over seeds | 95% over users |")
    print("|:--|--:|:--|:--|")
    for cell, other in pairs(cells):
        print(difference_line(cell, other, rows[cell.strategy], rows[other.strategy]))


if __name__ == "__main__":
    main()
