"""Means, standard deviations, improvements and bests against naive re-computation."""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rearec_bench.harness.analysis.compare import METRICS, Row, Stat, compare, percent, stat
from rearec_bench.harness.store.store import Store


def row(strategy: str, value: float, *, against: str = "base", steps: int | None = 2, seeds: int = 3) -> Row:
    stats = {name: Stat(value, 0.1, seeds, 3) for name in METRICS}
    return Row(dataset="d", backbone="b", strategy=strategy, against=against, steps=steps, stats=stats)


@given(st.lists(st.floats(1e-4, 1.0), min_size=2, max_size=9))
def test_mean_and_deviation_are_those_of_the_standard_library(values: list[float]) -> None:
    found = stat(values, planned=9)
    assert found.mean == pytest.approx(statistics.fmean(values), rel=1e-12)
    assert found.std == pytest.approx(statistics.stdev(values), rel=1e-9, abs=1e-15)
    assert (found.seeds, found.complete) == (len(values), len(values) == 9)


def test_improvements_come_from_unrounded_means_and_their_average_is_rounded_by_nobody(
    tmp_path: Path, synthetic: ModuleType
) -> None:
    store = Store(tmp_path)
    results = synthetic.results_of(store, ("base", 0), ("erl", 1), ("prl", 2))
    found = compare(results.cells)

    means = []
    for cell in results.cells:
        runs = [store.read(run.key) for run in cell.runs]
        assert len(runs) == 3
        means.append({name: sum(run.test.readout[name] for run in runs) / 3 for name in METRICS})
    assert found[0].improvements == {} and found[0].average is None
    for place in (1, 2):
        expected = {name: (means[place][name] - means[0][name]) / means[0][name] * 100 for name in METRICS}
        assert found[place].improvements == pytest.approx(expected, rel=1e-12)
        assert found[place].average == pytest.approx(sum(expected.values()) / 4, rel=1e-12)
    for name in METRICS:
        best = max(range(3), key=lambda place: means[place][name])
        assert [name in one.best for one in found] == [place == best for place in range(3)]


def test_a_row_with_a_missing_run_is_never_the_best_nor_an_average_loss() -> None:
    found = compare([row("base", 0.1, against="", steps=0), row("erl", 0.2), row("prl", 0.9, seeds=2)])
    assert [sorted(one.best) for one in found] == [[], sorted((*METRICS, "avg")), []]
    assert found[2].average == pytest.approx(800)
    found = compare([row("base", 0.3, against="", steps=0), row("erl", 0.2), row("prl", 0.1)])
    assert found[0].best == set(METRICS) and not found[1].best and not found[2].best


def test_a_row_is_compared_with_the_one_of_its_own_k_data_set_and_backbone() -> None:
    found = compare(
        [
            row("base", 0.1, against="", steps=0),
            row("prl", 0.2, steps=1),
            row("prl", 0.4, steps=2),
            row("prl_x", 0.3, steps=1, against="prl"),
            row("prl_x", 0.3, steps=2, against="prl"),
            row("prl_x", 0.3, steps=3, against="prl"),
        ]
    )
    gains = [one.improvements.get("ndcg@20") for one in found]
    assert gains[:5] == pytest.approx([None, 100, 300, 50, -25]) and gains[5] is None
    others = [replace(row("prl", 0.5), dataset="d2"), replace(row("prl", 0.5), backbone="b2")]
    assert [one.against for one in compare([row("base", 0.1, against="", steps=0), *others])] == [None, None, None]
    assert percent(0.1, 0.0) is None and percent(None, 0.1) is None and percent(0.1, None) is None


@pytest.mark.parametrize(
    ("values", "best", "gains"),
    [
        ((0.1 + 0.2, 0.3, 0.2), (0, 1), ()),
        ((0.3, 0.1 + 0.2, 0.2), (0, 1), ()),
        ((0.7 + 0.1, 0.8, 0.1 + 0.7), (0, 1, 2), ()),
        ((0.0, 0.0, 0.0), (0, 1, 2), ()),
        ((0.3, 0.3, 0.31), (2,), (2,)),
        ((0.3, 0.300001, 0.2), (1,), ()),
        ((3e-6, 3e-6 * (1 + 1e-15), 2e-6), (0, 1), ()),
        ((3e-6, 3.1e-6, 2e-6), (1,), (1,)),
        ((0.2, 0.1 + 0.2, 0.3), (1, 2), (1, 2)),
    ],
)
def test_means_that_differ_by_the_rounding_of_a_sum_are_all_best_and_no_gain(
    values: tuple[float, ...], best: tuple[int, ...], gains: tuple[int, ...]
) -> None:
    found = compare([row(name, value) for name, value in zip(("base", "erl", "prl"), values, strict=True)])
    assert tuple(place for place in range(3) if set(METRICS) <= found[place].best) == best
    assert tuple(place for place in range(3) if "avg" in found[place].best) == gains
