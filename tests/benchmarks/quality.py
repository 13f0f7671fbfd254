"""Test and validation quality of stored suites, over seeds: the tables of three pages of docs/measurements.

    python tests/benchmarks/quality.py backbones backbones_ml100k backbones_industrial
    python tests/benchmarks/quality.py compute_matched compute_matched_ml100k
    python tests/benchmarks/quality.py packing packing_ml100k packing_beauty            [--results DIR]

backbones: does every backbone learn with every strategy (each row against popularity on the same test rows), and what
does reasoning add (over base by seed, and the smallest true difference that so many seeds would find with a power of
80%)? compute_matched: reasoning, or just more compute (rows with steps over each base, bigger bases over base)?
packing: does it cost validation quality? `users` may be a default where no interval reaches below -1%.

Intervals are at 95%: Student's t over seeds, or a bootstrap over users with runs averaged. The same seed starts rows of
one size from the same weights, so differences are paired; they are in percent of the other row's mean.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from rearec_bench.harness.analysis.compare import METRICS
from rearec_bench.harness.analysis.intervals import (
    Interval,
    cluster_means,
    detectable_difference,
    percentile_interval,
    t_interval,
)
from rearec_bench.harness.analysis.paired_rows import paired_rows, same_rows
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


def bounds(interval: Interval | None, form: str, unit: str = "") -> str:
    """Both bounds of an interval; "" without one."""
    return "" if interval is None else f"[{interval.low:{form}}{unit}, {interval.high:{form}}{unit}]"


def quality(cell: CellResults, split: str = "test") -> dict[int, float]:
    """The metric of each run that is done, by seed."""
    return {run.spec.seed: values[METRIC] for run in cell.runs if (values := getattr(run, split)) is not None}


def paired(ours: dict[int, float], theirs: dict[int, float]) -> tuple[list[float], list[float], list[float]]:
    """Both rows' values of the seeds that both have, and the differences in percent of the second row's mean."""
    seeds = sorted(ours.keys() & theirs.keys())
    first, second = [ours[seed] for seed in seeds], [theirs[seed] for seed in seeds]
    mean = statistics.fmean(second) if seeds else 1.0
    return first, second, [100 * (one - other) / mean for one, other in zip(first, second, strict=True)]


def backbones(suites: Sequence[Sequence[CellResults]], store: Store) -> Iterator[str]:
    """Each row against popularity, then over base."""
    yield "| data set | backbone | strategy | seeds | test NDCG@20, 95% interval | than popularity | best epochs |"
    yield "|:--|:--|:--|--:|:--|:--|:--|"
    for cells in suites:
        popularity = next(value for cell in cells if cell.backbone == "popularity" for value in quality(cell).values())
        for cell in cells:
            values = list(quality(cell).values())
            name, interval = f"| {cell.dataset} | {cell.backbone} |", t_interval(values)
            row = f"{name} {cell.strategy} | {len(values)} |"
            if cell.is_baseline:
                yield f"{name} | | {values[0]:.4f} | | |"
            elif interval is None:
                yield f"{row} {statistics.fmean(values):.4f} | | |" if values else f"{row} | | not run |"
            else:
                above = "above" if interval.low > popularity else "NOT above"
                epochs = ", ".join(str(run.best_epoch) for run in cell.runs)
                yield (
                    f"{row} {statistics.fmean(values):.4f} {bounds(interval, '.4f')} | {above} | {epochs} of "
                    f"{cell.runs[0].spec.training.max_epochs} |"
                )
    yield "\n| data set | backbone | strategy | seeds | over base, 95% interval | detectable | |"
    yield "|:--|:--|:--|--:|:--|--:|:--|"
    for cells in suites:
        models = [cell for cell in cells if not cell.is_baseline]
        bases = {cell.backbone: cell for cell in models if cell.strategy == BASE}
        for cell in (cell for cell in models if cell.strategy != BASE):
            ours, theirs, differences = paired(quality(cell), quality(bases[cell.backbone]))
            row = f"| {cell.dataset} | {cell.backbone} | {cell.strategy} | {len(differences)} |"
            interval = t_interval(differences)
            detectable = detectable_difference([own - other for own, other in zip(ours, theirs, strict=True)])
            if interval is None or detectable is None:
                yield f"{row} {statistics.fmean(differences):+.2f}% | | |" if differences else f"{row} | | |"
                continue
            verdict = "undecided" if interval.low <= 0 <= interval.high else "better" if interval.low > 0 else "worse"
            yield (
                f"{row} {statistics.fmean(differences):+.2f}% {bounds(interval, '+.2f', '%')} | "
                f"{100 * detectable / statistics.fmean(theirs):.2f}% | {verdict} |"
            )


def compute_matched(suites: Sequence[Sequence[CellResults]], store: Store) -> Iterator[str]:
    """Each row, then rows with steps over each base, and bigger bases over base."""
    for every in suites:
        models = [cell for cell in every if not cell.is_baseline]
        rows = {cell.strategy: found for cell in models if (found := paired_rows(cell, store)) is not None}
        cells = [cell for cell in models if cell.strategy in rows]
        names = {cell.strategy: NAMES.get(cell.strategy, cell.strategy) for cell in cells}
        values = {
            row: {seed: float(metrics[AT]) for seed, metrics in found.by_seed.items()} for row, found in rows.items()
        }
        epochs = max(run.spec.training.max_epochs for cell in cells for run in cell.runs)
        yield f"| row | parameters | test NDCG@20, 95% over seeds | best epochs of {epochs} |"
        yield "|:--|--:|:--|:--|"
        for cell in cells:
            name, own = names[cell.strategy], list(values[cell.strategy].values())
            name = f"{name}, K = {cell.steps}" if cell.steps else name if cell.strategy == BASE else f"base, {name}"
            best = ", ".join(str(run.best_epoch) for run in cell.runs)
            value = f"{statistics.fmean(own):.4f} {bounds(t_interval(own), '.4f')}"
            yield f"| {name} | {cell.runs[0].parameters:,} | {value} | {best} |"
        yield "\n| difference | percent | 95% over seeds | 95% over users |"
        yield "|:--|--:|:--|:--|"
        bases = [cell.strategy for cell in cells if cell.steps == 0]
        over = [(cell.strategy, base) for cell in cells if cell.steps for base in bases]
        for row, other in [*over, *((base, BASE) for base in bases if base != BASE)]:
            ours, theirs = rows[row], rows[other]
            _, second, differences = paired(values[row], values[other])
            line = f"| {names[row]} over {names[other]} |"
            if not differences or not same_rows(ours, theirs):
                yield f"{line} | | |"
                continue
            change = (ours.gains - theirs.gains)[:, AT : AT + 1]  # (R, 1)
            means = cluster_means(change, ours.users)[:, 0] * (100 / statistics.fmean(second))
            users = bounds(percentile_interval(means), "+.1f")
            yield f"{line} {statistics.fmean(differences):+.1f} | {bounds(t_interval(differences), '+.1f')} | {users} |"


def packing(suites: Sequence[Sequence[CellResults]], store: Store) -> Iterator[str]:
    """Packed against row-by-row training."""
    yield "| data set | strategy | seeds | row by row | packed | difference, 95% interval | rows/s, ratio |"
    yield "|:--|:--|--:|--:|--:|--:|--:|"
    for cells in suites:
        by_row = {(cell.dataset, cell.strategy): cell for cell in cells}
        for alone in (cell for cell in cells if "packing=none" in cell.strategy):
            packed = by_row[alone.dataset, alone.strategy.replace("packing=none", "packing=users")]
            ours, theirs, differences = paired(quality(packed, "validation"), quality(alone, "validation"))
            row = f"| {alone.dataset} | {alone.strategy.partition('[')[0]} | {len(differences)}"
            if len(differences) < 2:
                yield f"{row} seeds | | | | |"
                continue
            rates = [
                statistics.median(e.rows_per_s for run in cell.runs for e in run.history) for cell in (alone, packed)
            ]
            yield (
                f"{row} | {statistics.fmean(theirs):.4f} | {statistics.fmean(ours):.4f} | "
                f"{statistics.fmean(differences):+.2f}% {bounds(t_interval(differences), '+.2f', '%')} | "
                f"{rates[1] / rates[0]:.2f} |"
            )


def main() -> None:
    """Print the tables of a question."""
    tables = {"backbones": backbones, "compute_matched": compute_matched, "packing": packing}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", choices=tables)
    parser.add_argument("suites", nargs="+", metavar="SUITE")
    parser.add_argument("--results", type=Path, default=Path("results"))
    options = parser.parse_args()
    store = Store(options.results)
    suites = [load_results(name, store=store).cells for name in options.suites]
    print("\n".join(tables[options.question](suites, store)))


if __name__ == "__main__":
    main()
