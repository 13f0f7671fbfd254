"""The page's top, frame and tables: facts, forest plot, best rows, contents, columns, 360 pixels, print."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from matplotlib import rc_context

from rearec_bench.harness.analysis.resultset import ResultSet, collect
from rearec_bench.harness.records.profile import Profile
from rearec_bench.harness.report.figures.context import FigureContext
from rearec_bench.harness.report.figures.panel import Gain, Panel, Standing
from rearec_bench.harness.report.figures.printed import printed
from rearec_bench.harness.report.figures.style import STYLE
from rearec_bench.harness.report.html import content
from rearec_bench.harness.report.html.chart import charts_of
from rearec_bench.harness.report.html.forest import forest_of, ticks_of
from rearec_bench.harness.report.html.page import TRIAL_COLUMNS, render_page
from rearec_bench.harness.report.html.summary import best_rows, facts_of
from rearec_bench.harness.report.html.tables import page_table
from rearec_bench.harness.report.tables.datasets import Cards, datasets
from rearec_bench.harness.report.tables.registry import DATA_TABLES, TABLES
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.utils.errors import DatasetError

from .pages import page_suite
from .sized import cells_of, sized_context


def unprepared(name: str) -> Any:
    """No data set is there."""
    raise DatasetError(f"{name} is not prepared")


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory, synthetic: ModuleType) -> content.PageSuite:
    store, cells = Store(tmp_path_factory.mktemp("top")), synthetic.cells_of_figures()
    index = synthetic.fill(store, cells, search=3)
    context = FigureContext(collect("s", cells, index, store=store), unprepared, unprepared)
    return page_suite(context, cells, index, TABLES)


@pytest.fixture(scope="module")
def page(suite: content.PageSuite) -> str:
    return render_page([suite, replace(suite, name="t")], title="A report")


def test_ticks_are_round_and_within() -> None:
    assert ticks_of(-2.3, 11.4) == [0, 5, 10]
    assert ticks_of(-0.013, 0.021) == [-0.01, 0, 0.01, 0.02]
    assert ticks_of(2, 8) == [2, 3, 4, 5, 6, 7, 8]


def test_the_forest_has_the_places_of_gains_and_keeps_intervals_within() -> None:
    gains = [Gain("ERL", 5.0, (0.0, 10.0), (-50.0, 12.5), clear=True, place=1), Gain("PRL", -5.0, None, None, False, 2)]
    forest = forest_of([Panel("tiny\nSASRec", "about", x="axis", gains=gains, limits=(-10.0, 10.0))])
    ((title, (erl, prl)),) = forest.groups
    assert title == "tiny · SASRec" and forest.zero == 50.0
    assert (erl.at, erl.users, erl.seeds) == (75.0, (50.0, 100.0), (0.0, 100.0))
    assert (erl.words, erl.span) == ("+5.0%", "[0.0, +10.0]")
    assert (prl.at, prl.users, prl.seeds, prl.span) == (25.0, None, None, "")
    assert (erl.beyond, prl.beyond, forest.beyond) == ((0, 100), (), True)


def test_an_interval_that_goes_on_beyond_the_axis_has_an_arrow_in_print() -> None:
    gains = [Gain("ERL", 5.0, None, (-50.0, 12.5), clear=True), Gain("PRL", -5.0, None, (-9.0, 12.5), clear=False)]
    panel = Panel("tiny\nSASRec", "", x="axis", gains=gains, labels=["ERL", "PRL"], limits=(-10.0, 10.0))
    with rc_context(STYLE):
        (figure,) = printed([panel])
    arrows = [(line.get_marker(), *line.get_xdata(), *line.get_ydata()) for line in figure.axes[0].lines]
    assert [arrow for arrow in arrows if arrow[0] in ("<", ">")] == [("<", -10, 0), (">", 10, 0), (">", 10, 1)]


def test_ranks_on_the_page_have_whole_ticks() -> None:
    standings = [Standing(f"row {rank}", rank, (1.0, 2.0), (0,)) for rank in (1.0, 2.0)]
    (chart,) = charts_of("Ranks", [Panel("tiny\nSASRec", "", x="rank", standings=standings)])
    assert (chart.layout["xaxis"]["tick0"], chart.layout["xaxis"]["dtick"]) == (1, 1)


def test_an_equal_budget_is_said_once(tmp_path: Path, synthetic: ModuleType) -> None:
    results = synthetic.results_of(Store(tmp_path), ("erl", 2), ("prl", 2), search=2)
    (budget,) = [fact.words for fact in facts_of(results) if fact.name == "Budget"]
    assert budget.startswith("search trials: 2") and " a row; " in budget and "ERL" not in budget


def test_facts_speak_against_what_is_unfair_or_missing(tmp_path: Path, synthetic: ModuleType) -> None:
    whole = synthetic.results_of(Store(tmp_path / "a"), ("base", 0), ("erl", 2), search=2)
    facts = {fact.name: fact for fact in facts_of(whole)}
    assert list(facts) == ["Compared", "On", "Budget", "Seeds", "Converged"]
    assert facts["Budget"].tone == "bad" and "unequal in 1 of 2 rows" in facts["Budget"].words
    assert facts["Seeds"].tone == "good" and "all 6 final runs are done" in facts["Seeds"].words
    assert facts["Converged"].tone == "bad" and "6 of 6 final runs and 2 of 2 search trials" in facts["Converged"].words
    missing = [("tiny-sasrec-erl-2", 1)]
    partial = synthetic.results_of(Store(tmp_path / "b"), ("base", 0), ("erl", 2), missing=missing, search=0)
    facts = {fact.name: fact for fact in facts_of(partial)}
    assert facts["Seeds"].tone == "bad" and "5 of 6 final runs are done" in facts["Seeds"].words
    apart = replace(whole, cells=(whole.cells[0], replace(whole.cells[1], seeds=(1, 2), runs=whole.cells[1].runs[:2])))
    (seeds,) = [fact for fact in facts_of(apart) if fact.name == "Seeds"]
    assert seeds.words.startswith("2 or 3 a row, until decided; ") and seeds.tone == "good"
    nothing = replace(whole, cells=tuple(replace(cell, runs=()) for cell in whole.cells))
    assert [fact.tone for fact in facts_of(nothing) if fact.name == "Converged"] == ["bad"]
    assert facts["Budget"].tone == "good"


def test_the_best_row_has_all_its_runs_and_the_highest_mean(tmp_path: Path, synthetic: ModuleType) -> None:
    rows = ("base", 0), ("erl", 2), ("prl", 2)
    results: ResultSet = synthetic.results_of(Store(tmp_path / "a"), *rows)
    means = {cell.strategy: cell.stats["ndcg@20"].mean or 0.0 for cell in results.cells}
    first, second, _ = sorted(means, key=means.__getitem__, reverse=True)
    (best,) = best_rows(results)
    assert best.name.lower().startswith(first) and best.mean == means[first] and best.share == 1.0
    assert best.next.lower().startswith(second)
    assert f"{100 * (means[second] / means[first] - 1):+.1f}%" in best.next
    cut = [(f"tiny-sasrec-{first}-{0 if first == 'base' else 2}", 1)]
    (other,) = best_rows(synthetic.results_of(Store(tmp_path / "b"), *rows, missing=cut))
    assert not other.name.lower().startswith(first), "a row that lacks a run takes no part"


def test_rows_that_are_equal_but_for_rounding_are_said_to_be(tmp_path: Path, synthetic: ModuleType) -> None:
    cells = (synthetic.cell("base", 0), synthetic.cell("naive", 0), synthetic.cell("erl", 0))
    results = synthetic.results_of(Store(tmp_path), *cells)
    value = results.cells[0].stats["ndcg@20"].mean
    means = (value, value * (1 + 1e-15), value / 2)
    equal = [
        replace(cell, stats={name: replace(stat, mean=mean) for name, stat in cell.stats.items()})
        for cell, mean in zip(results.cells, means, strict=True)
    ]
    (best,) = best_rows(replace(results, cells=tuple(equal)))
    assert (best.name, best.next) == ("Base", "Naive, equal")
    (_, naive, gains, *_) = page_table(TABLES["overall"](replace(results, cells=tuple(equal))), {}, {}).groups[0][1]
    assert [cell.look for cell in naive.cells[:4]] == ["best"] * 4
    assert {(cell.words, cell.look) for cell in gains.cells} == {("0.00%", "")}


def test_tables_have_one_column_of_names_and_gains_on_a_scale(tmp_path: Path, synthetic: ModuleType) -> None:
    results = synthetic.results_of(Store(tmp_path), ("base", 0), ("erl", 2))
    erl = next(cell for cell in results.cells if cell.strategy == "erl")
    shown = page_table(TABLES["overall"](results), {erl.place: [4, 5]}, {"erl": 1})
    ((title, lines),) = shown.groups
    assert title == "tiny" and [line.label for line in lines] == ["Base", "+ERL", "(Improv.)"]
    assert lines[1].colour == 1 and {cell.trials for cell in lines[1].cells[:4]} == {"4 5"}
    assert lines[2].look == "gains" and not lines[1].look
    for cell in lines[2].cells:
        assert cell.sort and (("up" in cell.look) == (cell.sort > 0)) and 0 < (cell.heat or 0) <= 1


def current(tab: Any) -> list[str]:
    return tab.eval_on_selector_all("#contents [aria-current]", "links => links.map(link => link.hash)")


def test_the_contents_follow_and_open_the_suite_one_is_in(open_page: Any, page: str) -> None:
    tab = open_page(page)
    assert current(tab) == ["#s0"] and not tab.locator("#contents a[href='#s1-trials']").is_visible()
    for part in ("s0-best", "s0-overall", "s1-gains"):
        tab.evaluate("part => document.getElementById(part).scrollIntoView()", part)
        there = "part => document.querySelector('#contents [aria-current]').hash === `#${part}`"
        tab.wait_for_function(there, arg=part)
        assert len(current(tab)) == 1
    assert tab.locator("#contents a[href='#s1-trials']").is_visible()


HEADS = """cells => cells.map(cell => getComputedStyle(cell, '::before'))
    .map(style => style.display === 'none' ? '' : style.content.slice(1, -1))"""


def test_tables_and_the_page_fit_360_pixels(open_page: Any, page: str) -> None:
    tab = open_page(page, viewport={"width": 360, "height": 800})
    named = ("overall", "ceiling", "ranks", "significance", "adaptive", "budget")
    for place in (*(f"#s0-{name} .scroll" for name in named), "#s0-best + p + .scroll", "html"):
        widths = tab.eval_on_selector(place, "one => [one.scrollWidth, one.clientWidth]")
        assert widths[0] <= widths[1], place
    said = tab.eval_on_selector_all("#s0-significance tbody td", HEADS)[:6]
    assert said == ["Change", "Percent", "Over users: 95%", "p (Holm)", "d", "Over users: Detectable"]
    assert not tab.locator("#contents").get_attribute("open")
    tab.locator("#contents summary").click()
    tab.locator("#contents a[href='#s0-best']").click()
    assert tab.locator("#contents").get_attribute("open") is None


def test_24_rows_with_long_names_fit_360_pixels(
    open_page: Any, tmp_path: Path, synthetic: ModuleType, made_profile: Profile
) -> None:
    store, cells = Store(tmp_path), cells_of(24, synthetic)
    index = synthetic.fill(store, cells)
    context = sized_context(collect("s", cells, index, store=store), synthetic, made_profile)
    tables = {name: TABLES[name] for name in ("overall", "ablation", "steps", "sensitivity", "ceiling", "ranks")}
    tables |= {name: partial(make, load=context.load) for name, make in DATA_TABLES.items()}
    tables["datasets"] = lambda results: datasets(Cards({}, missing=("yelp",), everything=False))
    tab = open_page(
        render_page([page_suite(context, cells, index, tables)], title="T"), viewport={"width": 360, "height": 800}
    )
    for place in (*(f"#s0-{name} .scroll" for name in tables), "#s0-best + p + .scroll", "#s0-trials .scroll", "html"):
        widths = tab.eval_on_selector(place, "one => [one.scrollWidth, one.clientWidth]")
        assert widths[0] <= widths[1], place
    cut = """ones => ones.map(one => one.getBoundingClientRect()).filter(box => box.right > innerWidth).length"""
    assert tab.eval_on_selector_all(".facts dd, .strategy, .forest :is(th, td), figcaption strong", cut) == 0
    groups = [f"{kind}-{number}" for kind in ("UG", "IG") for number in range(4)]
    for of, wanted in (
        ("groups tr:has(+ .gains)", groups),
        ("groups .gains", [""] * 8),
        ("datasets", ["Users", "Items"]),
    ):
        assert tab.eval_on_selector_all(f"#s0-{of} td", HEADS)[: len(wanted)] == wanted
    left = "cells => cells.slice(0, 8).map(cell => cell.getBoundingClientRect().left)"
    values, gains = (tab.eval_on_selector_all(f"#s0-groups {row} > td", left) for row in ("tr:has(+ .gains)", ".gains"))
    assert values == gains and len(set(values)) == 4, "gains stand below what they are of"


def test_columns_are_chosen_and_hidden_ones_are_counted(open_page: Any, page: str) -> None:
    tab = open_page(page)
    trials = tab.locator("#s0-trials")
    trials.locator(".columns summary").click()
    trials.locator(".columns label", has_text="Backbone").click()
    shown = trials.locator("thead th:visible").all_inner_texts()
    assert shown == [column for column in TRIAL_COLUMNS if column != "Backbone"]
    assert trials.locator("tbody tr").first.locator("td:visible").count() == len(TRIAL_COLUMNS) - 2
    assert trials.locator(".kept").inner_text() == f"({len(shown)} of {len(TRIAL_COLUMNS)})"
    tab.locator("#s0-best").click()
    assert trials.locator(".columns").get_attribute("open") is None


def test_lines_keep_their_headings_until_they_are_sorted(open_page: Any, page: str) -> None:
    tab = open_page(page)
    table = tab.locator("#s0-significance")
    groups = table.locator("tr.group").count()
    assert groups == 5
    table.locator(".filter").fill("no_kl N@20")
    assert table.locator("tr.group").count() == 1 and table.locator("tbody tr").count() == 2
    table.locator(".filter").fill("")
    table.locator("thead tr:last-child button").nth(1).click()
    assert table.locator("tr.group").count() == 0
    assert "ERL (K=2)" in table.locator("tbody th").first.inner_text() or table.locator(".where:visible").count() > 0
    table.locator(".reset").click()
    assert table.locator("tr.group").count() == groups and not table.locator(".reset").is_visible()


def test_a_legend_lies_above_what_is_drawn(open_page: Any, page: str) -> None:
    tab = open_page(page, viewport={"width": 390, "height": 844})
    chart = tab.locator("details.figure", has_text="Ceiling").locator(".chart").first
    chart.scroll_into_view_if_needed()
    chart.locator(".legend").wait_for()
    tab.wait_for_timeout(500)
    legend = chart.locator(".legend").bounding_box()
    bars = chart.locator(".cartesianlayer").bounding_box()
    assert legend["y"] + legend["height"] <= bars["y"]


def test_print_draws_every_chart_and_opens_what_is_folded(open_page: Any, page: str) -> None:
    tab = open_page(page, color_scheme="dark")
    tab.evaluate(
        """() => { window.print = () => { window.printed = [
            document.querySelectorAll('.charts .chart:not(.js-plotly-plot)').length,
            document.querySelectorAll('main details:not([open], .columns)').length,
            document.documentElement.dataset.theme]; }; }"""
    )
    tab.locator("#print").click()
    tab.wait_for_function("() => window.printed", timeout=60_000)
    assert tab.evaluate("window.printed") == [0, 0, "light"]
    assert tab.evaluate("document.documentElement.dataset.theme") == "dark"
    assert tab.locator("#s0-verdicts").get_attribute("open") is None
