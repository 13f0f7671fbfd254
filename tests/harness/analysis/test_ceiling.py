"""The ceiling against a loop over rows."""

from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from rearec_bench.harness.analysis.ceiling import CROSSED, MODELS, NOISED, best_of_models, ceilings, cross_fitted
from rearec_bench.harness.analysis.compare import METRICS
from rearec_bench.harness.analysis.resultset import ResultSet, collect
from rearec_bench.harness.records.results import TrialResult
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.trial.metrics import metric_of


def naive(run: TrialResult, metric: str) -> float:
    """The metric of the best step of each test row, one row after the other."""
    kind, cut = metric.split("@")
    total = 0.0
    for ranks in run.test.rows.step_ranks.tolist():
        best = sorted(ranks)[0]
        if best <= int(cut):
            total += 1.0 if kind == "recall" else 1.0 / math.log(best + 1, 2)
    return total / len(run.test.rows.step_ranks)


def test_the_optimum_and_its_gains_equal_a_loop_over_rows(results: ResultSet) -> None:
    base, prl = ceilings(results)
    assert base.optimum is None and base.steps == () and base.over_readout == {}

    bases = [results.store.read(run.key) for run in results.cells[0].runs]
    runs = [results.store.read(run.key) for run in results.cells[1].runs]
    for metric in METRICS:
        optimum = sum(naive(run, metric) for run in runs) / 3
        readout = sum(run.test.readout[metric] for run in runs) / 3
        reference = sum(run.test.readout[metric] for run in bases) / 3
        assert prl.optimum[metric].mean == pytest.approx(optimum, rel=1e-12)
        assert prl.over_readout[metric] == pytest.approx((optimum - readout) / readout * 100, rel=1e-9)
        assert prl.over_against[metric] == pytest.approx((optimum - reference) / reference * 100, rel=1e-9)
        for k in range(3):
            step = sum(run.test.steps[k][metric] for run in runs) / 3
            assert prl.steps[k][metric].mean == pytest.approx(step, rel=1e-12)
            assert prl.optimum[metric].mean >= step


def test_a_cell_without_a_run_has_no_ceiling(tmp_path: Path, synthetic: ModuleType) -> None:
    cells = (synthetic.cell("prl", 2),)
    (found,) = ceilings(collect("s", cells, {"cells": {}}, store=Store(tmp_path)))
    assert found.optimum is None and found.row.stats["ndcg@20"].mean is None


SIMULATIONS = 1000
PAGE = Path(__file__).resolve().parents[3] / "docs" / "measurements" / "ceiling.md"


def test_cross_fitting_equals_a_loop_over_pairs_of_runs() -> None:
    draw = np.random.default_rng(5)
    runs = [draw.integers(1, 30, (40, 3)).astype(np.int32) for _ in range(3)]
    found = cross_fitted(runs)
    assert len(found) == 3 and cross_fitted(runs[:1]) == []
    for b, metrics in enumerate(found):
        values = []
        for a in (place for place in range(3) if place != b):
            for row in range(40):
                best = min(runs[a][row])
                tied = [k for k in range(3) if runs[a][row, k] == best]
                gains = [1 / math.log2(runs[b][row, k] + 1) if runs[b][row, k] <= 10 else 0.0 for k in tied]
                values.append(sum(gains) / len(gains))
        assert metrics["ndcg@10"] == pytest.approx(sum(values) / len(values))


def test_the_best_of_models_takes_each_run_with_those_that_follow_it() -> None:
    ranks = [np.array([1, 50, 9], np.int32), np.array([50, 2, 9], np.int32), np.array([50, 50, 30], np.int32)]
    found = best_of_models(ranks, 2)
    assert [one["recall@10"] for one in found] == pytest.approx([1.0, 2 / 3, 2 / 3])
    assert [one["recall@10"] for one in best_of_models(ranks, 3)] == [1.0]
    assert best_of_models(ranks, 4) == []


@pytest.mark.slow
def test_on_pure_noise_the_optimum_gains_and_the_cross_fitted_ceiling_does_not() -> None:
    draw = np.random.default_rng(6)
    crossed, optimum = [], []
    for _ in range(SIMULATIONS):
        easy = draw.normal(3.5, 1.5, (150, 1))
        runs = [_ranks(draw, easy) for _ in range(2)]
        readout = sum(metric_of(ranks[:, 2], "ndcg@20") for ranks in runs) / 2
        crossed.append(sum(one["ndcg@20"] for one in cross_fitted(runs)) / 2 / readout - 1)
        optimum.append(sum(metric_of(ranks.min(axis=1), "ndcg@20") for ranks in runs) / 2 / readout - 1)
    assert abs(np.mean(crossed)) < 0.01
    assert np.mean(optimum) > 0.2
    assert f'the "gain" is {np.mean(optimum):+.0%}' in PAGE.read_text(encoding="utf-8").replace("\n", " ")


@pytest.mark.slow
def test_where_rows_have_a_true_best_step_the_cross_fitted_ceiling_finds_it() -> None:
    draw = np.random.default_rng(7)
    crossed = []
    for _ in range(SIMULATIONS):
        easy = draw.normal(3.5, 1.5, (150, 1)) - 1.5 * np.eye(3)[draw.integers(0, 3, 150)]
        runs = [_ranks(draw, easy) for _ in range(2)]
        readout = sum(metric_of(ranks[:, 2], "ndcg@20") for ranks in runs) / 2
        crossed.append(sum(one["ndcg@20"] for one in cross_fitted(runs)) / 2 / readout - 1)
    assert np.mean(crossed) > 0.15
    assert np.mean(np.array(crossed) > 0) > 0.9


def test_controls_stand_beside_the_optimum(results: ResultSet) -> None:
    prl = ceilings(results)[1]
    assert list(prl.controls) == [CROSSED, NOISED, MODELS]
    bases = [results.store.read(run.key).test.rows for run in results.cells[0].runs]
    runs = [results.store.read(run.key).test.rows for run in results.cells[1].runs]
    noised = sum(metric_of(rows.control_ranks.min(axis=1), "ndcg@20") for rows in runs) / 3
    models = metric_of(np.min([rows.readout_ranks for rows in bases], axis=0), "ndcg@20")
    readout, base = prl.row.stats["ndcg@20"].mean, sum(metric_of(rows.readout_ranks, "ndcg@20") for rows in bases) / 3
    assert prl.controls[NOISED].stats["ndcg@20"].mean == pytest.approx(noised)
    assert prl.controls[NOISED].over["ndcg@20"] == pytest.approx((noised / readout - 1) * 100)
    assert prl.controls[MODELS].stats["ndcg@20"].mean == pytest.approx(models)
    assert prl.controls[MODELS].over["ndcg@20"] == pytest.approx((models / base - 1) * 100)


def test_one_run_has_no_cross_fitting_and_too_few_references_no_best_of_models(
    tmp_path: Path, synthetic: ModuleType
) -> None:
    cells = (synthetic.cell("base", 0, seeds=(1, 2)), synthetic.cell("prl", 2, seeds=(1,)))
    store = Store(tmp_path)
    found = ceilings(collect("s", cells, synthetic.fill(store, cells), store=store))[1]
    assert list(found.controls) == [NOISED]


def _ranks(draw: np.random.Generator, easy: np.ndarray) -> np.ndarray:
    """(R, 3) ranks whose logarithm is how hard a row is, and noise for each step."""
    return np.maximum(1, np.exp(easy + draw.normal(0, 0.7, (len(easy), 3)))).astype(np.int32)
