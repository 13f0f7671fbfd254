"""From a store to cells: what is done, what ended otherwise, what is missing."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from rearec_bench.harness.analysis.resultset import collect
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.utils.errors import InputError


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


def test_a_damaged_trial_is_left_out_and_named(tmp_path: Path, synthetic: ModuleType) -> None:
    store = Store(tmp_path)
    cells = (synthetic.cell("prl", 2),)
    index = synthetic.fill(store, cells)
    key = index["cells"][cells[0].id]["final"]["2"]
    (tmp_path / "trials" / key / "result.json").write_text("{")
    found = collect("s", cells, index, store=store)
    assert [run.spec.seed for run in found.cells[0].runs] == [1, 3]
    assert (found.cells[0].ended, found.cells[0].missing) == ({2: "damaged"}, ())
    assert found.damaged.keys() == {key} and "result.json has 1 bytes" in found.damaged[key]


def test_a_run_under_the_seed_of_another_is_left_out(tmp_path: Path, synthetic: ModuleType) -> None:
    store = Store(tmp_path)
    cells = (synthetic.cell("prl", 2),)
    index = synthetic.fill(store, cells)
    finals = index["cells"][cells[0].id]["final"]
    finals["1"], finals["2"] = finals["2"], index["cells"][cells[0].id]["search"][0]
    (found,) = collect("s", cells, index, store=store).cells
    assert [run.spec.seed for run in found.runs] == [3] and found.ended == {1: "damaged", 2: "damaged"}


def test_components_whose_source_has_changed_are_named_and_absent_plugins_are_not(
    tmp_path: Path, synthetic: ModuleType
) -> None:
    store = Store(tmp_path)
    cells = (synthetic.cell("base", 0), synthetic.cell("erl", 1), synthetic.cell("prl", 1))
    index = synthetic.fill(store, cells)

    def same(digest: str, backbone: str, strategy: str) -> bool:
        if strategy == "base":
            raise InputError("unknown strategy")
        return strategy == "prl" and digest == "d" * 16

    assert collect("s", cells, index, store=store, same_source=same).changed == ("sasrec + erl",)
    assert collect("s", cells, index, store=store).changed == ()
