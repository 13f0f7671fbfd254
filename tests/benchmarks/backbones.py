"""Does every backbone learn with every strategy, and what does reasoning add? Test NDCG@20 over seeds, with intervals.

    rearec-bench run suites/backbones_ml100k.yaml        (and suites/backbones_industrial.yaml)
    python tests/benchmarks/backbones.py backbones_ml100k [--results DIR]

Intervals are Student's t at 95%, over seeds. The first table holds each row against popularity on the same test rows.
The second has differences from base by seed (the same seed starts both from the same weights), in percent of base's
mean, and the smallest true difference that so many seeds would find with a power of 80%.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from rearec_bench.harness.analysis.intervals import detectable_difference, t_interval
from rearec_bench.harness.analysis.resultset import CellResults, load_results
from rearec_bench.harness.store.store import Store

METRIC = "ndcg@20"


def by_seed(cell: CellResults) -> dict[int, float]:
    """Test metric of each run that is done."""
    return {run.spec.seed: run.test[METRIC] for run in cell.runs if run.test is not None}


def against_popularity(cell: CellResults, popularity: float) -> str:
    """One line of the first table."""
    values = list(by_seed(cell).values())
    name = f"| {cell.dataset} | {cell.backbone} | {cell.strategy} | {len(values)} |"
    interval = t_interval(values)
    if interval is None:
        return f"{name} {statistics.fmean(values):.4f} | | |" if values else f"{name} | | not run |"
    above = "above" if interval.low > popularity else "NOT above"
    epochs = ", ".join(str(run.best_epoch) for run in cell.runs)
    return (
        f"{name} {statistics.fmean(values):.4f} [{interval.low:.4f}, {interval.high:.4f}] | {above} | {epochs} of "
        f"{cell.runs[0].spec.training.max_epochs} |"
    )


def against_base(cell: CellResults, base: CellResults) -> str:
    """One line of the second table."""
    first, second = by_seed(cell), by_seed(base)
    seeds = sorted(first.keys() & second.keys())
    name = f"| {cell.dataset} | {cell.backbone} | {cell.strategy} | {len(seeds)} |"
    if not seeds:
        return f"{name} | | |"
    ours, theirs = [first[seed] for seed in seeds], [second[seed] for seed in seeds]
    scale = 100 / statistics.fmean(theirs)
    differences = [(one - other) * scale for one, other in zip(ours, theirs, strict=True)]
    interval = t_interval(differences)
    detectable = detectable_difference(ours, theirs, paired=True)
    if interval is None or detectable is None:
        return f"{name} {statistics.fmean(differences):+.2f}% | | |"
    verdict = "undecided" if interval.low <= 0 <= interval.high else "better" if interval.low > 0 else "worse"
    return (
        f"{name} {statistics.fmean(differences):+.2f}% [{interval.low:+.2f}%, {interval.high:+.2f}%] | "
        f"{detectable * scale:.2f}% | {verdict} |"
    )


def main() -> None:
    """Print both tables of each suite."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="+")
    parser.add_argument("--results", type=Path, default=Path("results"))
    arguments = parser.parse_args()
    found = [load_results(name, store=Store(arguments.results)).cells for name in arguments.suites]
    print("| data set | backbone | strategy | seeds | test NDCG@20, 95% interval | than popularity | best epochs |")
    print("|:--|:--|:--|--:|:--|:--|:--|")
    for cells in found:
        popularity = next(value for cell in cells if cell.backbone == "popularity" for value in by_seed(cell).values())
        for cell in cells:
            if cell.is_baseline:
                value = next(iter(by_seed(cell).values()))
                print(f"| {cell.dataset} | {cell.backbone} | | | {value:.4f} | | |")
            else:
                print(against_popularity(cell, popularity))
    print()
    print("| data set | backbone | strategy | seeds | over base, 95% interval | detectable | |")
    print("|:--|:--|:--|--:|:--|--:|:--|")
    for cells in found:
        bases = {cell.backbone: cell for cell in cells if cell.strategy == "base" and not cell.is_baseline}
        for cell in cells:
            if not cell.is_baseline and cell.strategy != "base":
                print(against_base(cell, bases[cell.backbone]))


if __name__ == "__main__":
    main()
