"""Words of figures: none over another, none outside, with few rows and with many; and one scale where rows compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.text import Text

from rearec_bench.harness.records.profile import Profile
from rearec_bench.harness.report.figures.case_study import case_figure, case_of
from rearec_bench.harness.report.figures.colours import COLOURS, colour_of
from rearec_bench.harness.report.figures.context import FigureContext, MissingData
from rearec_bench.harness.report.figures.panel import MOST_LINES, Panel, Series
from rearec_bench.harness.report.figures.printed import printed
from rearec_bench.harness.report.figures.registry import CASE, FIGURES, NAMES
from rearec_bench.harness.report.figures.style import STYLE
from rearec_bench.harness.report.figures.text import Fonts, apart, broken, cells, fonts_for, inches, shortened
from rearec_bench.harness.store.store import Store

from .sized import SIZES, sized_context, sized_results

Contexts = Callable[[int], FigureContext]
LACKING = {2: {"fig5_steps", "fig6_sensitivity", "fig7_ablation"}}
"""Figures that a suite of two rows does not fill."""


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory, synthetic: ModuleType, made_profile: Profile) -> Contexts:
    made: dict[int, FigureContext] = {}

    def of(rows: int) -> FigureContext:
        if rows not in made:
            results = sized_results(rows, Store(tmp_path_factory.mktemp(f"rows{rows}")), synthetic)
            made[rows] = sized_context(results, synthetic, made_profile)
        return made[rows]

    return of


@pytest.fixture(autouse=True)
def style() -> Iterator[None]:
    with rc_context(STYLE):
        yield


def pages_of(name: str, context: FigureContext) -> list[Figure]:
    return [case_figure(context)] if name == CASE else printed(FIGURES[name].panels(context))


def texts(figure: Figure) -> list[tuple[str, Any]]:
    """Every visible text of a figure with its box, in pixels."""
    figure.draw_without_rendering()
    shown = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    ticks = {
        id(tick.label1) for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for tick in axis.get_major_ticks()
    }
    inside = {
        id(tick.label1)
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in axis.get_major_ticks()
        if min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    }
    drawn = [text for text in shown if id(text) not in ticks or id(text) in inside]
    return [(text.get_text(), Text.get_window_extent(text)) for text in drawn]  # an annotation without its line


def assert_legible(figure: Figure) -> None:
    """No text is over another or leaves the figure, none is mathematics, and the legend is below all axes."""
    found = texts(figure)
    assert found
    whole = figure.bbox
    for words, box in found:
        assert "$" not in words and "mathdefault" not in words
        assert box.x0 >= whole.x0 - 1 and box.x1 <= whole.x1 + 1, f"{words!r} leaves the figure at a side"
        assert box.y0 >= whole.y0 - 1 and box.y1 <= whole.y1 + 1, f"{words!r} leaves the figure"
    for at, (words, box) in enumerate(found):
        for other, beside in found[at + 1 :]:
            across = min(box.x1, beside.x1) - max(box.x0, beside.x0)
            down = min(box.y1, beside.y1) - max(box.y0, beside.y0)
            assert across <= 1 or down <= 1, f"{words!r} is over {other!r}"
    for legend in figure.legends:
        box = legend.get_window_extent()
        assert all(box.y1 <= axes.get_window_extent().y0 for axes in figure.axes)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rows", [2, 6, pytest.param(24, marks=pytest.mark.slow)])
def test_no_word_is_over_another_and_none_is_cut(rows: int, name: str, contexts: Contexts) -> None:
    if name in LACKING.get(rows, ()):
        with pytest.raises(MissingData):
            pages_of(name, contexts(rows))
        return
    for page in pages_of(name, contexts(rows)):
        assert_legible(page)


def test_the_sizes_are_those_that_are_drawn(contexts: Contexts) -> None:
    assert [len(contexts(rows).results.cells) for rows in SIZES] == list(SIZES)


@pytest.mark.parametrize("name", ["fig2_ceiling", "fig4_groups", "fig5_steps", "pareto", "fig10_states"])
def test_a_legend_names_every_series(name: str, contexts: Contexts) -> None:
    panels = FIGURES[name].panels(contexts(6))
    named: set[str] = set()
    for page in printed(panels):
        (legend,) = page.legends
        named |= {text.get_text() for text in legend.get_texts()}
        named |= {axes.get_title().partition("\n")[2] for axes in page.axes}
        assert page.get_figheight() <= 9.3
    assert named >= {series.name for panel in panels for series in panel.series}


def lines(count: int, *, title: str = "d\nb") -> Panel:
    shown = [Series("line", f"row {place}", [place, place + 1], place, (1, 2)) for place in range(count)]
    return Panel(title, "", shown, "K", "y", scale="d")


def test_up_to_eight_series_share_axes_in_colours_of_their_own() -> None:
    (page,) = printed([lines(MOST_LINES)])
    (axes,) = page.axes
    assert len({line.get_color() for line in axes.get_lines()}) == MOST_LINES == 8


def test_strategies_of_one_colour_have_axes_of_their_own_and_rows_of_a_sweep_share_them() -> None:
    panel = lines(2)
    repeated = 3 + len(COLOURS) - 3
    assert colour_of(repeated) == colour_of(3)
    names = (("a", 3, 0), ("b[x=1]", repeated, 0), ("b[x=2]", repeated, 1))
    rows = [replace(panel.series[0], name=name, place=place, variant=number) for name, place, number in names]
    (page,) = printed([replace(panel, series=rows)])
    assert [axes.get_title() for axes in page.axes] == ["d b\na", "d b\nb"]
    looks = [(line.get_color(), line.get_marker(), line.get_linestyle()) for line in page.axes[1].get_lines()]
    assert len(set(looks)) == 3 and [colour for colour, *_ in looks].count(colour_of(3)) == 2


def test_more_series_have_axes_of_their_own_with_the_others_behind() -> None:
    count = MOST_LINES + 1
    (page,) = printed([lines(count)])
    shown = [axes for axes in page.axes if axes.get_title()]
    assert [axes.get_title() for axes in shown] == [f"d b\nrow {place}" for place in range(count)]
    assert len({axes.get_ylim() for axes in shown}) == 1
    for place, axes in enumerate(shown):
        (own,) = (line for line in axes.get_lines() if line.get_color() == COLOURS[place % len(COLOURS)])
        assert list(own.get_ydata()) == [place, place + 1]
    (legend,) = page.legends
    assert [text.get_text() for text in legend.get_texts()] == ["others"]


def test_users_and_items_of_a_row_stand_side_by_side(contexts: Contexts) -> None:
    for page in pages_of("fig4_groups", contexts(6)):
        titles = [" ".join(axes.get_title().split()) for axes in page.axes if axes.get_title()]
        places = [axes.get_position().y0 for axes in page.axes if axes.get_title()]
        pairs = zip(titles[::2], titles[1::2], places[::2], places[1::2], strict=True)
        for users, items, first, second in pairs:
            assert users.removesuffix("users") == items.removesuffix("items") and first == pytest.approx(second)


def test_panels_of_a_scale_have_one_axis_on_all_pages() -> None:
    panels = [lines(1), lines(6)] * 8
    pages = printed([*panels, Panel("e\nb", "", lines(8).series, "K", "y", scale="e")])
    limits = [axes.get_ylim() for page in pages for axes in page.axes if axes.get_title()]
    assert len(pages) > 1
    assert len(set(limits[:-1])) == 1 and limits[-1] != limits[0]


def test_a_sweep_is_a_line_for_each_k(synthetic: ModuleType, tmp_path: Any) -> None:
    cells = [synthetic.cell("base", 0)]
    cells += [synthetic.cell("prl", steps, row=f"prl[decay={decay}]") for decay in (1, 2) for steps in (1, 2)]
    results = synthetic.results_of(Store(tmp_path), *cells)
    (panel,) = FIGURES["fig6_sensitivity"].panels(FigureContext(results, pytest.fail, pytest.fail))  # type: ignore[arg-type]
    assert list(panel.labels) == ["1", "2"]
    means = {(cell.strategy, cell.steps): cell.stats["ndcg@20"].mean for cell in results.cells}
    assert [(series.name, list(series.y)) for series in panel.series] == [
        ("K=1", [means["prl[decay=1]", 1], means["prl[decay=2]", 1]]),
        ("K=2", [means["prl[decay=1]", 2], means["prl[decay=2]", 2]]),
        ("Base", [means["base", 0]]),
    ]
    (page,) = printed([panel])
    points = {tuple(line.get_xdata()) for line in page.axes[0].get_lines() if line.get_marker() not in ("", "None")}
    assert (0, 1) in {tuple(point) for point in points} and all(len(point) < 4 for point in points)


def test_words_that_are_too_wide_lose_their_middle() -> None:
    name = "prl_without_contrastive_learning_and_noise"
    short = shortened(name, 1.2, 7)
    assert inches(short, 7) <= 1.2 < inches(name, 7)
    assert short.startswith("prl_with") and short.endswith("noise") and "…" in short
    assert shortened("PRL K=2", 1.2, 7) == "PRL K=2"
    assert broken("SASRec PRL (K=2)", 0.6, 8, lines=2) == "SASRec\nPRL (K=2)"
    assert all(inches(line, 8) <= 1.2 for line in broken(name, 1.2, 8, lines=3).split("\n"))


def test_names_are_moved_apart_no_further_than_needed() -> None:
    assert apart([0.1, 0.5, 0.52], 0.1) == pytest.approx([0.1, 0.5, 0.6])
    assert apart([0.95, 1.0], 0.1) == pytest.approx([0.9, 1.0])
    assert apart([0.02, 0.0], 0.1) == pytest.approx([0.1, 0.0])
    assert apart([], 0.1) == []


def test_signs_that_no_font_has_are_said_without_a_warning(
    contexts: Contexts, synthetic: ModuleType, made_profile: Profile, recwarn: pytest.WarningsRecorder
) -> None:
    results = contexts(2).results
    page = case_figure(sized_context(results, synthetic, made_profile, title="\U000f1234 one, e\u0301"))
    assert_legible(page)
    (text,) = page.texts
    assert "? one, e" in text.get_text() and "? is one of 1 character that no installed font has" in text.get_text()
    assert not recwarn.list


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("\u5bb6" * 200, "\u5bb6" * 28 + "..."),
        ("A " + "\uac00" * 200, "A " + "\uac00" * 27 + "..."),
        ("\u03b1\u03b2 " * 100, "\u03b1\u03b2 " * 18 + "\u03b1\u03b2..."),
        ("word " * 11 + "a_long_word_at_the_end", "word " * 10 + "word..."),
        ("\u0643\u062a\u0627\u0628", "\u0643\u062a\u0627\u0628"),
        ("\U0001f4da book", "\U0001f4da book"),
        ("\u202etitle\tof  a\u200b book\r\n", "\\u202etitle of a\\u200b book"),
        (" \u3000 ", "5"),
    ],
    ids=ascii,
)
def test_titles_of_any_script_are_as_wide_as_sixty_letters_at_most(
    title: str, shown: str, contexts: Contexts, synthetic: ModuleType, made_profile: Profile
) -> None:
    case = case_of(sized_context(contexts(2).results, synthetic, made_profile, title=title))
    titles = {case.target, *case.history, *(step.title for step in case.steps)}
    assert titles == {shown} or (shown == "5" and all(map(str.isdigit, titles)))
    assert cells(case.target) <= 60


@pytest.mark.parametrize("panel", [lines(2, title="d\U000f1234\nb"), lines(9, title="d\U000f1234\nb")])
def test_panels_say_which_signs_no_font_has(panel: Panel, recwarn: pytest.WarningsRecorder) -> None:
    first, *others = panel.series
    named = replace(first, name="user \u4e66\U000f1234")
    for page in printed([replace(panel, series=[named, *others])]):
        assert_legible(page)
        assert "that no installed font has" in page.get_suptitle().replace("\n", " ")
        assert any("d?" in axes.get_title() for axes in page.axes)
        assert page.get_figheight() <= 9.5
    assert not recwarn.list


def test_a_second_font_has_what_the_first_lacks() -> None:
    fonts = fonts_for("a\u2135\U000f1234", "monospace")
    assert fonts.families[0] == "monospace" and fonts.lacking == {0xF1234: "?"}
    assert fonts_for("plain words", "monospace") == Fonts(["monospace"], {}, "")
    assert (cells("ab"), cells("\u66f8\u7c4d"), cells("e\u0301")) == (2, 4, 1)
