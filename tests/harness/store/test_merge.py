"""Two folders of results: brought together, and told apart."""

from __future__ import annotations

import csv
import dataclasses
import io
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from rearec_bench.harness.analysis.differences import compare_suite, compare_trials
from rearec_bench.harness.plan.staged import LOOKS, SEEDS
from rearec_bench.harness.records.comparison import differences
from rearec_bench.harness.records.results import TrialResult
from rearec_bench.harness.store.merge import merge
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.store.verify import verify

from ..typed import typed

V1 = Path(__file__).parents[1] / "stores" / "v1"


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Store, Store]:
    for name in ("a", "b"):
        shutil.copytree(V1, tmp_path / name)
    return Store(tmp_path / "a"), Store(tmp_path / "b")


def finals(store: Store, kind: str) -> dict[int, TrialResult]:
    results = map(store.read, sorted(store.keys()))
    return {
        result.spec.seed: result
        for result in results
        if result.spec.purpose == "final" and result.spec.strategy.kind == kind
    }


def with_ranks(result: TrialResult, ranks: Any, synthetic: ModuleType) -> TrialResult:
    """The same trial with other ranks of its readout on test, and their metrics."""
    assert result.test is not None
    rows = dataclasses.replace(result.test.rows, readout_ranks=np.asarray(ranks, np.int32))
    readout = synthetic.metrics_of(rows.readout_ranks)
    return dataclasses.replace(result, test=dataclasses.replace(result.test, rows=rows, readout=readout))


# ---- merge


def test_halves_of_a_store_merged_are_the_store(pair: tuple[Store, Store], tmp_path: Path) -> None:
    first, second = pair
    for number, key in enumerate(sorted(first.keys())):
        (first, second)[number % 2].delete(key)
    shutil.rmtree(second.suite_folder("trouble"))
    done = typed("results", "merge", first.root, second.root)
    assert done.exit_code == 0, done.output
    assert "5 trials added, 0 were there" in done.output
    whole = Store(V1)
    assert first.keys() == whole.keys()
    for key in sorted(whole.keys()):
        assert differences(first.read(key), whole.read(key)) == ()
    assert [first.read_suite(name) for name in first.suites()] == [whole.read_suite(name) for name in whole.suites()]
    assert verify(first).findings == () and not (first.root / "run.lock").exists()
    again = merge(first, second)
    assert (again.added, again.suites, again.conflicts) == (0, (), ())


def test_both_can_go_into_a_third_and_stay_as_they_are(pair: tuple[Store, Store], tmp_path: Path) -> None:
    first, second = pair
    first.delete(sorted(first.keys())[0])
    before = {path: path.read_bytes() for store in pair for path in store.root.rglob("*") if path.is_file()}
    assert typed("results", "merge", first.root, second.root, "-o", tmp_path / "c").exit_code == 0
    assert len(Store(tmp_path / "c").keys()) == 10 and verify(Store(tmp_path / "c")).findings == ()
    assert {path: path.read_bytes() for store in pair for path in store.root.rglob("*") if path.is_file()} == before


def test_times_and_machines_do_not_tell_two_trials_apart_and_ranks_do(
    pair: tuple[Store, Store], synthetic: ModuleType
) -> None:
    first, second = pair
    one, other = finals(second, "erl").values()
    second.write(
        dataclasses.replace(one, timings={"total_s": 99.0}, environment={"cpu": "another"}, peak_memory_bytes=1),
        replace=True,
    )
    second.write(with_ranks(other, [1, 2, 3, 4], synthetic), replace=True)
    done = typed("results", "merge", first.root, second.root)
    assert done.exit_code == 1
    assert f"trial {other.key[:8]} is not the same in both: test: readout_ranks differ in" in done.stderr
    assert done.stderr.count("\n") == 1 and "0 trials added, 9 were there" in done.stdout
    assert differences(first.read(other.key), other) == ()


def test_a_damaged_trial_is_taken_from_the_other_and_never_handed_on(pair: tuple[Store, Store]) -> None:
    first, second = pair
    here, there = sorted(first.keys())[:2]
    (first.folder(here) / "result.json").write_text("{}")
    (second.folder(there) / "result.json").write_text("{}")
    done = typed("results", "merge", first.root, second.root)
    assert done.exit_code == 1 and f"trial {there[:8]} of {second.root} is damaged" in done.stderr
    assert first.read(here).key == here and first.read(there).key == there
    assert len(list((first.root / "quarantine").glob("*.json"))) == 1


def test_suites_of_one_name_keep_the_rows_of_the_first_and_the_trials_of_both(pair: tuple[Store, Store]) -> None:
    first, second = pair
    suite, index = second.read_suite("first")
    cells = dict(index["cells"])
    name, cell = next((name, cell) for name, cell in cells.items() if len(cell["search"]) == 2)
    cells["another"] = {"search": [], "best": None, "final": {"7": "7" * 32}}
    second.write_suite("first", {**suite, "seeds": [1, 2, 7]}, {**index, "cells": cells})
    ours = {**index["cells"], name: {**cell, "search": cell["search"][:1], "best": None, "final": {}}}
    first.write_suite("first", suite, {**index, "cells": ours})
    done = typed("results", "merge", first.root, second.root)
    assert done.exit_code == 1 and "suite first is not the same in both (seeds)" in done.stderr
    held_suite, held = first.read_suite("first")
    assert held_suite == suite
    assert held["cells"][name] == cell and held["cells"]["another"] == cells["another"]
    apart = {**cell, "search": cell["search"][::-1], "final": {**cell["final"], "1": "1" * 32}}
    second.write_suite("first", suite, {**index, "cells": {**index["cells"], name: apart}})
    done = typed("results", "merge", first.root, second.root)
    assert done.exit_code == 1
    assert f"suite first, cell {name}: other search trials; those of the first are kept" in done.stderr
    assert f"suite first, cell {name}: other final runs under seed 1" in done.stderr
    assert first.read_suite("first")[1]["cells"][name] == cell


def test_runs_on_other_content_of_a_data_set_are_not_brought_into_a_row(pair: tuple[Store, Store]) -> None:
    first, second = pair
    suite, index = first.read_suite("first")
    name, cell = next((name, cell) for name, cell in index["cells"].items() if len(cell["final"]) == 2)
    for store, seed, content in zip(pair, "12", "xy", strict=True):
        cells = {name: {**cell, "final": {seed: cell["final"][seed]}}}
        cells |= {other: entry for other, entry in index["cells"].items() if other != name and store is second}
        staged = {
            SEEDS: {name: int(seed) + 1},
            LOOKS: {f"{name} over base": [{"seeds": 2, "decided": False}] * int(seed)},
        }
        store.write_suite("first", suite, {**index, "fingerprints": {"tiny": content}, "cells": cells, **staged})
    (line,) = merge(first, second).conflicts
    assert line.startswith("suite first: tiny had other content when the other suite ran")
    held = first.read_suite("first")[1]
    assert held["cells"] == {name: {**cell, "final": {"1": cell["final"]["1"]}}}
    assert held["fingerprints"] == {"tiny": "x"} and held[SEEDS] == {name: 2}
    assert held[LOOKS] == {f"{name} over base": [{"seeds": 2, "decided": False}]}


def test_search_trials_behind_one_that_one_side_lacks_are_brought_together(pair: tuple[Store, Store]) -> None:
    first, second = pair
    suite, index = first.read_suite("first")
    name, cell = next((name, cell) for name, cell in index["cells"].items() if len(cell["search"]) == 2)
    one, two = cell["search"]
    unfinished = {**cell, "best": None, "final": {}}
    entries = {**unfinished, "search": [], "behind": [two, "7" * 32]}, {**unfinished, "search": [one, two]}
    for store, entry in zip(pair, entries, strict=True):
        store.write_suite("first", suite, {**index, "cells": {name: entry}})
    assert merge(first, second).conflicts == ()
    held = first.read_suite("first")[1]["cells"][name]
    assert (held["search"], held["behind"]) == ([one, two], ["7" * 32])


def test_rows_of_both_keep_the_seeds_and_looks_that_they_have(pair: tuple[Store, Store]) -> None:
    first, second = pair
    suite, index = first.read_suite("first")
    looks = [{"seeds": seeds, "p": 0.5, "level": 0.01, "decided": False} for seeds in (2, 3, 4)]
    decided = [looks[0], {**looks[1], "decided": True}]
    first.write_suite("first", suite, {**index, SEEDS: {"a": 3, "b": 2}, LOOKS: {"a": decided, "b": looks[:1]}})
    second.write_suite("first", suite, {**index, SEEDS: {"a": 4, "b": 4, "c": 5}, LOOKS: {"a": looks, "b": looks}})
    assert merge(first, second).conflicts == ()
    held = first.read_suite("first")[1]
    assert held[SEEDS] == {"a": 4, "b": 4, "c": 5} and held[LOOKS] == {"a": decided, "b": looks}


@pytest.mark.parametrize("file", ["suite.json", "index.json"])
def test_a_damaged_file_of_a_suite_is_taken_from_the_other_and_the_whole_one_stays(
    file: str, pair: tuple[Store, Store]
) -> None:
    first, second = pair
    suite, index = first.read_suite("first")
    second.write_suite("first", suite, {**index, "cells": {}})
    (first.suite_folder("first") / file).write_text("{")
    merge(first, second)
    assert first.read_suite("first") == (suite, index if file == "suite.json" else {**index, "cells": {}})
    assert len(list((first.root / "quarantine").glob("*.json"))) == 1


def test_files_that_are_no_part_of_a_trial_are_not_merged(pair: tuple[Store, Store]) -> None:
    first, second = pair
    key = sorted(first.keys())[0]
    first.delete(key)
    (second.folder(key) / "notes").mkdir()
    (second.folder(key) / "passwords").symlink_to("/etc/passwd")
    assert typed("results", "merge", first.root, second.root).exit_code == 0
    assert verify(first).findings == () and first.read(key).key == key


def test_a_folder_above_or_below_a_store_is_no_store(pair: tuple[Store, Store]) -> None:
    first, second = pair
    for wrong in (second.trials, second.root.parent):
        done = typed("results", "merge", first.root, wrong)
        assert done.exit_code == 2 and f"{wrong} is no folder of results" in done.stderr


def test_logs_are_merged_by_time_and_once(pair: tuple[Store, Store]) -> None:
    first, second = pair
    ours, theirs = (store.suite_folder("first") / "run.jsonl" for store in pair)
    lines = ours.read_text().splitlines()
    ours.write_text("".join(f"{line}\n" for line in lines[::2]))
    theirs.write_text("".join(f"{line}\n" for line in lines[1::2]))
    assert typed("results", "merge", first.root, second.root).exit_code == 0
    assert ours.read_text().splitlines() == lines


# ---- diff


def test_a_cell_that_differs_is_shown_with_its_change_and_intervals(
    pair: tuple[Store, Store], synthetic: ModuleType
) -> None:
    first, second = pair
    before = finals(first, "erl")
    for result in before.values():
        second.write(with_ranks(result, [1, 1, 1, 1], synthetic), replace=True)
    done = typed("results", "diff", first.root, second.root, "--suite", "first", "--format", "csv")
    assert done.exit_code == 1
    records = {row["metric"]: row for row in csv.DictReader(io.StringIO(done.stdout))}
    assert set(records) == {"ndcg@10", "ndcg@20", "recall@10", "recall@20"}
    values = {name: float(records["ndcg@20"][name]) for name in ("first_mean", "second_mean", "change")}
    paired = [1 - result.test.readout["ndcg@20"] for result in before.values()]
    assert values == pytest.approx({"first_mean": 1 - np.mean(paired), "second_mean": 1, "change": np.mean(paired)})
    half = 12.706204736432095 * np.std(paired, ddof=1) / np.sqrt(2)  # t of one degree of freedom
    assert float(records["ndcg@20"]["seeds_low"]) == pytest.approx(np.mean(paired) - half, rel=1e-9)
    low, high = (float(records["ndcg@20"][f"users_{end}"]) for end in ("low", "high"))
    assert 0 <= low <= values["change"] <= high <= 1
    text = typed("results", "diff", first.root, second.root).output
    assert "8 the same in both, 2 different" in text
    assert "Suite first: 2 cells with the same numbers, 1 with others" in text
    assert all(f"Trial {result.key[:8]} differs: test: readout_ranks differ in" in text for result in before.values())


def test_what_one_alone_has_is_named(pair: tuple[Store, Store]) -> None:
    first, second = pair
    key = next(iter(finals(second, "erl").values())).key
    second.delete(key)
    found = compare_trials(first, second)
    assert found.only == ((key,), ()) and found.same == 9
    cells = compare_suite("first", first, second).cells
    assert {cell.place[2] for cell in cells} == {"erl"} and {
        (cell.first.seeds, cell.second.seeds) for cell in cells
    } == {(2, 1)}
    done = typed("results", "diff", first.root, second.root)
    assert done.exit_code == 1 and f"In {first.root} alone: {key[:8]}." in done.output
    done = typed("results", "diff", first.root, second.root, "--suite", "none")
    assert done.exit_code == 2 and "In both: first, trouble" in done.stderr


def test_a_copy_does_not_differ_and_damage_is_said_and_compared_with_nothing(pair: tuple[Store, Store]) -> None:
    first, second = pair
    done = typed("results", "diff", first.root, second.root)
    assert done.exit_code == 0 and "10 the same in both, 0 different" in done.output
    key = next(iter(finals(second, "erl").values())).key
    file = second.folder(key) / "test.parquet"
    file.write_bytes(file.read_bytes()[::-1])
    done = typed("results", "diff", first.root, second.root)
    assert done.exit_code == 1 and f"Trial {key[:8]} of {second.root} is damaged" in done.output


def test_rows_of_other_users_are_not_paired(pair: tuple[Store, Store], synthetic: ModuleType) -> None:
    first, second = pair
    for number, result in enumerate(finals(second, "erl").values()):
        moved = with_ranks(result, [1, 1, 1, 1 + 30 * number], synthetic)  # seeds differ in every metric
        rows = dataclasses.replace(moved.test.rows, users=moved.test.rows.users[::-1] + 1)
        second.write(dataclasses.replace(moved, test=dataclasses.replace(moved.test, rows=rows)), replace=True)
    found = compare_suite("first", first, second)
    assert all(cell.users is None and cell.seeds is not None for cell in found.cells) and len(found.other_rows) == 1


def test_final_runs_of_two_configurations_are_not_brought_together(pair: tuple[Store, Store]) -> None:
    suite, index = pair[0].read_suite("first")
    name, cell = next((name, cell) for name, cell in index["cells"].items() if len(cell["search"]) == 2)
    for store, best, seed in zip(pair, cell["search"], "12", strict=True):
        entry = {**cell, "best": best, "final": {seed: seed * 32}}
        store.write_suite("first", suite, {**index, "cells": {**index["cells"], name: entry}})
    done = typed("results", "merge", pair[0].root, pair[1].root)
    assert done.exit_code == 1 and "another trial is the best of the search" in done.stderr
    held = pair[0].read_suite("first")[1]["cells"][name]
    assert (held["best"], held["final"]) == (cell["search"][0], {"1": "1" * 32})
