"""Ranks: groups and intervals follow from the pairs, average ranks from SciPy's tests; simulated suites are covered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import stats

from rearec_bench.harness.analysis import ranks
from rearec_bench.harness.analysis.ranks import critical_difference, letter_groups, rank_rows
from rearec_bench.harness.analysis.resultset import ResultSet, collect
from rearec_bench.harness.report.figures.context import FigureContext
from rearec_bench.harness.report.figures.ranks import rank_panels
from rearec_bench.harness.report.html.chart import charts_of
from rearec_bench.harness.report.tables.ranks import letters, ranks_table
from rearec_bench.harness.store.store import Store


@pytest.mark.parametrize(
    ("count", "differ", "groups"),
    [
        (3, [], [(0, 1, 2)]),
        (3, [(0, 1), (0, 2), (1, 2)], [(0,), (1,), (2,)]),
        (3, [(0, 2)], [(0, 1), (1, 2)]),
        (4, [(0, 3), (1, 3)], [(0, 1, 2), (2, 3)]),
        (4, [(0, 1), (2, 3)], [(0, 2), (0, 3), (1, 2), (1, 3)]),
    ],
)
def test_groups_are_the_largest_sets_without_a_pair_that_differs(
    count: int, differ: list[tuple[int, int]], groups: list[tuple[int, ...]]
) -> None:
    assert letter_groups(count, differ) == groups


def test_letters_go_on_after_z() -> None:
    assert letters([0, 2, 25, 26, 53]) == "a c z a2 b3"


@pytest.mark.parametrize(("rows", "datasets", "value"), [(4, 14, 1.25), (5, 30, 1.11), (10, 6, 5.53)])
def test_critical_differences_are_those_of_nemenyis_table(rows: int, datasets: int, value: float) -> None:
    assert critical_difference(rows, datasets) == pytest.approx(value, abs=0.01)


def shifted(store: Store, synthetic: ModuleType, gains: dict[str, list[int]], seeds: tuple[int, ...]) -> ResultSet:
    """Rows whose ranks are those of one row, made better by so many places on each data set."""
    cells = tuple(
        synthetic.cell(kind, 0, row=kind, dataset=f"data{number}", seeds=seeds)
        for number in range(len(next(iter(gains.values()))))
        for kind in gains
    )
    entries, draw = {}, np.random.default_rng(3)
    common = {
        (cell.dataset, seed): draw.integers(1, 60, 400) + draw.integers(0, 3, 400) for cell in cells for seed in seeds
    }
    for cell in cells:
        finals = {}
        for seed in seeds:
            spec = replace(
                synthetic.spec(strategy=cell.kind, steps=0, seed=seed, settings={"of": cell.id}), dataset=cell.dataset
            )
            made = synthetic.trial(spec, rows=400)
            better = gains[cell.kind][int(cell.dataset[4:])]
            found = np.maximum(common[cell.dataset, seed] - better + draw.integers(-1, 2, 400), 1).astype(np.int32)
            rows = replace(made.test.rows, readout_ranks=found, step_ranks=found[:, None], control_ranks=found[:, None])
            test = replace(made.test, rows=rows, readout=synthetic.metrics_of(found))
            store.write(replace(made, test=test))
            finals[str(seed)] = spec.key
        entries[cell.id] = {"search": [], "best": None, "final": finals}
    return collect("s", cells, {"cells": entries}, store=store)


def test_intervals_hold_the_rank_and_follow_from_what_differs(tmp_path: Path, synthetic: ModuleType) -> None:
    results = shifted(Store(tmp_path), synthetic, {"base": [0], "erl": [12], "prl": [12]}, (1, 2, 3, 4, 5))
    found = rank_rows(results)
    (rows,) = found.datasets.values()
    assert [(each.low, each.high, each.groups) for each in rows] == [(1, 2, (0,)), (1, 2, (0,)), (3, 3, (1,))]
    assert rows[2].row.strategy == "base" and [each.rank for each in rows] == [1, 2, 3]
    assert (found.tests, found.untested, found.across.needed) == (3, 0, 3)


def test_over_data_sets_average_ranks_are_friedmans_and_the_figure_shows_the_difference(
    tmp_path: Path, synthetic: ModuleType
) -> None:
    gains = {"base": [0, 0, 0, 0], "erl": [6, 6, 12, 6], "prl": [12, 12, 6, 12]}
    results = shifted(Store(tmp_path), synthetic, gains, (1, 2, 3))
    across = rank_rows(results).across
    assert [(each.place[1], each.rank) for each in across.rows] == [("prl", 1.25), ("erl", 1.75), ("base", 3.0)]
    scores = [[cell.stats["ndcg@20"].mean for cell in results.cells if cell.strategy == kind] for kind in gains]
    assert across.p == pytest.approx(stats.friedmanchisquare(*scores).pvalue)
    assert across.difference == pytest.approx(critical_difference(3, 4))
    assert [each.groups for each in across.rows] == [(0,), (0, 1), (1,)]
    *of_data, over = rank_panels(FigureContext(results, pytest.fail, pytest.fail))
    assert len(of_data) == 4 and over.difference == across.difference and over.bars() == [[1.25, 1.75], [1.75, 3.0]]
    chart = charts_of("Ranks", [over])[0]
    assert [trace["x"] for trace in chart.data[:3]] == [[1.25, 1.75], [1.75, 3.0], [1.0, 1.0 + across.difference]]
    assert "Nemenyi" in "".join(ranks_table(results).protocol)


@pytest.mark.parametrize(
    ("datasets", "words"),
    [(2, "3 rows take 3 data sets at least for any two to differ (Friedman, Nemenyi); they are ranked on 2.")],
)
def test_too_few_data_sets_are_said_in_one_line(
    datasets: int, words: str, tmp_path: Path, synthetic: ModuleType
) -> None:
    results = shifted(Store(tmp_path), synthetic, {kind: [0] * datasets for kind in ("base", "erl", "prl")}, (1, 2))
    assert [line for line in ranks_table(results).protocol if line.startswith("Over data")] == [
        f"Over data sets: {words}"
    ]


def test_rows_that_are_not_whole_have_no_rank_and_one_seed_tells_nothing_apart(
    tmp_path: Path, synthetic: ModuleType
) -> None:
    store = Store(tmp_path)
    cells = [synthetic.cell("base", 0, seeds=(1,)), synthetic.cell("erl", 1, seeds=(1,)), synthetic.cell("prl", 1)]
    results = synthetic.results_of(store, *cells, missing=[(cells[2].id, 2)])
    found = rank_rows(results)
    assert [each.row.strategy for each in found.datasets["tiny"]] in (["base", "erl"], ["erl", "base"])
    assert [(each.low, each.high) for each in found.datasets["tiny"]] == [(1, 2), (1, 2)]
    assert (found.tests, found.untested) == (0, 1)


def test_a_row_on_its_own_backbone_is_ranked_once_and_named_by_it_beside_several(
    tmp_path: Path, synthetic: ModuleType
) -> None:
    store, own = Store(tmp_path), synthetic.cell("prl", 2, on="esasrec")
    cells = (synthetic.cell("base", 0), own, synthetic.cell("base", 0, backbone="gru"), replace(own, backbone="gru"))
    results = collect("s", cells, synthetic.fill(store, cells), store=store)
    one = replace(results, cells=results.cells[:2])
    for suite, names in ((results, {"SASRec Base", "gru Base", "eSASRec PRL (K=2)"}), (one, {"Base", "PRL (K=2)"})):
        (group,) = ranks_table(suite).groups
        assert {line.label for line in group.lines} == names
        assert rank_rows(suite).tests == len(names) * (len(names) - 1) / 2
        (panel,) = rank_panels(FigureContext(suite, pytest.fail, pytest.fail))
        assert {each.name for each in panel.standings} == names


def test_the_metric_is_the_one_that_validation_chose_by(results: ResultSet) -> None:
    assert rank_rows(results).metric == ranks.USUAL == results.cells[0].runs[0].spec.metric
