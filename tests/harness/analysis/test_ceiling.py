"""The ceiling against a loop over rows."""

from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType

import pytest

from rearec_bench.harness.analysis.ceiling import ceilings
from rearec_bench.harness.analysis.compare import METRICS
from rearec_bench.harness.analysis.resultset import collect
from rearec_bench.harness.results import TrialResult
from rearec_bench.harness.store import Store


def naive(run: TrialResult, metric: str) -> float:
    """The metric of the best step of each test row, one row after the other."""
    kind, cut = metric.split("@")
    total = 0.0
    for ranks in run.test.rows.step_ranks.tolist():
        best = sorted(ranks)[0]
        if best <= int(cut):
            total += 1.0 if kind == "recall" else 1.0 / math.log(best + 1, 2)
    return total / len(run.test.rows.step_ranks)


def test_the_optimum_and_its_gains_equal_a_loop_over_rows(tmp_path: Path, synthetic: ModuleType) -> None:
    store = Store(tmp_path)
    cells = (synthetic.cell("base", 0), synthetic.cell("prl", 2))
    results = collect("s", cells, synthetic.fill(store, cells), store=store)
    base, prl = ceilings(results)
    assert base.optimum is None and base.steps == () and base.over_readout == {}

    bases = [store.read(run.key) for run in results.cells[0].runs]
    runs = [store.read(run.key) for run in results.cells[1].runs]
    for metric in METRICS:
        optimum = sum(naive(run, metric) for run in runs) / 3
        readout = sum(run.test.readout[metric] for run in runs) / 3
        reference = sum(run.test.readout[metric] for run in bases) / 3
        assert prl.optimum[metric].mean == pytest.approx(optimum, rel=1e-12)
        assert prl.over_readout[metric] == pytest.approx((optimum - readout) / readout * 100, rel=1e-9)
        assert prl.over_reference[metric] == pytest.approx((optimum - reference) / reference * 100, rel=1e-9)
        for k in range(3):
            step = sum(run.test.steps[k][metric] for run in runs) / 3
            assert prl.steps[k][metric].mean == pytest.approx(step, rel=1e-12)
            assert prl.optimum[metric].mean >= step


def test_a_cell_without_a_run_has_no_ceiling(tmp_path: Path, synthetic: ModuleType) -> None:
    cells = (synthetic.cell("prl", 2),)
    (found,) = ceilings(collect("s", cells, {"cells": {}}, store=Store(tmp_path)))
    assert found.optimum is None and found.row.stats["ndcg@20"].mean is None
