"""Does `recipe: released` train like the authors' code? Compares stored runs with what their code reached.

    rearec-bench prepare released --name ml-100k --source DIR
    rearec-bench run suites/fidelity_erl.yaml
    rearec-bench run suites/fidelity_prl.yaml
    python tests/benchmarks/fidelity.py [--results DIR]

Their curves were measured once, with their code at 7f46432 on the same rows and settings (torch, CPU, one thread). At
each epoch that both reached, |theirs - our mean| <= 3 s sqrt(1 + 1/n), s our standard deviation over n seeds: what a
new draw from our seeds would keep to nearly always.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

from rearec_bench.harness.analysis.resultset import load_results
from rearec_bench.harness.records.results import TrialSummary
from rearec_bench.harness.store.store import Store

SUITES = ("fidelity_erl", "fidelity_prl")


@dataclass(frozen=True)
class Theirs:
    """What the authors' code reached: validation NDCG@20 by epoch for each of its seeds, and its cost."""

    curves: tuple[tuple[float, ...], ...]
    test: tuple[float, ...]
    rows_per_s: str
    peak_gb: str


AUTHORS = {
    "erl": Theirs(
        (
            (0.0428, 0.0647, 0.0722, 0.0769, 0.0770, 0.0795, 0.0809, 0.0811, 0.0790, 0.0812),
            (0.0465, 0.0668, 0.0754, 0.0762, 0.0779, 0.0842, 0.0791, 0.0821),
        ),
        (0.0701, 0.0698),
        "278",
        "6.3-6.9",
    ),
    "prl": Theirs(
        (
            (0.0526, 0.0706, 0.0533, 0.0565, 0.0640, 0.0641, 0.0676),
            (0.0558, 0.0703, 0.0533, 0.0609, 0.0633, 0.0644),
        ),
        (0.0576,),
        "282, then 140",
        "6.1-6.8",
    ),
}


def curve_lines(row: str, runs: list[TrialSummary]) -> tuple[list[str], bool]:
    """The table of one strategy, and whether every comparison holds."""
    lines = ["| epoch | authors' seeds | ours: mean | s | 3 s sqrt(1 + 1/n) | n | |", "|--:|--:|--:|--:|--:|--:|:--|"]
    holds = True
    for epoch in range(max(map(len, AUTHORS[row].curves))):
        theirs = [curve[epoch] for curve in AUTHORS[row].curves if len(curve) > epoch]
        ours = [run.history[epoch].validation["ndcg@20"] for run in runs if len(run.history) > epoch]
        shown = " ".join(f"{value:.4f}" for value in theirs)
        if len(ours) < 2:
            lines.append(f"| {epoch + 1} | {shown} | - | - | - | {len(ours)} | too few of ours got here |")
            continue
        mean, deviation = statistics.fmean(ours), statistics.stdev(ours)
        bound = 3 * deviation * (1 + 1 / len(ours)) ** 0.5
        inside = all(abs(value - mean) <= bound for value in theirs)
        holds = holds and inside
        verdict = "inside" if inside else "outside"
        lines.append(
            f"| {epoch + 1} | {shown} | {mean:.4f} | {deviation:.4f} | {bound:.4f} | {len(ours)} | {verdict} |"
        )
    return lines, holds


def summary_lines(row: str, runs: list[TrialSummary]) -> list[str]:
    """Test quality and cost beside theirs."""
    if not runs:
        return ["- no run is stored yet"]
    tests = [run.test["ndcg@20"] for run in runs if run.test is not None]
    spread = f"{statistics.fmean(tests):.4f} (s {statistics.stdev(tests):.4f}, n {len(tests)})" if tests[1:] else "-"
    rates = sorted(epoch.rows_per_s for run in runs for epoch in run.history)
    peaks = [run.peak_memory_bytes / 1e9 for run in runs]
    theirs = AUTHORS[row]
    return [
        f"- test NDCG@20: ours {spread}; theirs {', '.join(f'{value:.4f}' for value in theirs.test)}",
        f"- training rows/s, one thread: ours median {statistics.median(rates):.0f} "
        f"({rates[0]:.0f} to {rates[-1]:.0f}); theirs {theirs.rows_per_s}, on another day",
        f"- peak memory of the process, GB: ours {min(peaks):.1f} to {max(peaks):.1f}; theirs {theirs.peak_gb}",
        f"- epochs: {', '.join(str(len(run.history)) for run in runs)}",
    ]


def main() -> int:
    """Print the comparison; exit status 1 where a value lies outside."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path("results"))
    store = Store(parser.parse_args().results)
    holds = True
    for cell in (cell for name in SUITES if name in store.suites() for cell in load_results(name, store=store).cells):
        lines, inside = curve_lines(cell.strategy, list(cell.runs))
        holds = holds and inside
        print(f"### {cell.strategy}: validation NDCG@20 by epoch\n")
        print("\n".join(lines), "\n")
        print("\n".join(summary_lines(cell.strategy, list(cell.runs))))
        ended = ", ".join(f"seed {seed} {how}" for seed, how in cell.ended.items()) or "none"
        print(f"- not done: {ended}; not yet run: {len(cell.missing)}\n")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
