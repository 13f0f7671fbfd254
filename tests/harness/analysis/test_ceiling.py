"""The ceiling against a loop over rows."""

from __future__ import annotations

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

from .naive import gain


def naive(run: TrialResult, metric: str) -> float:
    """The metric of the best step of each test row, one row after the other."""
    ranks = run.test.rows.step_ranks.tolist()
    return sum(gain(min(row), metric) for row in ranks) / len(ranks)


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
                gains = [gain(runs[b][row, k], "ndcg@10") for k in tied]
                values.append(sum(gains) / len(gains))
        assert metrics["ndcg@10"] == pytest.approx(sum(values) / len(values))


def test_the_best_of_models_takes_each_run_with_those_that_follow_it() -> None:
    ranks = [np.array([1, 50, 9], np.int32), np.array([50, 2, 9], np.int32), np.array([50, 50, 30], np.int32)]
    found = best_of_models(ranks, 2)
    assert [one["recall@10"] for one in found] == pytest.approx([1.0, 2 / 3, 2 / 3])
    assert [one["recall@10"] for one in best_of_models(ranks, 3)] == [1.0]
    assert best_of_models(ranks, 4) == []


def test_too_few_runs_have_no_ceiling_no_cross_fitting_and_no_best_of_models(
    tmp_path: Path, synthetic: ModuleType
) -> None:
    store, cells = Store(tmp_path), (synthetic.cell("base", 0, seeds=(1, 2)), synthetic.cell("prl", 2, seeds=(1,)))
    assert list(ceilings(synthetic.results_of(store, *cells))[1].controls) == [NOISED]
    (found,) = ceilings(collect("s", cells[1:], {"cells": {}}, store=store))
    assert found.optimum is None and found.row.stats["ndcg@20"].mean is None


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


def simulated(seed: int, *, best: float) -> tuple[np.ndarray, np.ndarray]:
    """Gains over the last step of the cross-fitted ceiling and of the optimum; `best` is a random step's lead.

    The logarithm of a rank is how hard its row is, and noise for each step.
    """
    draw = np.random.default_rng(seed)
    gains = []
    for _ in range(SIMULATIONS):
        easy = draw.normal(3.5, 1.5, (150, 1))
        if best:
            easy = easy - best * np.eye(3)[draw.integers(0, 3, 150)]
        noise = (draw.normal(0, 0.7, (150, 3)) for _ in range(2))
        runs = [np.maximum(1, np.exp(easy + one)).astype(np.int32) for one in noise]
        readout = sum(metric_of(ranks[:, 2], "ndcg@20") for ranks in runs) / 2
        crossed = sum(one["ndcg@20"] for one in cross_fitted(runs)) / 2
        optimum = sum(metric_of(ranks.min(axis=1), "ndcg@20") for ranks in runs) / 2
        gains.append((crossed / readout - 1, optimum / readout - 1))
    return np.array(gains).T[0], np.array(gains).T[1]


@pytest.mark.slow
def test_on_pure_noise_the_optimum_gains_and_the_cross_fitted_ceiling_does_not() -> None:
    crossed, optimum = simulated(6, best=0.0)
    assert abs(crossed.mean()) < 0.01
    assert optimum.mean() > 0.2
    assert f'the "gain" is {optimum.mean():+.0%}' in PAGE.read_text(encoding="utf-8").replace("\n", " ")


@pytest.mark.slow
def test_where_rows_have_a_true_best_step_the_cross_fitted_ceiling_finds_it() -> None:
    crossed, _ = simulated(7, best=1.5)
    assert crossed.mean() > 0.15
    assert (crossed > 0).mean() > 0.9
