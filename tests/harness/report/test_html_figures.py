"""The page's figures against naive computations, every one of them drawn, long lists of trials, and accessibility."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from rearec_bench.harness.analysis.resultset import CellResults, ResultSet, collect
from rearec_bench.harness.datasets.data.items import Items
from rearec_bench.harness.records.profile import Profile
from rearec_bench.harness.records.results import Traces
from rearec_bench.harness.records.spec import Component
from rearec_bench.harness.report.figures.context import FigureContext
from rearec_bench.harness.report.figures.registry import FIGURES
from rearec_bench.harness.report.html import content
from rearec_bench.harness.report.html.chart import POINTS, charts_of
from rearec_bench.harness.report.html.charts import GAINS, search_chart
from rearec_bench.harness.report.html.page import render_page
from rearec_bench.harness.report.tables.registry import TABLES
from rearec_bench.harness.store.store import Store

from .pages import page_suite

TITLES = [figure.title for name, figure in FIGURES.items() if name != GAINS]
Made = tuple[FigureContext, tuple[Any, ...], Any]
HOSTILE = "</script><script>window.hurt=1</script><img src=x onerror='window.hurt=1'>"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, synthetic: ModuleType, made_profile: Profile) -> Made:
    """A suite that fills every figure; item 7 has a hostile title."""
    store = Store(tmp_path_factory.mktemp("html"))
    cells = synthetic.cells_of_figures()
    index = synthetic.fill(store, cells, search=3)
    results = collect("s", cells, index, store=store)
    data = synthetic.dataset(results)
    titles = np.array([f"Title {i} {HOSTILE}" for i in range(60)], dtype=object)
    items = Items(np.array([str(i) for i in range(60)], dtype=object), titles, np.ones(60, np.int64))
    return FigureContext(results, lambda name: data, lambda name: items, [made_profile]), cells, index


@pytest.fixture(scope="module")
def suite(made: Made) -> content.PageSuite:
    return page_suite(*made, TABLES)


@pytest.fixture(scope="module")
def page(suite: content.PageSuite) -> str:
    return render_page([suite], title="A report")


@pytest.fixture(scope="module")
def long_page(suite: content.PageSuite) -> str:
    """250 trials; test metrics and keys rise with the place, the last but one has failed."""
    base = next(trial for trial in suite.trials if trial["test"] is not None)
    more = [
        {**base, "key": f"{place:08x}" + "0" * 24, "test": place / 1000, "status": "failed" if place == 248 else "done"}
        for place in range(len(suite.trials), 250)
    ]
    first = [{**trial, "test": None} for trial in suite.trials]
    return render_page([replace(suite, trials=(*first, *more))], title="A report")


def charts(suite: content.PageSuite, figure: str) -> list[Any]:
    (found,) = (one.charts for one in suite.figures if figure in one.name)
    return list(found)


def mean(cell: CellResults) -> float:
    return sum(run.test["ndcg@20"] for run in cell.runs if run.test) / 3


def cells(results: ResultSet) -> dict[tuple[str, int | None], CellResults]:
    return {(cell.strategy, cell.steps): cell for cell in results.cells}


def test_a_page_of_aggregates_has_no_title_and_no_single_user(made: Made) -> None:
    context, *rest = made
    public = page_suite(replace(context, aggregates=True), *rest, TABLES)
    lacking = {one.name for one in public.lacking}
    assert lacking == {"Rank trajectories (Figure 8)", "States (Figure 10)", content.CASE}
    assert {figure.name for figure in public.figures} == {*TITLES, "Searches"} - lacking
    whole = json.dumps(content.as_rest(public)) + render_page([public], title="A report")
    private = re.compile(r"Title \d|\buser (number )?\d")
    assert not private.search(whole)
    everything = content.figures_of(context), asdict(content.case_of(context))
    assert private.search(str(everything[0])) and private.search(json.dumps(everything[1]))


def test_every_figure_is_filled_and_none_is_lacking(suite: content.PageSuite) -> None:
    assert [figure.name for figure in suite.figures] == [*TITLES, "Searches"]
    assert suite.lacking == () and suite.case is not None


def test_a_page_is_made_where_only_base_is_done_on_a_backbone_and_where_groups_have_many_steps(
    tmp_path: Path, synthetic: ModuleType
) -> None:
    other = synthetic.cell("erl", 2, backbone="bert4rec")
    cells = (*synthetic.cells_of_figures(), synthetic.cell("base", 0, backbone="bert4rec"), other)
    cells = (*cells, synthetic.cell("prl", 11, backbone="bert4rec"))
    index = synthetic.fill(Store(tmp_path), cells, missing=[(other.id, seed) for seed in other.seeds])
    results = collect("s", cells, index, store=Store(tmp_path))
    data = synthetic.dataset(results)
    context = FigureContext(results, lambda name: data, lambda name: Items(np.array([]), None, np.array([])))
    alone = replace(results, cells=tuple(cell for cell in results.cells if cell.steps != 11))
    (level,) = charts_of("", FIGURES["fig5_steps"].panels(replace(context, results=alone))[1:])[0].data
    assert level["name"] == "Base" and len(level["x"]) == 2 and len(set(level["y"])) == 1
    one_item = replace(data, test=replace(data.test, targets=np.full_like(data.test.targets, 7)))
    panels = FIGURES["fig4_groups"].panels(replace(context, load=lambda name: one_item))
    assert all(panel.series for panel in panels), "the groups of rare items are empty, and the others are shown"
    groups = charts_of("", FIGURES["fig4_groups"].panels(context))
    assert len(groups) > 12 and all(len(chart.data[0]["x"]) == 4 for chart in groups)


def test_sensitivity_and_ablation_have_the_means_of_the_runs(suite: content.PageSuite, made: Any) -> None:
    held = cells(made[0].results)
    (sweep,) = charts(suite, "Figure 6")
    assert sweep.title == "Sensitivity (Figure 6): tiny SASRec PRL, decay"
    assert sweep.data[0]["x"] == ["1", "2"]
    assert sweep.data[0]["y"] == pytest.approx([mean(held["prl[decay=1]", 2]), mean(held["prl[decay=2]", 2])])
    spread = np.std([run.test["ndcg@20"] for run in held["prl[decay=2]", 2].runs], ddof=1)
    assert sweep.data[0]["error_y"]["array"][1] == pytest.approx(spread)
    assert sweep.data[1]["name"] == "Base" and sweep.data[1]["y"] == pytest.approx([mean(held["base", 0])] * 2)
    (ablation,) = charts(suite, "Figure 7")
    assert ablation.data[0]["x"] == ["ERL", "erl_no_kl"]
    assert ablation.data[0]["y"] == pytest.approx([mean(held["erl", 2]), mean(held["erl_no_kl", 2])])


def test_quality_stands_against_the_median_seconds_of_the_profile(suite: content.PageSuite, made: Any) -> None:
    (chart,) = charts(suite, "Quality against time")
    (curve,) = chart.data
    assert curve["x"] == [4.0] and curve["text"] == ["K=2"] and curve["name"] == "ERL"
    assert curve["y"] == pytest.approx([mean(cells(made[0].results)["erl", 2])])


def test_trajectories_are_rows_of_the_first_seed(suite: content.PageSuite, made: Any) -> None:
    results = made[0].results
    drawn = charts(suite, "Figure 8")
    deep = [cell for cell in results.cells if cell.steps]
    assert len(drawn) == len(deep) == 5
    for chart, cell in zip(drawn, deep, strict=True):
        rows = results.store.rows(cell.runs[0].key, "test")
        assert len(chart.data) == 6
        for curve in chart.data:
            user = int(curve["name"].removeprefix("user number "))
            assert curve["y"] in rows.step_ranks[rows.users == user].tolist()
        assert chart.layout["yaxis"]["autorange"] == "reversed"


def test_states_are_on_their_principal_components(suite: content.PageSuite, made: Any) -> None:
    results = made[0].results
    chart = charts(suite, "Figure 10")[0]
    states = results.store.read(results.cells[1].runs[0].key).test.traces.states
    flat = states.reshape(-1, states.shape[-1]).astype(np.float64)
    _, axes = np.linalg.eigh(np.cov(flat.T))
    expected = ((states - flat.mean(axis=0)) @ axes[:, ::-1][:, :2]).transpose(1, 0, 2)  # (K + 1, T, 2)
    for k, trace in enumerate(chart.data):
        assert np.abs(trace["x"]) == pytest.approx(np.abs(expected[k, :, 0]), rel=1e-3, abs=1e-4)
        assert np.abs(trace["y"]) == pytest.approx(np.abs(expected[k, :, 1]), rel=1e-3, abs=1e-4)


def test_many_states_are_thinned_and_the_chart_says_so(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    context = made[0]
    read = context.results.store.read
    draw = np.random.default_rng(1)

    def with_many(key: str) -> Any:
        held = read(key)
        traces = Traces(
            np.arange(300, dtype=np.int32),
            draw.normal(size=(300, held.spec.steps + 1, 4)).astype(np.float32),
            np.zeros((300, held.spec.steps + 1, 10), np.int32),
        )
        return replace(held, test=replace(held.test, traces=traces))

    monkeypatch.setattr(context.results.store, "read", with_many)
    chart = charts_of("States", FIGURES["fig10_states"].panels(context))[0]
    assert len(chart.data[0]["x"]) == POINTS and f"Here {POINTS} of 300." in chart.about


def test_the_case_is_the_row_that_climbs_furthest(suite: content.PageSuite, made: Any) -> None:
    results, case = made[0].results, suite.case
    run = results.cells[-1].runs[0]
    test = results.store.read(run.key).test
    climbs = [np.log(test.rows.step_ranks[row][0] / test.rows.step_ranks[row][-1]) for row in test.traces.rows]
    at = int(np.argmax(climbs))
    row = int(test.traces.rows[at])
    assert case.row == "tiny SASRec PRL[decay=2] (K=2)" and case.user == f"user number {test.rows.users[row]}"
    assert [step.rank for step in case.steps] == test.rows.step_ranks[row].tolist()
    for step, ids in zip(case.steps, test.traces.top_items[at], strict=True):
        assert step.title.startswith(f"Title {ids[0]} ") and step.hit == (ids[0] == test.rows.items[row])
    assert case.target.startswith(f"Title {test.rows.items[row]} ")
    assert [title.split()[1] for title in case.history] == [str(item) for item in range(row + 1)][-5:]


def test_every_chart_is_drawn_in_light_and_dark_and_titles_are_text(
    open_page: Any, page: str, suite: content.PageSuite
) -> None:
    tab = open_page(page)
    tab.evaluate("document.querySelectorAll('details.figure').forEach(one => { one.open = true; })")
    count = sum(len(figure.charts) for figure in suite.figures)
    places = tab.locator(".charts .chart")
    assert places.count() == count
    for place in range(count):
        places.nth(place).scroll_into_view_if_needed()
        places.nth(place).locator(".main-svg").first.wait_for(state="attached")
    assert tab.locator(".charts .js-plotly-plot").count() == count
    assert HOSTILE[:30] in tab.locator("details.case").text_content()
    stroke = "document.querySelector('[aria-label^=\"Number of steps\"] .scatterlayer path.js-line').style.stroke"
    assert tab.evaluate(stroke) == tab.evaluate("getComputedStyle(document.body).color") == "rgb(27, 27, 27)"
    tab.locator("#theme").click()
    for _ in range(100):
        if tab.evaluate(stroke) != "rgb(27, 27, 27)":
            break
        tab.wait_for_timeout(50)
    assert tab.evaluate(stroke) == "rgb(232, 232, 230)"


def rows(tab: Any) -> list[str]:
    return tab.eval_on_selector_all("#s0-trials tbody tr", "rows => rows.map(row => row.cells[0].textContent)")


def test_a_long_list_is_shown_in_pages(open_page: Any, long_page: str) -> None:
    tab = open_page(long_page)
    pager, section = tab.locator("#s0-trials .pager"), tab.locator("#s0-trials")
    first = rows(tab)
    assert len(first) == 100 and "lines 1 to 100 of 250" in pager.text_content()
    assert pager.locator("[data-go=back]").get_attribute("aria-disabled") == "true"
    pager.locator("[data-go=on]").focus()
    tab.keyboard.press("Enter")
    second = rows(tab)
    assert len(second) == 100 and not set(first) & set(second)
    assert "lines 101 to 200 of 250" in section.locator(".said").text_content()
    assert tab.evaluate("document.activeElement.dataset.go") == "on"
    pager.locator("[data-go=last]").click()
    third = rows(tab)
    assert len(third) == 50 and third[-1] == f"{249:08x}" and len({*first, *second, *third}) == 250
    pager.locator("[data-go=on]").dispatch_event("click")
    assert rows(tab) == third
    pager.locator("[data-go=first]").click()
    assert rows(tab) == first


def test_filter_and_sort_go_over_all_pages(open_page: Any, long_page: str) -> None:
    tab = open_page(long_page)
    tab.locator("#s0-trials [data-go=last]").click()
    tab.locator("#s0-trials .filter").fill("failed")
    assert rows(tab) == [f"{248:08x}"] and tab.locator("#s0-trials .pager").is_hidden()
    assert tab.locator("#s0-trials .said").text_content() == "1 of 250 lines"
    tab.locator("#s0-trials .filter").fill("final")
    test_head = tab.locator("#s0-trials thead th").nth(9).locator("button")
    test_head.click()
    assert rows(tab)[:2] == [f"{249:08x}", f"{248:08x}"]
    assert "lines 1 to 100 of" in tab.locator("#s0-trials .said").text_content()
    tab.locator("#s0-trials .filter").fill("")
    assert rows(tab)[0] == f"{249:08x}", "the order stays"
    test_head.click()
    assert len(rows(tab)) == 100 and f"{249:08x}" not in rows(tab)
    tab.locator("#s0-trials [data-go=last]").click()
    empty = tab.eval_on_selector_all(
        "#s0-trials tbody tr", "rows => rows.filter(row => !row.cells[9].textContent).length"
    )
    assert empty > 0, "lines without a number come last"
    tab.locator("#s0-trials .reset").click()
    assert len(rows(tab)) == 100 and "lines 1 to 100 of 250" in tab.locator("#s0-trials .said").text_content()


def test_details_come_from_any_page(open_page: Any, long_page: str) -> None:
    tab = open_page(long_page)
    tab.locator("#s0-trials [data-go=last]").click()
    tab.locator("#s0-trials tbody button.key").last.click()
    tab.wait_for_selector("#detail details")
    assert f"trial {249:08x}" in tab.locator("#detail-title").text_content()
    assert "rearec-bench rerun" in tab.locator("#detail").text_content()


def test_curves_of_trials_have_their_rows_colour_and_looks_of_their_own(open_page: Any, page: str) -> None:
    tab = open_page(page)
    tab.locator("#s0-overall tbody tr", has_text="+ERL (K=2)").locator("button.number").first.click()
    tab.wait_for_selector("#detail .scatterlayer path.js-line", state="attached")
    looks = "ones => ones.map(one => [one.style.stroke, one.style.strokeDasharray])"
    curves = tab.eval_on_selector_all("#detail .scatterlayer path.js-line", looks)
    assert {colour for colour, _ in curves} == {"rgb(230, 159, 0)"}
    assert len(curves) == len({dash for _, dash in curves}) == 3


@pytest.mark.parametrize(
    ("settings", "ticks", "angle"),
    [
        ({"kind": ["one", "two"]}, ["one", "two"], 0),
        ({"kind": ["a_very_long_value_of_a_setting", "b"]}, ["a_very…tting", "b"], 0),
        ({"kind": ["a_long_word", "b"], "other": ["c", "d"], "third": [1, 2]}, ["a_long_word", "b"], 0),
        (
            {"kind": ["a_long_word", "b_long_word"], "other": [3, 4], "third": [1, 2]},
            ["a_long_word", "b_long_word"],
            90,
        ),
        ({"flag": [True, False]}, ["True", "False"], 0),
    ],
)
def test_words_below_a_search_stand_upright_where_they_have_no_room(
    settings: dict[str, list[Any]], ticks: list[str], angle: int, tmp_path: Path, synthetic: ModuleType
) -> None:
    specs = [
        synthetic.spec(purpose="search", settings=dict(zip(settings, values, strict=True)))
        for values in zip(*settings.values(), strict=True)
    ]
    store = Store(tmp_path)
    for spec in specs:
        store.write(synthetic.trial(spec))
    chart = search_chart("s", [(store.summary(spec.key), False) for spec in specs], "ndcg@20")
    assert (chart.layout["xaxis"]["ticktext"], chart.layout["xaxis"]["tickangle"]) == (ticks, angle)
    assert chart.layout["xaxis"]["tickvals"] == list(range(len(ticks)))
    assert chart.layout["yaxis"]["range"] == pytest.approx([0, 2 * chart.data[0]["y"][0]])


def test_names_of_settings_side_by_side_take_several_lines(tmp_path: Path, synthetic: ModuleType) -> None:
    store, summaries = Store(tmp_path), []
    for number, (rate, temperature) in enumerate([(0.2, 0.3), (0.5, 1.0)]):
        settings = {"dropout": rate, "score_temperature": temperature}
        spec = replace(synthetic.spec(purpose="search"), backbone=Component("sasrec", settings, 1))
        store.write(synthetic.trial(spec, draw=number))
        summaries.append(store.summary(spec.key))
    chart = search_chart("s", [(summary, False) for summary in summaries], "ndcg@20")
    titles = [axis["title"] for name, axis in chart.layout.items() if name.startswith("xaxis")]
    assert titles == ["backbone.<br>dropout", "backbone.<br>score_<br>temperature"]


def test_a_setting_that_trials_leave_out_at_its_default_stands_beside_the_others(
    tmp_path: Path, synthetic: ModuleType
) -> None:
    store, scores = Store(tmp_path), []
    for number, given in enumerate([{"step_dropout": 0.1}, {}, {"step_dropout": 0.2}]):
        spec = replace(synthetic.spec(purpose="search"), backbone=Component("sasrec", given, 1))
        store.write(synthetic.trial(spec, draw=number))
        scores.append(store.summary(spec.key))
    chart = search_chart("s", [(summary, False) for summary in scores], "ndcg@20")
    assert chart.data[0]["name"] == "backbone.step_dropout"
    assert chart.data[0]["x"] == chart.layout["xaxis"]["categoryarray"] == ["0.1", "None", "0.2"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 360])
def test_axe_finds_nothing(open_page: Any, long_page: str, scheme: str, width: int) -> None:
    from axe_playwright_python.sync_playwright import Axe

    tab = open_page(long_page, color_scheme=scheme, viewport={"width": width, "height": 800})
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    tab.locator(".charts .chart").first.scroll_into_view_if_needed()
    tab.wait_for_selector(".charts .main-svg", state="attached")
    assert findings(Axe().run(tab)) == []
    tab.locator("#s0-overall button.number").first.click()
    tab.wait_for_selector("#detail details")
    tab.locator("#detail summary").first.click()
    assert findings(Axe().run(tab, context="#detail")) == []


def findings(results: Any) -> list[tuple[str, str, str]]:
    assert results.response["passes"], "axe has run"
    return [
        (found["id"], found["impact"], node["html"][:200])
        for found in results.response["violations"]
        for node in found["nodes"][:3]
    ]
