"""Stores with any part of a suite: every table and figure is made, says what is missing, and no mean is wrong."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from rearec_bench.harness.analysis.claims import judge
from rearec_bench.harness.analysis.resultset import ResultSet, collect
from rearec_bench.harness.datasets.data.dataset import Dataset
from rearec_bench.harness.datasets.data.items import Items
from rearec_bench.harness.report.figures.case_study import case_of
from rearec_bench.harness.report.figures.context import FigureContext, MissingData
from rearec_bench.harness.report.figures.registry import FIGURES
from rearec_bench.harness.report.report import FORMATS, render
from rearec_bench.harness.report.tables.registry import DATA_TABLES, MARKED, TABLES
from rearec_bench.harness.store.store import Store

METRICS = ("ndcg@10", "ndcg@20", "recall@10", "recall@20")
Part = Callable[[int], tuple[ResultSet, dict[str, dict[int, str]]]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, synthetic: ModuleType) -> tuple[Store, tuple[Any, ...], Any]:
    store = Store(tmp_path_factory.mktemp("partial"))
    cells = synthetic.cells_of_figures()
    return store, cells, synthetic.fill(store, cells, search=3)


@pytest.fixture(scope="module")
def dataset(whole: tuple[Store, tuple[Any, ...], Any], synthetic: ModuleType) -> Dataset:
    store, cells, index = whole
    return synthetic.dataset(collect("s", cells, index, store=store))


@pytest.fixture(scope="module")
def part(whole: tuple[Store, tuple[Any, ...], Any]) -> Part:
    """A part of the suite by a number, and cell id to seed to key of the final runs that are left of it."""
    store, cells, index = whole

    def made(seed: int) -> tuple[ResultSet, dict[str, dict[int, str]]]:
        draw = random.Random(seed)  # noqa: S311
        share = draw.random()
        kept, damaged = copy.deepcopy(index), {}
        left: dict[str, dict[int, str]] = {}
        for cell_id, entry in kept["cells"].items():
            left[cell_id] = {int(at): key for at, key in entry["final"].items() if draw.random() < share}
            gone = {at: key for at, key in entry["final"].items() if int(at) not in left[cell_id]}
            for at, key in gone.items():
                if draw.random() < 0.5:
                    del entry["final"][at]
                else:
                    damaged[key] = "its checksum is another one"
            entry["search"] = [key for key in entry["search"] if draw.random() < share]
        return collect("s", cells, kept, store=store, damaged=damaged), left

    return made


@pytest.mark.parametrize("seed", range(6))
def test_any_part_of_a_suite_has_every_table_and_no_wrong_mean(
    part: Part, dataset: Dataset, synthetic: ModuleType, seed: int
) -> None:
    results, left = part(seed)
    made = {name: make(results) for name, make in (*TABLES.items(), ("marked", MARKED["overall"]))}
    made |= {name: make(results, lambda name: dataset) for name, make in DATA_TABLES.items()}
    for table in made.values():
        assert all(set(record) == set(table.fields) for record in table.records)
        for form in FORMATS:
            render([table], format=form, spread=True)
    for name in ("overall", "steps", "beyond", "ceiling"):
        expected = {}
        for cell_id, runs in left.items():
            ranks = [results.store.rows(key, "test").readout_ranks for key in runs.values()]
            each = [synthetic.metrics_of(one) for one in ranks]
            expected[cell_id] = {metric: float(np.mean([one[metric] for one in each])) for metric in METRICS if each}
        records = [one for one in made[name].records if one.get("state", "readout") == "readout"]
        for record in records:
            if record["metric"] not in METRICS:
                continue
            cell_id = f"tiny-sasrec-{record['strategy']}-{record['steps']}"
            assert record["seeds"] == len(left[cell_id]), name
            assert record["mean"] == pytest.approx(expected[cell_id].get(record["metric"])), name
            base = expected["tiny-sasrec-base-0"].get(record["metric"])
            if record.get("improvement_percent") is not None and record["strategy"] in ("erl", "prl"):
                assert record["improvement_percent"] == pytest.approx((record["mean"] / base - 1) * 100), name
    for cell_id, runs in left.items():
        _, _, row, steps = cell_id.split("-")
        lines = [line for line in made["overall"].protocol if f" {row}" in line and f"{len(runs)}/3 final runs" in line]
        lines = [line for line in lines if row == "base" or f"K={steps}" in line]
        assert bool(lines) == (len(runs) < 3), cell_id
        assert all(str(at) in line for line in lines for at in {1, 2, 3} - set(runs))


@pytest.mark.parametrize("seed", range(3))
def test_any_part_of_a_suite_has_figures_or_says_what_they_need(part: Part, dataset: Dataset, seed: int) -> None:
    results, left = part(100 + seed)
    items = Items(np.array([str(i) for i in range(60)], dtype=object), None, np.ones(60, np.int64))
    context = FigureContext(results, lambda name: dataset, lambda name: items)
    for make in (*(figure.panels for figure in FIGURES.values()), lambda context: [case_of(context)]):
        try:
            assert make(context)
        except MissingData as missing:
            assert str(missing).startswith("needs ")
    for one in judge(results, lambda name: dataset):
        assert (one.value is None) == (one.verdict == "not tested")
        assert one.seeds <= max(len(runs) for runs in left.values())
