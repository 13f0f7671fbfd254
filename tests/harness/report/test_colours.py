"""Colours of strategies: the same in every figure and suite, and none of them used for anything else."""

from __future__ import annotations

from types import ModuleType

import pytest

from rearec_bench.harness.analysis.resultset import collect
from rearec_bench.harness.report.figures.colours import COLOURS, GREY, TONES, colour_of, places_of
from rearec_bench.harness.report.figures.context import FigureContext
from rearec_bench.harness.report.figures.registry import FIGURES
from rearec_bench.harness.report.html.chart import chart_of
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
    assert set(many.values()) == {0, *range(3, len(COLOURS))}


def test_bars_are_never_black_and_scales_never_look_like_strategies() -> None:
    assert colour_of(0) == COLOURS[0] and colour_of(0, filled=True) == GREY
    assert not {*COLOURS, GREY} & {colour_of(place, ordered=True) for place in range(len(TONES))}


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
    by_name = {trace["name"]: trace["line"]["color"] for trace in chart_of("f", steps).data}
    assert by_name["ERL"] == erl and by_name["Base"] == colour_of(0)
    assert chart_of("f", sweep).data[0]["line"]["color"] == prl
    assert chart_of("f", ablation).data[0]["marker"]["color"] == [erl, colour_of(3)]
    (ceiling,) = FIGURES["fig2_ceiling"].panels(context)
    assert {trace["marker"]["color"] for trace in chart_of("f", ceiling).data} <= set(TONES)
