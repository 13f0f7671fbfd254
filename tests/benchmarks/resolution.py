"""Do rank groups and `plan --detect` keep what they promise? Simulated suites drawn from stored ranks.

    python tests/benchmarks/resolution.py court --row base [--results DIR] [--suites 2000]

A simulated suite has the test users of a stored one, drawn with replacement, each with all its rows; each of its rows
draws its seeds with replacement from a pool of stored final runs of one data set: those of `--row`, and those of all
rows, each moved to the mean of all. So no row differs from another. An effect makes what each user adds to a row's
metric larger by so many percent.

- Without an effect: in how many suites are any two rows told apart? At most 5%.
- With effects of 0, 2, 5 and 10%: how often do all intervals hold the true rank? At least 95%. How often is each pair
  told apart?
- Power: how often does the test of a row against its reference find an effect, beside what `plan --detect` predicts
  from a pilot of two seeds and from the suite's own number (median, and nine in ten predictions).
- `seeds: {until: decided, most: 10}`: how often is a row told apart from its reference over all looks (at most 5%
  without an effect), how often with ten seeds from the start, and how many seeds does it take?
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from rearec_bench.harness.analysis.crossed import Difference, user_shares
from rearec_bench.harness.analysis.power import components_of, power_over_both
from rearec_bench.harness.analysis.ranks import metric_of_ranks
from rearec_bench.harness.analysis.resultset import load_results
from rearec_bench.harness.analysis.sequential import levels
from rearec_bench.harness.analysis.significance import LEVEL, holm
from rearec_bench.harness.plan.staged import FIRST
from rearec_bench.harness.store.store import Store

Floats = NDArray[np.float64]

EFFECTS = (0.0, 0.02, 0.05, 0.10)
ROWS = 5
SEEDS = (3, 5, 10)
MOST = 10
PILOTS = 200


@dataclass
class Found:
    """What was found in simulated suites: `apart` counts the pairs that were told apart, by their places."""

    suites: int = 0
    wrong: int = 0
    covered: int = 0
    apart: dict[tuple[int, int], int] = field(default_factory=dict)

    def share(self, pair: tuple[int, int]) -> float:
        """Of the suites in which a pair was told apart."""
        return self.apart.get(pair, 0) / self.suites


@dataclass(frozen=True)
class Row:
    """A row of a simulated suite: its effect, and which runs of the pool its seeds are."""

    effect: float
    runs: NDArray[np.int64]


class Suite:
    """The users of a simulated suite: of each run of a pool (U, S) the mean over them, and the covariances of runs."""

    def __init__(self, pool: Floats, draw: np.random.Generator) -> None:
        times = np.bincount(draw.integers(0, len(pool), len(pool)), minlength=len(pool)).astype(np.float64)
        self.users = len(pool)
        self.means = times @ pool / self.users
        self.covariances = (pool.T * times) @ pool - self.users * np.outer(self.means, self.means)
        self.covariances /= self.users - 1

    def less(self, first: Row, second: Row, seeds: int) -> Difference:
        """The first row less the second with so many seeds; what `difference_of` says of their shares."""
        turned = np.zeros((len(self.means), seeds))
        turned[first.runs[:seeds], range(seeds)] += 1 + first.effect
        turned[second.runs[:seeds], range(seeds)] -= 1 + second.effect
        by_seed, covariances = self.means @ turned, turned.T @ self.covariances @ turned
        per_user = float(covariances.mean())
        rest = float(np.trace(covariances) - seeds * per_user) / (seeds - 1)
        return Difference(
            float(by_seed.mean()), per_user, float(by_seed.var(ddof=1)), max(rest, 0.0), self.users, seeds
        )


def drawn(pool: Floats, effects: Sequence[float], seeds: int, draw: np.random.Generator) -> tuple[Suite, list[Row]]:
    """A simulated suite and its rows."""
    return Suite(pool, draw), [Row(effect, draw.integers(0, pool.shape[1], seeds)) for effect in effects]


def p_of(one: Difference, level: float = LEVEL) -> float:
    """Its p; 1 where even a normal test with its error, whose p is smaller, does not reach the level."""
    error = math.sqrt(one.per_user / one.users + one.per_seed / one.seeds)
    if error == 0 or 2 * ndtr(-abs(one.mean) / error) >= level:
        return 1.0
    return 1.0 if one.p is None else one.p


def simulate(pool: Floats, effects: Sequence[float], seeds: int, suites: int, draw: np.random.Generator) -> Found:
    """Suites whose rows have these effects, ranked as the table `ranks` ranks them."""
    found = Found()
    pairs = list(combinations(range(len(effects)), 2))
    best = np.array([1 + sum(other > effect for other in effects) for effect in effects])
    last = np.array([sum(other >= effect for other in effects) for effect in effects])
    with patch("gc.collect"):  # statsmodels collects at each call
        for _ in range(suites):
            suite, rows = drawn(pool, effects, seeds, draw)
            tested = [suite.less(rows[first], rows[second], seeds) for first, second in pairs]
            low, high = np.ones(len(effects)), np.full(len(effects), len(effects))
            wrong = False
            for pair, one, p in zip(pairs, tested, holm([p_of(one) for one in tested]), strict=True):
                if p < LEVEL:
                    better, worse = pair if one.mean > 0 else pair[::-1]
                    low[worse] += 1
                    high[better] -= 1
                    found.apart[pair] = found.apart.get(pair, 0) + 1
                    wrong |= effects[better] <= effects[worse]
            found.suites += 1
            found.wrong += wrong
            found.covered += bool((low <= best).all() and (high >= last).all())
    return found


def power(
    pool: Floats, effect: float, seeds: int, suites: int, draw: np.random.Generator
) -> tuple[float, dict[int, Floats]]:
    """How often an effect is found, and by the number of seeds of a pilot what it predicts."""
    hits = 0
    for _ in range(suites):
        suite, (base, row) = drawn(pool, (0.0, effect), seeds, draw)
        hits += p_of(suite.less(row, base, seeds)) < LEVEL
    predicted = {}
    for pilot in (2, seeds):
        said = []
        for _ in range(PILOTS):
            suite, (base, *rows) = drawn(pool, (0.0, *[effect] * (ROWS - 1)), pilot, draw)
            differences = [suite.less(row, base, pilot) for row in rows]
            parts = components_of(differences[0], differences)
            said.append(power_over_both(parts, len(pool), seeds, effect * float(suite.means[base.runs].mean())))
        predicted[pilot] = np.array(said)
    return hits / suites, predicted


def in_looks(pool: Floats, effect: float, suites: int, draw: np.random.Generator) -> tuple[float, float, float]:
    """Shares of suites told apart with seeds added until decided and with all of them, and the mean number of seeds."""
    told, used, fixed = 0, 0, 0
    for _ in range(suites):
        suite, (base, row) = drawn(pool, (0.0, effect), MOST, draw)
        fixed += p_of(suite.less(row, base, MOST)) < LEVEL
        for seeds, level in enumerate(levels(MOST), start=FIRST):
            if p_of(suite.less(row, base, seeds), level) < level:
                told += 1
                break
        used += seeds
    return told / suites, fixed / suites, used / suites


def pools(suite: str, row: str, store: Store) -> Iterator[tuple[str, Floats]]:
    """The name and the shares of each pool of a stored suite's first data set."""
    results = load_results(suite, store=store).models()
    metric = metric_of_ranks(results)
    dataset = results.cells[0].dataset
    every = []
    for cell in results.cells:
        shares = user_shares(cell, store, metric)
        if cell.dataset == dataset and shares is not None and cell.stats[metric].complete:
            every.append(shares.shares)
            if cell.strategy == row:
                yield f"{len(shares.seeds)} runs of {row}", shares.shares
    mean = float(np.mean([shares.mean() for shares in every]))
    moved = np.concatenate([shares - shares.mean() + mean for shares in every], axis=1)
    yield f"{moved.shape[1]} runs of all rows", moved


def report(named: Sequence[tuple[str, Floats]], suites: int) -> Iterator[str]:
    """The tables, line by line."""
    draw = np.random.default_rng(2026)
    yield f"| pool | seeds | any of {ROWS} equal rows told apart | all ranks within their intervals, with effects |"
    yield "|:--|--:|--:|--:|"
    apart: list[str] = []
    for name, pool in named:
        for seeds in SEEDS:
            nothing = simulate(pool, (0.0,) * ROWS, seeds, suites, draw)
            some = simulate(pool, EFFECTS, seeds, suites, draw)
            yield f"| {name} | {seeds} | {nothing.wrong / suites:.1%} | {some.covered / suites:.1%} |"
            shares = " | ".join(f"{some.share((0, at)):.0%}" for at in range(1, len(EFFECTS)))
            apart.append(f"| {name} | {seeds} | {shares} |")
    yield ""
    yield f"| pool | seeds | {' | '.join(f'{effect:.0%} told apart from 0' for effect in EFFECTS[1:])} |"
    yield "|:--|--:|--:|--:|--:|"
    yield from apart
    yield ""
    yield "| pool | seeds | effect | found | predicted from 2 seeds | predicted from as many seeds |"
    yield "|:--|--:|--:|--:|--:|--:|"
    for name, pool in named:
        for seeds in SEEDS:
            for effect in EFFECTS[1:]:
                hits, predicted = power(pool, effect, seeds, suites, draw)
                said = [
                    "{1:.0%} ({0:.0%} to {2:.0%})".format(*np.quantile(predicted[pilot], (0.05, 0.5, 0.95)))
                    for pilot in (2, seeds)
                ]
                yield f"| {name} | {seeds} | {effect:.0%} | {hits:.0%} | {said[0]} | {said[1]} |"
    yield ""
    yield f"| pool | effect | told apart, until decided | told apart, {MOST} seeds | seeds used, of {MOST} |"
    yield "|:--|--:|--:|--:|--:|"
    for name, pool in named:
        for effect in EFFECTS:
            told, fixed, used = in_looks(pool, effect, suites, draw)
            yield f"| {name} | {effect:.0%} | {told:.1%} | {fixed:.1%} | {used:.1f} |"


def main() -> None:
    """Read the arguments and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite")
    parser.add_argument("--row", default="base")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--suites", type=int, default=2000)
    given = parser.parse_args()
    for line in report(list(pools(given.suite, given.row, Store(given.results))), given.suites):
        print(line, flush=True)


if __name__ == "__main__":
    main()
