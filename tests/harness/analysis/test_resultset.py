"""From a store to cells: what is done, what ended otherwise, what is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rearec_bench.harness.analysis.resultset import CellResults, collect, joined
from rearec_bench.harness.records.spec import EvaluationSettings
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.utils.errors import InputError

Index = dict[str, Any]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def cell_of(store: Store, synthetic: ModuleType, change: Callable[[Index], None], **fields: Any) -> CellResults:
    """Three final runs and three search trials of a cell, once its entry in the index has been changed."""
    cells = (synthetic.cell("prl", 2),)
    index = synthetic.fill(store, cells, search=3, **fields)
    change(index["cells"][cells[0].id])
    (found,) = collect("s", cells, index, store=store).cells
    return found


def seeds(cell: CellResults) -> list[int]:
    return [run.spec.seed for run in cell.runs]


def test_every_planned_seed_is_done_ended_or_missing(store: Store, synthetic: ModuleType) -> None:
    key = "tiny-sasrec-prl-2"
    gone = {"ended": {(key, 2): "diverged"}, "missing": [(key, 3)]}
    found = cell_of(store, synthetic, lambda entry: None, **gone)
    assert (seeds(found), found.missing) == ([1], (3,))
    assert found.ended == {2: "diverged: loss not finite at epoch 3"}
    found = cell_of(store, synthetic, lambda entry: store.delete(entry["final"]["1"]))
    assert (seeds(found), found.missing) == ([3], (1,)), "a trial that was deleted"
    (found,) = collect("s", (synthetic.cell("prl", None),), {"cells": {}}, store=store).cells
    assert (found.runs, found.missing, found.search_trials, found.epochs) == ((), (1, 2, 3), 0, 0)


def test_distinct_search_trials_and_all_epochs_are_counted(store: Store, synthetic: ModuleType) -> None:
    def twice(entry: Index) -> None:
        entry["search"] += [None, entry["search"][0]]

    found = cell_of(store, synthetic, twice)
    assert (found.search_trials, found.epochs) == (3, (3 + 3) * 3)


def test_a_run_under_the_seed_of_another_is_left_out(store: Store, synthetic: ModuleType) -> None:
    def mixed(entry: Index) -> None:
        entry["final"] |= {"1": entry["final"]["2"], "2": entry["search"][0]}

    found = cell_of(store, synthetic, mixed)
    assert (seeds(found), found.ended) == ([3], {1: "damaged", 2: "damaged"})


@pytest.mark.parametrize(("once", "rows"), [(False, ["sasrec", "sasrec", "gru"]), (True, ["sasrec", "esasrec"])])
def test_counts_are_of_rows_whose_trials_stand_in_one_of_them(
    store: Store, synthetic: ModuleType, once: bool, rows: list[str]
) -> None:
    prl = replace(synthetic.cell("prl", 2), on="esasrec")
    cells = (synthetic.cell("base", 0), prl, replace(prl, backbone="gru"))
    results = collect("s", cells, synthetic.fill(store, cells), store=store)
    found = (results.once() if once else results).cells
    assert [cell.backbone for cell in found] == rows
    assert sum(len(cell.runs) for cell in found) == 3 * len(rows)


def test_suites_are_joined_cell_by_cell(store: Store, synthetic: ModuleType) -> None:
    first = replace(synthetic.results_of(store, ("base", 0), ("prl", 2)), name="first")
    base, prl = first.cells
    begun = replace(first, name="begun", cells=(replace(base, runs=base.runs[:1], finals=base.finals[:1]),))
    other = replace(first, name="other", cells=(replace(base, backbone="gru"),))
    for suites in ((first, begun, other), (begun, first, other)):
        assert joined(suites).cells == (base, prl, other.cells[0])
        assert joined(suites).parts == suites
    assert joined([first]) is first
    against = replace(first, name="against", cells=(replace(base, finals=prl.finals),))
    with pytest.raises(InputError, match="tiny sasrec base has other final runs in first than in against"):
        joined([first, against])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dataset_fingerprint": "e" * 16}, "second has tiny in another preparation than first"),
        ({"evaluation": EvaluationSettings(mask_history=True)}, "second has tiny with another evaluation.mask_history"),
    ],
)
def test_suites_on_other_data_or_candidates_are_not_joined(
    store: Store, synthetic: ModuleType, change: dict[str, Any], words: str
) -> None:
    first = replace(synthetic.results_of(store, ("base", 0), ("prl", 2)), name="first")
    base, prl = first.cells
    finals = tuple(replace(run, spec=replace(run.spec, **change)) for run in prl.finals)
    with pytest.raises(InputError, match=words):
        joined([replace(first, cells=(base,)), replace(first, name="second", cells=(replace(prl, finals=finals),))])


def test_a_damaged_trial_is_left_out_and_named(store: Store, synthetic: ModuleType) -> None:
    key = synthetic.results_of(store, ("prl", 2)).cells[0].runs[1].key
    (store.folder(key) / "result.json").write_text("{")
    found = synthetic.results_of(store, ("prl", 2))
    assert (seeds(found.cells[0]), found.cells[0].ended, found.cells[0].missing) == ([1, 3], {2: "damaged"}, ())
    assert found.damaged.keys() == {key} and "result.json has 1 bytes" in found.damaged[key]


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
