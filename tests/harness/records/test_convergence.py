"""Which trials have converged, and what tables say of the others."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rearec_bench.harness.analysis.resultset import collect
from rearec_bench.harness.records.results import TrialSummary, converged
from rearec_bench.harness.records.spec import BASELINE
from rearec_bench.harness.report.tables.registry import TABLES
from rearec_bench.harness.store.store import Store

from .. import synthetic as made


def summary(*, best_epoch: int, patience: int, status: str = "done", **training: Any) -> TrialSummary:
    """A trial of three epochs."""
    spec = made.spec()
    spec = dataclasses.replace(spec, training=spec.training.model_copy(update={"patience": patience, **training}))
    return TrialSummary(**{**made.trial(spec, status=status).facts(), "best_epoch": best_epoch})


@pytest.mark.parametrize(
    ("best_epoch", "patience", "expected"), [(3, 1, False), (2, 2, False), (2, 1, True), (1, 2, True)]
)
def test_a_trial_has_converged_where_patience_ended_it(best_epoch: int, patience: int, expected: bool) -> None:
    assert converged(summary(best_epoch=best_epoch, patience=patience)) is expected
    assert converged(summary(best_epoch=best_epoch, patience=patience, max_epochs="auto")) is expected


def test_what_has_not_ended_well_has_not_converged_and_a_baseline_has_nothing_to_train() -> None:
    for status in ("pruned", "diverged", "failed"):
        assert not converged(summary(best_epoch=1, patience=1, status=status))
    spec = dataclasses.replace(made.spec(), strategy=dataclasses.replace(made.spec().strategy, kind=BASELINE))
    assert converged(dataclasses.replace(summary(best_epoch=0, patience=9), spec=spec, history=()))


def said(folder: Path, synthetic: ModuleType, training: dict[str, dict[str, Any]]) -> list[str]:
    """What the protocol says of two final runs of each row by its training settings; their best epoch is 2 of 3."""
    store, cells, entries = Store(folder), [], {}
    for row, changes in training.items():
        cell = synthetic.cell("prl", 2, row=row, seeds=(1, 2))
        finals = {}
        for seed in cell.seeds:
            spec = synthetic.spec(seed=seed, settings={"row": row})
            spec = dataclasses.replace(spec, training=spec.training.model_copy(update=changes))
            store.write(synthetic.trial(spec))
            finals[str(seed)] = spec.key
        cells.append(cell)
        entries[cell.id] = {"search": [], "best": None, "final": finals}
    protocol = TABLES["overall"](collect("s", cells, {"cells": entries}, store=store)).protocol
    return [line for line in protocol if "onverged" in line]


def test_a_table_counts_the_runs_that_have_not_converged_by_row(tmp_path: Path, synthetic: ModuleType) -> None:
    patient, other = {"patience": 1}, {"patience": 2}
    assert said(tmp_path / "none", synthetic, {"one": patient, "two": patient}) == []
    (line,) = said(tmp_path / "some", synthetic, {"one": patient, "two": other})
    assert "ended 2 of 4 final runs (tiny SASRec two K=2 2)." in line
    assert line.endswith("rearec-bench run SUITE --set training.max_epochs=auto")
    (line,) = said(tmp_path / "all", synthetic, {"one": other})
    assert "ended 2 of 2 final runs." in line


def test_the_advice_fits_what_ended_them(tmp_path: Path, synthetic: ModuleType) -> None:
    (line,) = said(tmp_path / "cosine", synthetic, {"one": {"schedule": "cosine"}})
    assert "Raise training.max_epochs" in line and "auto" not in line
    (line,) = said(tmp_path / "auto", synthetic, {"one": {"max_epochs": "auto"}})
    assert line.endswith("final runs.")
