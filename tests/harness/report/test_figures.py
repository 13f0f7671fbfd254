"""Figures: which a store fills, what they show, and that nothing in them is obeyed or left to chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rearec_bench.harness.analysis.resultset import ResultSet, collect
from rearec_bench.harness.analysis.significance import significance
from rearec_bench.harness.datasets.data.items import Items
from rearec_bench.harness.records.profile import Profile
from rearec_bench.harness.report.figures.context import FigureContext, MissingData
from rearec_bench.harness.report.figures.gains import gain_panels
from rearec_bench.harness.report.figures.printed import printed
from rearec_bench.harness.report.figures.registry import FIGURES, FORMATS, NAMES, draw, draw_together
from rearec_bench.harness.report.figures.states import principal_components, rows_of_users, state_labels, typical_rows
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.utils.errors import InputError

from .sized import profiles_of

Make = Callable[..., FigureContext]
HOSTILE = r"$\frac{a}{b}$ <script>alert(1)</script> \x1b[31m %s"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, synthetic: ModuleType) -> ResultSet:
    return synthetic.results_of(Store(tmp_path_factory.mktemp("figures")), *synthetic.cells_of_figures())


@pytest.fixture
def context(synthetic: ModuleType) -> Make:
    """Makes figures' context of a suite, with a data set whose rows are those of its made-up trials."""

    def made(results: ResultSet, **fields: object) -> FigureContext:
        data = synthetic.dataset(results)
        titles = np.array([HOSTILE] * 60, dtype=object)
        items = Items(np.array([str(i) for i in range(60)], dtype=object), titles, np.ones(60, np.int64))
        return FigureContext(results, lambda name: data, lambda name: items, **fields)  # type: ignore[arg-type]

    return made


def shown(name: str, context: FigureContext) -> Any:
    """The only page of a figure as matplotlib draws it."""
    (page,) = printed(FIGURES[name].panels(context))
    return page


def test_a_row_on_its_own_backbone_stands_at_the_time_that_was_measured_on_it(
    results: ResultSet, context: Make, made_profile: Profile
) -> None:
    both = replace(results, cells=(results.cells[0], replace(results.cells[1], own_backbone="esasrec")))
    base, own = profiles_of(both, made_profile)
    profiles = [base, replace(own, subject=replace(own.subject, backbone="esasrec"))]
    (panel,) = FIGURES["pareto"].panels(context(both, profiles=profiles))
    assert [series.name for series in panel.series] == ["Base", "ERL"]


@pytest.mark.parametrize(("name", "panels"), [("fig8_trajectories", 1), ("fig4_groups", 2)])
def test_the_states_of_a_row_on_its_own_backbone_are_drawn_once_and_named_by_it(
    name: str, panels: int, results: ResultSet, context: Make
) -> None:
    base, erl = results.cells[:2]
    own = [replace(erl, own_backbone="esasrec", backbone=backbone) for backbone in ("sasrec", "gru")]
    drawn = FIGURES[name].panels(context(replace(results, cells=(base, *own))))
    assert len(drawn) == panels and all("\neSASRec ERL" in panel.title for panel in drawn)


@pytest.mark.slow
def test_every_figure_that_the_store_fills_is_written_in_every_format_with_titles_as_text(
    results: ResultSet, context: Make, tmp_path: Path
) -> None:
    drawn = {one.name: one for one in draw(context(results), tmp_path / "figures")}
    assert tuple(drawn) == NAMES
    assert {name for name, one in drawn.items() if not one.files} == {"pareto"}
    assert drawn["pareto"].why == "needs profiles of the suite's rows:  rearec-bench profile s"
    for name, one in drawn.items():
        pages = ["", "_2"] if name == "fig4_groups" else [""] if one.files else []
        assert [path.name for path in one.files] == [f"s_{name}{page}.{form}" for page in pages for form in FORMATS]
        for path in one.files:
            assert path.stat().st_size > 1000
    assert drawn["fig2_ceiling"].files[0].read_bytes().startswith(b"%PDF")
    assert drawn["fig2_ceiling"].files[2].read_bytes().startswith(b"\x89PNG")
    text = drawn["fig11_case_study"].files[1].read_text(encoding="utf-8")
    assert "<script>" not in text and "&lt;script&gt;" in text and r"\frac" in text
    (again,) = draw(context(results), tmp_path / "again", names=["fig5_steps"])
    for first, second in zip(drawn["fig5_steps"].files, again.files, strict=True):
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.slow
def test_aggregates_leave_out_single_users_and_say_so(results: ResultSet, context: Make, tmp_path: Path) -> None:
    drawn = {one.name: one for one in draw(context(results, aggregates=True), tmp_path)}
    left_out = {name for name, one in drawn.items() if not one.files} - {"pareto"}
    assert left_out == {"fig8_trajectories", "fig10_states", "fig11_case_study"}
    assert {drawn[name].why for name in left_out} == {"shows single users, which --aggregates leaves out"}
    for path in tmp_path.glob("*.svg"):
        text = path.read_text(encoding="utf-8")
        assert "user " not in text and "script" not in text


def test_an_empty_store_says_what_each_figure_needs(tmp_path: Path, synthetic: ModuleType) -> None:
    empty = collect("s", (synthetic.cell("prl", 2),), {"cells": {}}, store=Store(tmp_path))
    made = FigureContext(empty, lambda name: pytest.fail(), lambda name: pytest.fail())
    drawn = draw(made, tmp_path / "figures")
    assert [one.name for one in drawn] == list(NAMES)
    assert all(one.why.startswith("needs ") and not one.files for one in drawn)


def test_bars_and_curves_have_the_heights_of_the_analysis(results: ResultSet, context: Make) -> None:
    held = context(results)
    expected = [sum(run.test["ndcg@20"] for run in cell.runs) / 3 for cell in results.cells if cell.steps]
    heights = [patch.get_height() for patch in shown("fig2_ceiling", held).axes[0].patches]
    assert heights[: len(expected)] == pytest.approx(expected)
    curves = shown("fig5_steps", held).axes[0].get_lines()
    means = {
        cell.steps: sum(run.test["ndcg@20"] for run in cell.runs) / 3
        for cell in results.cells
        if cell.strategy == "erl" and cell.steps
    }
    found = [line for line in curves if list(line.get_xdata()) == [2, 3]]
    assert len(found) == 1 and list(found[0].get_ydata()) == pytest.approx([means[2], means[3]])


def test_gains_and_their_intervals_are_those_of_the_significance_table(results: ResultSet, context: Make) -> None:
    compared = [each for each in significance(results).comparisons if each.metric == "ndcg@20"]
    (panel,) = FIGURES["gains"].panels(context(results))
    assert [gain.name for gain in panel.gains] == [
        "ERL (K=2)",
        "ERL (K=3)",
        "erl_no_kl (K=2) over ERL",
        "PRL[decay=1] (K=2)",
        "PRL[decay=2] (K=2)",
    ]
    assert [gain.percent for gain in panel.gains] == [each.percent for each in compared]
    (axes,) = shown("gains", context(results)).axes
    marked = [line for line in axes.get_lines() if line.get_marker() not in ("", "None") and len(line.get_xdata())]
    points = [line.get_xdata()[0] for line in marked]
    assert points == [each.percent for each in compared]
    for gain, each in zip(panel.gains, compared, strict=True):
        base = each.against.stats["ndcg@20"].mean
        assert gain.users == pytest.approx(
            [100 * each.users_interval.low / base, 100 * each.users_interval.high / base]
        )
        assert gain.users in [tuple(line.get_xdata()) for line in axes.get_lines()]
        assert gain.clear == bool(each.mark)
    assert panel.limits[0] < min(gain.seeds[0] for gain in panel.gains)


def test_gains_of_several_suites_stand_side_by_side_with_a_row_where_one_of_them_has_it(
    results: ResultSet, context: Make, tmp_path: Path
) -> None:
    fewer = replace(
        results, name="fewer", cells=tuple(cell for cell in results.cells if not cell.strategy.startswith("prl"))
    )
    (alone,), (first, second) = gain_panels(context(results)), gain_panels(context(results), context(fewer))
    assert first.gains == alone.gains and first.labels == second.labels == [gain.name for gain in alone.gains]
    assert [gain.name for gain in second.gains] == [name for name in first.labels if not name.startswith("PRL")]
    assert (first.title, second.title) == (f"{alone.title} (s)", f"{alone.title} (fewer)")
    assert first.limits == second.limits

    (page,) = printed([first, second])
    left, right = page.axes
    for axes, panel in ((left, first), (right, second)):
        at = [line.get_ydata()[0] for line in axes.get_lines() if line.get_marker() != "None" and len(line.get_xdata())]
        assert at == [first.labels.index(gain.name) for gain in panel.gains]
    assert len(left.get_yticklabels()) == len(first.labels) and not right.get_yticklabels()

    drawn = draw_together([context(results), context(fewer)], tmp_path)
    assert [path.name for path in drawn.files] == ["gains.pdf", "gains.svg", "gains.png"]


def test_similarities_are_means_over_runs_of_each_of_many_cells(
    tmp_path: Path, synthetic: ModuleType, context: Make
) -> None:
    cells = (synthetic.cell("prl", 2, backbone=f"b{place}") for place in range(9))
    figure = shown("fig9_similarity", context(synthetic.results_of(Store(tmp_path), *cells)))
    images = [np.asarray(image.get_array()) for one in figure.axes for image in one.get_images()]
    assert len(images) == 9
    assert images[0] == pytest.approx(np.array([[1, 0.9, 0.8], [0.9, 1, 0.9], [0.8, 0.9, 1]]))


def test_users_asked_for_are_shown_and_unknown_ones_are_said(results: ResultSet, context: Make) -> None:
    rows = results.store.rows(results.cells[1].runs[0].key, "test")
    user = int(rows.users[0])
    ids = np.array([f"u{number}" for number in range(1000)], dtype=object)
    asked = context(results, users=(f"u{user}",), user_tokens=lambda name: ids)
    figure = shown("fig8_trajectories", asked)
    assert f"user u{user}" in FIGURES["fig8_trajectories"].panels(asked)[0].about
    last = int(np.flatnonzero(rows.users == user)[-1])
    assert list(figure.axes[0].get_lines()[0].get_ydata()) == rows.step_ranks[last].tolist()
    with pytest.raises(MissingData, match="those asked for have none"):
        rows_of_users(rows, (999,))
    with pytest.raises(InputError, match="no user 'u5000' in tiny"):
        replace(asked, users=("u5000",)).refuse_unknown_users()
    with pytest.raises(MissingData, match="needs the ids of the users"):
        replace(asked, user_tokens=None).asked("tiny")


def test_typical_rows_are_at_even_quantiles_of_the_change() -> None:
    ranks = np.array([[50, change] for change in range(1, 12)] + [[500, 500]], np.int32)
    assert typical_rows(ranks, 3) == [0, 5, 10]
    assert typical_rows(ranks[:1], 3) == [0]


@given(st.integers(2, 12), st.integers(1, 3), st.integers(2, 6), st.integers(0, 100))
def test_components_are_those_of_the_covariance(rows: int, steps: int, width: int, seed: int) -> None:
    states = np.random.default_rng(seed).normal(size=(rows, steps + 1, width)).astype(np.float32)
    points, explained = principal_components(states)
    flat = states.reshape(-1, width).astype(np.float64)
    values = np.sort(np.linalg.eigvalsh(np.cov(flat.T)))[::-1]
    assert points.reshape(-1, 2).var(axis=0, ddof=1) == pytest.approx(values[:2], rel=1e-6, abs=1e-9)
    assert explained == pytest.approx(tuple(values[:2] / values.sum()), rel=1e-6, abs=1e-9)


def test_states_of_streams_are_named_by_stream_and_step(tmp_path: Path, synthetic: ModuleType) -> None:
    (cell,) = synthetic.results_of(Store(tmp_path), ("prl", 2)).cells
    assert state_labels(cell, 3) == (["0", "1", "2"], "step")
    assert state_labels(cell, 5) == (["0", "1/1", "1/2", "2/1", "2/2"], "stream/step")
