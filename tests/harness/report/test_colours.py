"""Colours of strategies: the same in every figure and suite, and none of them used for anything else."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from rearec_bench.harness.analysis.resultset import collect
from rearec_bench.harness.report.figures.colours import COLOURS, GREY, TONES, colour_of, places_of, tone_of, variants_of
from rearec_bench.harness.report.figures.context import FigureContext
from rearec_bench.harness.report.figures.panel import MOST_LINES, Panel, Series
from rearec_bench.harness.report.figures.printed import printed
from rearec_bench.harness.report.figures.registry import FIGURES
from rearec_bench.harness.report.html.chart import charts_of
from rearec_bench.harness.report.html.summary import strategies_of
from rearec_bench.harness.store.store import Store


def test_known_strategies_have_one_place_in_every_suite() -> None:
    assert places_of(["prl", "base", "mine"]) == {"prl": 2, "base": 0, "mine": 3}
    assert places_of(["erl", "mine", "erl[kl_weight=1]", "yours"]) == {
        "erl": 1,
        "mine": 3,
        "erl[kl_weight=1]": 1,
        "yours": 4,
    }
    many = places_of(["base", *(f"row_{number}" for number in range(24))])
    assert list(many.values()) == [0, *range(3, 27)]
    assert {colour_of(place) for place in many.values()} == set(COLOURS) - {colour_of(1), colour_of(2)}
    assert variants_of(["prl[decay=1]", "erl", "prl[decay=2]"]) == {"prl[decay=1]": 0, "erl": 0, "prl[decay=2]": 1}


def test_bars_are_never_black_and_scales_never_look_like_strategies() -> None:
    assert colour_of(0) == COLOURS[0] and colour_of(0, filled=True) == GREY
    scales = [[tone_of(place, count) for place in range(count)] for count in (2, 6, 11)]
    assert scales[:2] == [list(TONES[:2]), list(TONES)] and len(set(scales[2])) == 11
    assert not {*COLOURS, GREY} & {tone for scale in scales for tone in scale}


def test_a_strategy_has_one_colour_through_all_figures(
    tmp_path_factory: pytest.TempPathFactory, synthetic: ModuleType
) -> None:
    store, cells = Store(tmp_path_factory.mktemp("colours")), synthetic.cells_of_figures()
    results = collect("s", cells, synthetic.fill(store, cells), store=store)
    context = FigureContext(results, lambda name: synthetic.dataset(results), lambda name: None)
    (gains,), (steps,), (sweep,), (ablation,) = (
        FIGURES[name].panels(context) for name in ("gains", "fig5_steps", "fig6_sensitivity", "fig7_ablation")
    )
    erl, prl = colour_of(1), colour_of(2)
    assert {colour_of(gain.place) for gain in gains.gains if gain.name.startswith("ERL")} == {erl}
    assert {colour_of(gain.place) for gain in gains.gains if gain.name.startswith("PRL")} == {prl}
    by_name = {trace["name"]: trace["line"]["color"] for trace in charts_of("f", [steps])[0].data}
    assert by_name["ERL"] == erl and by_name["Base"] == colour_of(0)
    ((swept,), (bars,)) = charts_of("f", [sweep]), charts_of("f", [ablation])
    assert swept.data[0]["line"]["color"] == prl
    assert bars.data[0]["marker"]["color"] == [erl, colour_of(3)]
    (ceiling,) = FIGURES["fig2_ceiling"].panels(context)
    assert {trace["marker"]["color"] for trace in charts_of("f", [ceiling])[0].data} <= set(TONES)
    for panel in (steps, sweep):
        ((axes,),) = (page.axes for page in printed([panel]))
        handles = zip(*axes.get_legend_handles_labels(), strict=True)
        in_print = {name: getattr(handle, "lines", (handle,))[0].get_color() for handle, name in handles}
        on_page = {trace["name"]: trace["line"]["color"] for trace in charts_of("f", [panel])[0].data}
        assert in_print == on_page


@pytest.mark.parametrize(("others", "colours"), [(7, 7), (8, 8), (9, 1), (14, 1)])
def test_a_forest_plot_has_one_colour_where_those_of_its_rows_would_repeat(
    others: int, colours: int, tmp_path: Path, synthetic: ModuleType
) -> None:
    rows = [("base", 0), ("prl", 1), *((f"row_{number}", 1) for number in range(others - 1))]
    results = synthetic.results_of(Store(tmp_path), *rows, search=0)
    (panel,) = FIGURES["gains"].panels(FigureContext(results, pytest.fail, pytest.fail))  # type: ignore[arg-type]
    assert len({gain.place for gain in panel.gains}) == colours
    assert {colour_of(gain.place) for gain in panel.gains} == {
        colour_of(place) for _, place in strategies_of(results)[1:]
    }


def test_rows_of_a_sweep_have_one_colour_and_looks_of_their_own(tmp_path: Path, synthetic: ModuleType) -> None:
    cells = [synthetic.cell("prl", steps, row=f"prl[decay={decay}]") for decay in (1, 2, 3) for steps in (1, 2)]
    context = FigureContext(synthetic.results_of(Store(tmp_path), *cells), pytest.fail, pytest.fail)  # type: ignore[arg-type]
    (chart,) = charts_of("f", FIGURES["fig5_steps"].panels(context))
    assert {trace["line"]["color"] for trace in chart.data} == {colour_of(2)}
    assert len({(trace["line"]["dash"], trace["marker"]["symbol"]) for trace in chart.data}) == 3


@pytest.mark.parametrize("count", [MOST_LINES, MOST_LINES + 1, 24])
def test_no_chart_has_a_colour_twice_and_many_strategies_have_one_each(count: int) -> None:
    places = places_of(["base", *(f"row_{number}" for number in range(count - 1))])
    shown = [Series("line", name, [1.0, 2.0], place, (1, 2)) for name, place in places.items()]
    charts = charts_of("f", [Panel("d\nb", "", shown, "K", "y")])
    assert len(charts) == (1 if count <= MOST_LINES else count)
    for chart in charts:
        colours = [trace["line"]["color"] for trace in chart.data]
        assert len(set(colours)) == len(colours) == (count if len(charts) == 1 else 2)
