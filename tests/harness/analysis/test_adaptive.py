"""Adaptive depth of stored trials against loops over rows, users and resamples."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import stats

from rearec_bench.harness.analysis.adaptive import METHODS, RULES, Adaptive, Estimate, Method, adaptive, choose_depths
from rearec_bench.harness.analysis.compare import METRICS
from rearec_bench.harness.analysis.intervals import RESAMPLES, SEED
from rearec_bench.harness.analysis.resultset import ResultSet, collect
from rearec_bench.harness.records.results import Rows, TrialResult
from rearec_bench.harness.report.tables.adaptive import adaptive_depth
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.utils.errors import StoreError

from .naive import gain

Change = Callable[[Rows, Rows], tuple[Rows, Rows]]


def naive_outcomes(run: TrialResult) -> dict[str, list[tuple[int, int]]]:
    """(rank, number of steps) of each test row, by method."""
    rows = run.test.rows
    chosen = choose_depths(run.validation.rows, rows)
    ranks = rows.step_ranks.tolist()
    found = {name: [(ranks[row][depth], depth) for row, depth in enumerate(chosen[name])] for name in RULES}
    found["readout"] = [(rank, run.spec.steps) for rank in rows.readout_ranks.tolist()]
    found["ceiling"] = [(min(row), row.index(min(row))) for row in ranks]
    return found


def results_of(store: Store, synthetic: ModuleType, *, change: Change | None = None) -> ResultSet:
    """Base and PRL with K = 2 over three seeds; `change` rewrites the rows of every trial with steps."""
    results = synthetic.results_of(store, ("base", 0), ("prl", 2), rows=60)
    if change is not None:
        for run in results.cells[1].runs:
            held = store.read(run.key)
            valid, test = change(held.validation.rows, held.test.rows)
            changed = dataclasses.replace(
                held,
                validation=dataclasses.replace(held.validation, rows=valid),
                test=dataclasses.replace(held.test, rows=test),
            )
            store.write(changed, replace=True)
    return results


def test_every_number_equals_loops_over_rows_and_resamples(tmp_path: Path, synthetic: ModuleType) -> None:
    store = Store(tmp_path)
    results = results_of(store, synthetic)
    (found,) = adaptive(results)
    assert [method.name for method in found.methods] == list(METHODS)
    assert (found.seeds, found.planned, found.left_out) == (3, 3, ())

    runs = [store.read(run.key) for run in results.cells[1].runs]
    bases = [store.read(run.key).test.rows.readout_ranks.tolist() for run in results.cells[0].runs]
    outcomes = [naive_outcomes(run) for run in runs]
    users = runs[0].test.rows.users.tolist()
    drawn = np.random.default_rng(SEED).integers(0, len(set(users)), (RESAMPLES, len(set(users))))
    by_user = [[row for row in range(60) if users[row] == user] for user in sorted(set(users))]
    resamples = [[row for place in one for row in by_user[place]] for one in drawn.tolist()]
    samples = [np.array(rows) for rows in ([*range(60)], *resamples)]

    def means(of: Callable[[tuple[int, int]], float], name: str) -> np.ndarray:
        """Over all rows, then over those of each resample; the runs' mean at each row."""
        at_row = np.mean([[of(pair) for pair in run[name]] for run in outcomes], axis=0)
        return np.array([at_row[rows].mean() for rows in samples])

    for metric in ("ndcg@20", "recall@10"):
        found_by = {name: means(lambda pair, metric=metric: gain(pair[0], metric), name) for name in METHODS}
        base = np.mean([[gain(rank, metric) for rank in ranks] for ranks in bases], axis=0)
        base = np.array([base[rows].mean() for rows in samples])
        readout, ceiling = found_by["readout"], found_by["ceiling"]
        for method in found.methods:
            ours = found_by[method.name]
            for held, expected in (
                (method.metrics, ours),
                (method.over_readout, (ours - readout) / readout * 100),
                (method.over_against, (ours - base) / base * 100),
                (method.share, (ours - readout) / (ceiling - readout) * 100),
            ):
                if held:
                    check(held[metric], expected)
    for method in found.methods:
        assert set(method.metrics) == set(METRICS)
        check(method.steps, means(lambda pair: pair[1], method.name))
    assert not found.methods[0].over_readout and not found.methods[0].share and not found.methods[-1].share


def check(estimate: Estimate, expected: np.ndarray) -> None:
    """An estimate against the value over all rows and the values in the resamples."""
    assert estimate.value == pytest.approx(expected[0], rel=1e-9, abs=1e-9)
    drawn = sorted(expected[1:].tolist())
    place, part = divmod(0.025 * (RESAMPLES - 1), 1)
    low, high = drawn[int(place) :][:2], drawn[: -int(place)][-2:]
    below, above = low[0] + part * (low[1] - low[0]), high[1] - part * (high[1] - high[0])
    assert (estimate.users.low, estimate.users.high) == pytest.approx((below, above), rel=1e-9, abs=1e-9)


def test_intervals_over_seeds_are_of_the_seeds_own_values(tmp_path: Path, synthetic: ModuleType) -> None:
    store = Store(tmp_path)
    results = results_of(store, synthetic)
    (found,) = adaptive(results)
    method = found.methods[METHODS.index("margin")]

    def mean(pairs: list[tuple[int, int]]) -> float:
        return float(np.mean([gain(rank, "ndcg@20") for rank, _ in pairs]))

    shares, gains = [], []
    for base, run in zip(results.cells[0].runs, results.cells[1].runs, strict=True):
        outcome = naive_outcomes(store.read(run.key))
        low, high, ours = (mean(outcome[name]) for name in ("readout", "ceiling", "margin"))
        shares.append((ours - low) / (high - low) * 100)
        gains.append((ours - base.test["ndcg@20"]) / base.test["ndcg@20"] * 100)
    for held, values in ((method.share, shares), (method.over_against, gains)):
        expected = stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
        assert (held["ndcg@20"].seeds.low, held["ndcg@20"].seeds.high) == pytest.approx(expected)
        assert held["ndcg@20"].std == pytest.approx(np.std(values, ddof=1))


def best_of(found: Adaptive, name: str) -> Method:
    return found.methods[METHODS.index(name)]


def test_signals_that_say_nothing_capture_nothing(tmp_path: Path, synthetic: ModuleType) -> None:
    """Steps whose ranks are noise around the readout's: the ceiling is high, and no rule can reach for it."""
    draw = np.random.default_rng(1)

    def noisy(rows: Rows) -> Rows:
        count = len(rows.users)
        ranks = np.maximum(1, draw.integers(1, 40, (count, 1)) + draw.integers(-8, 9, (count, 3))).astype(np.int32)
        signals = {
            "entropy": draw.uniform(1, 6, (count, 3)).astype(np.float16),
            "margin": draw.uniform(0, 2, (count, 3)).astype(np.float16),
            "cosine": draw.uniform(0, 1, (count, 2)).astype(np.float16),
            "divergence": draw.uniform(0, 1, (count, 2)).astype(np.float16),
        }
        return dataclasses.replace(rows, step_ranks=ranks, readout_ranks=ranks[:, -1], **signals)

    results = results_of(Store(tmp_path), synthetic, change=lambda valid, test: (noisy(valid), noisy(test)))
    (found,) = adaptive(results)
    assert best_of(found, "ceiling").over_readout["ndcg@20"].users.low > 10
    for name in RULES:
        share = best_of(found, name).share["ndcg@20"]
        assert share.users.low <= 0 and share.value < 50, name


def test_a_run_without_validation_rows_is_left_out(tmp_path: Path, synthetic: ModuleType) -> None:
    store = Store(tmp_path)
    results = results_of(store, synthetic)
    (whole,) = adaptive(results)
    run = results.cells[1].runs[1]
    store.write(dataclasses.replace(store.read(run.key), validation=None), replace=True)
    names = ("tiny-sasrec-base-0", "tiny-sasrec-prl-2")
    finals = [{str(one.spec.seed): one.key for one in cell.runs} for cell in results.cells]
    index = {"cells": {name: {"final": held} for name, held in zip(names, finals, strict=True)}}
    cells = (synthetic.cell("base", 0), synthetic.cell("prl", 2))
    (found,) = adaptive(collect("s", cells, index, store=store))
    assert (found.seeds, found.planned, found.left_out) == (2, 3, (2,))
    assert found.row.stats["ndcg@20"].seeds == 3
    assert found.methods[0].metrics["ndcg@20"].value != whole.methods[0].metrics["ndcg@20"].value


def test_where_the_ceiling_is_the_readout_there_are_no_shares_and_without_a_hit_no_gains(
    tmp_path: Path, synthetic: ModuleType
) -> None:
    def alike(rows: Rows) -> Rows:
        return dataclasses.replace(rows, step_ranks=np.repeat(rows.readout_ranks[:, None], 3, axis=1))

    def lost(rows: Rows) -> Rows:
        return alike(dataclasses.replace(rows, readout_ranks=np.full_like(rows.readout_ranks, 500)))

    store = Store(tmp_path / "alike")
    (found,) = adaptive(results_of(store, synthetic, change=lambda valid, test: (valid, alike(test))))
    for name in RULES:
        share = best_of(found, name).share["ndcg@20"]
        assert (share.value, share.users, share.seeds, share.std) == (None, None, None, None)
        assert best_of(found, name).over_readout["ndcg@20"].value == pytest.approx(0.0, abs=1e-9)
    store = Store(tmp_path / "lost")
    (found,) = adaptive(results_of(store, synthetic, change=lambda valid, test: (lost(valid), lost(test))))
    method = best_of(found, "router")
    assert method.metrics["ndcg@20"].value == 0.0
    assert method.over_readout["ndcg@20"].value is None and method.share["ndcg@20"].value is None
    assert method.over_against["ndcg@20"].value == -100.0


def test_what_cannot_be_told_has_no_methods_and_other_rows_are_refused(tmp_path: Path, synthetic: ModuleType) -> None:
    def nothing(rows: Rows) -> Rows:
        fields = dataclasses.fields(rows)
        return dataclasses.replace(rows, **{field.name: getattr(rows, field.name)[:0] for field in fields})

    store = Store(tmp_path / "no validation")
    (found,) = adaptive(results_of(store, synthetic, change=lambda valid, test: (nothing(valid), test)))
    assert (found.methods, found.left_out) == ((), (1, 2, 3))
    cells = (synthetic.cell("base", 0), synthetic.cell("prl", 2), synthetic.cell("erl", None))
    assert [found.methods for found in adaptive(collect("s", cells, {"cells": {}}, store=store))] == [(), ()]
    assert adaptive(synthetic.results_of(store, ("base", 0))) == ()
    changed = iter([False, True, False])

    def other(rows: Rows) -> Rows:
        return dataclasses.replace(rows, users=rows.users[::-1]) if next(changed) else rows

    results = results_of(Store(tmp_path / "other"), synthetic, change=lambda valid, test: (valid, other(test)))
    with pytest.raises(StoreError, match="tested on different rows"):
        adaptive(results)


def test_entropies_of_one_temperature_and_of_each_steps_own_are_not_mixed(
    tmp_path: Path, synthetic: ModuleType
) -> None:
    store = Store(tmp_path)
    results = results_of(store, synthetic)
    (older,) = adaptive(results)
    assert (older.seeds, older.older, older.one_temperature, older.by_step) == (3, (), True, False)
    first, *others = results.cells[1].runs

    def reread(temperatures: tuple[float, ...]) -> Adaptive:
        for run in others:
            store.write(dataclasses.replace(store.read(run.key), step_temperatures=temperatures), replace=True)
        runs = tuple(store.summary(run.key) for run in results.cells[1].runs)
        cells = (results.cells[0], dataclasses.replace(results.cells[1], runs=runs))
        (found,) = adaptive(dataclasses.replace(results, cells=cells))
        return found

    alike = reread((0.5, 0.5, 0.5))
    assert (alike.seeds, alike.older, alike.one_temperature, alike.by_step) == (3, (), False, False)
    mixed = reread((2.0, 1.0, 0.5))
    assert (mixed.seeds, mixed.older, mixed.one_temperature, mixed.by_step) == (2, (first.spec.seed,), False, True)


def test_runs_without_divergences_leave_that_rule_out_of_their_cell(tmp_path: Path, synthetic: ModuleType) -> None:
    store = Store(tmp_path)
    results = results_of(store, synthetic)
    (whole,) = adaptive(results)
    run = results.cells[1].runs[1]
    held = store.read(run.key)
    rows = dataclasses.replace(held.test.rows, divergence=None)
    store.write(dataclasses.replace(held, test=dataclasses.replace(held.test, rows=rows)), replace=True)
    assert store.rows(run.key, "test").divergence is None and store.rows(run.key, "valid").divergence is not None
    (found,) = adaptive(results)
    assert found.undiverged == (run.spec.seed,) and whole.undiverged == ()
    assert found.methods == tuple(method for method in whole.methods if method.name != "divergence")
    (line,) = [line for line in adaptive_depth(results).protocol if "by divergence" in line]
    assert line.startswith("tiny SASRec +PRL (K=2): no rule by divergence") and f"seed {run.spec.seed}." in line
