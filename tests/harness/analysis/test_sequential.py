"""Looks: levels that spend 5% in all, and how many seeds a look leaves each row with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy import stats

from rearec_bench.harness.analysis import sequential
from rearec_bench.harness.analysis.resultset import ResultSet
from rearec_bench.harness.analysis.sequential import levels, look
from rearec_bench.harness.plan.staged import FIRST, LOOKS, SEEDS
from rearec_bench.harness.store.store import Store


@pytest.mark.parametrize(
    ("most", "before"),
    [*((most, ()) for most in (3, 5, 10, 20, 40, 100)), (10, levels(4)), (10, levels(7)[:3]), (10, levels(10)[:3])],
)
def test_without_an_effect_all_looks_together_find_one_in_at_most_five_of_a_hundred(
    most: int, before: tuple[float, ...]
) -> None:
    draw = np.random.default_rng(most)
    sums = draw.standard_normal((100_000, most)).cumsum(axis=1) / np.sqrt(np.arange(1, most + 1))
    found = (2 * stats.norm.sf(abs(sums[:, FIRST - 1 :])) < np.array(levels(most, before))).any(axis=1).mean()
    assert found == pytest.approx(0.05, abs=0.003)
    assert levels(most, before)[: len(before)] == before and len(levels(most, before)) == most - FIRST + 1
    assert list(levels(most)) == sorted(levels(most)) and levels(most, levels(most)[:5]) == levels(most)


def looked(results: ResultSet, p_values: dict[str, float], index: dict[str, Any], monkeypatch: Any) -> dict[str, Any]:
    """The index after a look at made-up p-values of each row."""
    asked = iter([p_values[cell.strategy] for cell in results.cells if cell.strategy in p_values])
    monkeypatch.setattr(sequential, "_p", lambda *_: next(asked))
    return look(results, index)


@pytest.mark.parametrize(
    ("p_values", "seeds"),
    [
        ({"erl": 1e-9, "prl": 1e-9}, {"base": 2, "erl": 2, "prl": 2}),
        ({"erl": 1e-9, "prl": 0.5}, {"base": 3, "erl": 2, "prl": 3}),
        ({"erl": 0.04, "prl": None}, {"base": 3, "erl": 3, "prl": 3}),
    ],
)
def test_a_row_that_is_not_decided_gets_a_seed_and_its_reference_too(
    p_values: dict[str, float], seeds: dict[str, int], tmp_path: Path, synthetic: ModuleType, monkeypatch: Any
) -> None:
    index = looked(staged(tmp_path, synthetic, 2), p_values, {}, monkeypatch)
    assert index[SEEDS] == seeds
    assert {name: [one["decided"] for one in made] for name, made in index[LOOKS].items()} == {
        f"{name} over base": [p == 1e-9] for name, p in p_values.items()
    }
    assert looked(staged(tmp_path, synthetic, 2), {}, index, monkeypatch) == index, (
        "the same look again changes nothing"
    )


def test_a_look_is_at_seeds_that_the_reference_has_too(tmp_path: Path, synthetic: ModuleType, monkeypatch: Any) -> None:
    """A row has more seeds where its `against` was changed in the suite."""
    base, *rows = staged(tmp_path, synthetic, 4).cells
    base = replace(base, seeds=base.seeds[:2], runs=base.runs[:2], finals=base.finals[:2])
    results = replace(staged(tmp_path, synthetic, 4), cells=(base, *rows))
    index = looked(results, {"erl": 0.5, "prl": 1e-9}, {}, monkeypatch)
    assert {name: [one["seeds"] for one in made] for name, made in index[LOOKS].items()} == {
        "erl over base": [2],
        "prl over base": [2],
    }
    assert index[SEEDS] == {"base": 3, "erl": 4, "prl": 4}


def test_with_all_seeds_nothing_is_added(tmp_path: Path, synthetic: ModuleType, monkeypatch: Any) -> None:
    index: dict[str, Any] = {}
    for seeds in (2, 3, 4):
        index = looked(staged(tmp_path, synthetic, seeds), {"erl": 0.5, "prl": 0.5}, index, monkeypatch)
    assert index[SEEDS] == {"base": 4, "erl": 4, "prl": 4}
    assert [one["seeds"] for one in index[LOOKS]["erl over base"]] == [2, 3, 4]


def test_a_look_takes_the_levels_of_earlier_looks_into_account(
    tmp_path: Path, synthetic: ModuleType, monkeypatch: Any
) -> None:
    made = [{"seeds": seeds, "p": 0.5, "level": level, "decided": False} for seeds, level in ((2, 0.01), (3, 0.049))]
    before = {LOOKS: {"erl over base": made, "prl over base": [{**made[0], "decided": True}]}}
    index = looked(staged(tmp_path, synthetic, 4), {"erl": 0.03}, before, monkeypatch)
    assert [one["decided"] for one in index[LOOKS]["erl over base"]] == [False, False, False], (
        "nearly all of the 5% was spent"
    )


def test_a_row_on_its_own_backbone_is_looked_at_beside_each_it_is_compared_with(
    tmp_path: Path, synthetic: ModuleType, monkeypatch: Any
) -> None:
    results = staged(tmp_path, synthetic, 2)
    base, erl, _ = results.cells
    own = [replace(erl, backbone=name, own_backbone="esasrec") for name in ("sasrec", "gru")]
    results = replace(results, cells=(base, own[0], replace(base, id="gru", backbone="gru"), own[1]))
    asked = iter([1e-9, 0.5])
    monkeypatch.setattr(sequential, "_p", lambda *_: next(asked))
    index = look(results, {})
    assert {name: made[-1]["decided"] for name, made in index[LOOKS].items()} == {
        "erl over sasrec base": True,
        "erl over gru base": False,
    }
    assert index[SEEDS] == {"base": 2, "erl": 3, "gru": 3}


def test_a_row_that_stands_under_two_names_is_looked_at_beside_each_reference(
    tmp_path: Path, synthetic: ModuleType, monkeypatch: Any
) -> None:
    results = staged(tmp_path, synthetic, 2)
    base, erl, prl = results.cells
    results = replace(results, cells=(base, erl, prl, replace(prl, strategy="prl_over_erl", against="erl")))
    looks = looked(results, {"erl": 0.5, "prl": 1e-9, "prl_over_erl": 0.4}, {}, monkeypatch)[LOOKS]
    assert {name: made[-1]["p"] for name, made in looks.items()} == {
        "erl over base": 0.5,
        "prl over base": 1e-9,
        "prl over erl": 0.4,
    }


def test_looks_at_other_runs_do_not_count_and_rows_that_left_the_suite_keep_their_seeds(
    tmp_path: Path, synthetic: ModuleType, monkeypatch: Any
) -> None:
    results = staged(tmp_path, synthetic, 2)
    before = looked(results, {"erl": 1e-9, "prl": 1e-9}, {}, monkeypatch)
    base, erl, prl = results.cells
    other = replace(base, id="other", finals=erl.finals)
    index = looked(replace(results, cells=(other, prl)), {"prl": 0.5}, {**before, SEEDS: {"erl": 4}}, monkeypatch)
    assert [(name, one["p"]) for name, made in index[LOOKS].items() for one in made] == [
        ("erl over base", 1e-9),
        ("prl over base", 0.5),
    ]
    assert index[SEEDS] == {"erl": 4, "other": 3, "prl": 3}


def test_a_row_whose_reference_cannot_run_gets_no_seed(tmp_path: Path, synthetic: ModuleType) -> None:
    results = staged(tmp_path, synthetic, 2)
    base, *rows = results.cells
    index = look(replace(results, cells=(replace(base, runs=()), *rows)), {})
    assert index == {LOOKS: {}, SEEDS: {"base": 2, "erl": 2, "prl": 2}}


def staged(folder: Path, synthetic: ModuleType, seeds: int) -> ResultSet:
    """Three rows of so many seeds, of a suite that has four at most."""
    from types import SimpleNamespace

    cells = [synthetic.cell(kind, 0, seeds=tuple(range(1, seeds + 1))) for kind in ("base", "erl", "prl")]
    results = synthetic.results_of(Store(folder / str(seeds)), *cells)
    named = tuple(replace(cell, id=cell.strategy) for cell in results.cells)
    return replace(results, cells=named, suite=SimpleNamespace(seeds=(1, 2, 3, 4)))
