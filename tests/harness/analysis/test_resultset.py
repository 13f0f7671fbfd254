"""From a store to cells: what is done, what ended otherwise, what is missing."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from rearec_bench.harness.analysis.resultset import collect
from rearec_bench.harness.errors import InputError, StoreError
from rearec_bench.harness.store import Store


def test_every_planned_seed_is_done_ended_or_missing(tmp_path: Path, synthetic: ModuleType) -> None:
    store = Store(tmp_path)
    cells = (synthetic.cell("prl", 2, seeds=(1, 2, 3, 4)),)
    key = cells[0].id
    index = synthetic.fill(store, cells, ended={(key, 2): "diverged", (key, 4): "failed"}, missing=[(key, 3)])
    (found,) = collect("s", cells, index, store=store).cells
    assert [run.spec.seed for run in found.runs] == [1]
    assert found.ended == {2: "diverged: loss not finite at epoch 3", 4: "failed: loss not finite at epoch 3"}
    assert found.missing == (3,)


def test_a_trial_that_was_deleted_from_the_store_is_missing(tmp_path: Path, synthetic: ModuleType) -> None:
    store = Store(tmp_path)
    cells = (synthetic.cell("prl", 2),)
    index = synthetic.fill(store, cells)
    store.delete(index["cells"][cells[0].id]["final"]["2"])
    (found,) = collect("s", cells, index, store=store).cells
    assert found.missing == (2,) and len(found.runs) == 2


def test_a_cell_that_has_not_begun_is_missing_all_of_its_runs(tmp_path: Path, synthetic: ModuleType) -> None:
    cells = (synthetic.cell("prl", None),)
    (found,) = collect("s", cells, {"cells": {}}, store=Store(tmp_path)).cells
    assert (found.runs, found.missing, found.search_trials, found.epochs) == ((), (1, 2, 3), 0, 0)


def test_distinct_search_trials_and_all_epochs_are_counted(tmp_path: Path, synthetic: ModuleType) -> None:
    store = Store(tmp_path)
    cells = (synthetic.cell("prl", 2),)
    index = synthetic.fill(store, cells, search=3)
    entry = index["cells"][cells[0].id]
    entry["search"] = [*entry["search"], None, entry["search"][0]]
    (found,) = collect("s", cells, index, store=store).cells
    assert (found.search_trials, found.epochs) == (3, (3 + 3) * 3)


def test_a_damaged_trial_is_an_error_that_names_it(tmp_path: Path, synthetic: ModuleType) -> None:
    store = Store(tmp_path)
    cells = (synthetic.cell("prl", 2),)
    index = synthetic.fill(store, cells)
    key = index["cells"][cells[0].id]["final"]["2"]
    (tmp_path / "trials" / key / "result.json").write_text("{")
    with pytest.raises(StoreError, match=key):
        collect("s", cells, index, store=store)


def test_components_whose_source_has_changed_are_named_and_absent_plugins_are_not(
    tmp_path: Path, synthetic: ModuleType
) -> None:
    store = Store(tmp_path)
    cells = (synthetic.cell("base", 0), synthetic.cell("erl", 1), synthetic.cell("prl", 1))
    index = synthetic.fill(store, cells)

    def digest(backbone: str, strategy: str) -> str:
        if strategy == "base":
            raise InputError("unknown strategy")
        return ("d" if strategy == "prl" else "e") * 16

    assert collect("s", cells, index, store=store, digest=digest).changed == ("sasrec + erl",)
    assert collect("s", cells, index, store=store).changed == ()
