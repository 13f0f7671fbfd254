"""Interactive figures of scores: 2, 4, 5, 6, 7, and quality against time; their values are those of the printed ones.

Each function raises `MissingData` where the suite lacks what the figure needs; other errors are those of
`figures/scores.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...analysis.compare import Measured
from ..figures.context import FigureContext
from ..figures.scores import (
    METRIC,
    Bars,
    Sweep,
    ceiling_bars,
    group_bars,
    parts,
    rows_by_steps,
    span_from_below,
    sweeps,
    timed,
)
from ..labels import full_name, label_of
from .chart import Chart, bars, fill, line, pattern, spreads


def ceiling_charts(context: FigureContext) -> list[Chart]:
    """Figure 2: a chart for each data set and backbone."""
    about = "Test NDCG@20 of the readout, of the best step after the fact, and of two controls: how much is luck."
    return [
        _grouped(f"Ceiling of reasoning (Figure 2): {dataset} {label_of(backbone)}", about, [shown])
        for (dataset, backbone), shown in ceiling_bars(context).items()
    ]


def group_charts(context: FigureContext) -> list[Chart]:
    """Figure 4: a chart for each row with steps."""
    about = "Test NDCG@20 at each step: users by length of history (UG), items by popularity (IG), rising."
    return [
        _grouped(f"Groups (Figure 4): {full_name(row)}", about, list(shown.values()))
        for row, shown in group_bars(context)
    ]


def steps_charts(context: FigureContext) -> list[Chart]:
    """Figure 5: one chart with a curve for each data set, backbone and strategy."""
    rows = rows_by_steps(context)
    data = []
    for place, key in enumerate(dict.fromkeys((row.dataset, row.backbone, row.strategy) for row in rows)):
        here = [row for row in rows if (row.dataset, row.backbone, row.strategy) == key]
        here.sort(key=lambda row: row.steps or 0)
        name = f"{key[0]} {label_of(key[1])} {label_of(key[2])}"
        depths, means = [row.steps for row in here], [row.stats[METRIC].mean for row in here]
        data.append(line(name, depths, means, place, error_y=spreads(here)))
    layout = {"xaxis": {"title": "reasoning steps K", "dtick": 1}, "yaxis": {"title": METRIC}}
    return [Chart("Number of steps (Figure 5)", "Test NDCG@20 by K, a model trained for each.", data, layout)]


def sensitivity_charts(context: FigureContext) -> list[Chart]:
    """Figure 6: a chart for each swept hyper-parameter that has results."""
    return [_sweep(sweep, number) for number, sweep in enumerate(sweeps(context)) if sweep.rows]


def ablation_charts(context: FigureContext) -> list[Chart]:
    """Figure 7: a chart for each data set and backbone."""
    drawn = []
    for (dataset, backbone), rows in parts(context).items():
        data = {
            "type": "bar",
            "x": [label_of(row.strategy) for row in rows],
            "y": [row.stats[METRIC].mean for row in rows],
            "error_y": spreads(rows),
            "marker": {
                "color": [fill(place) for place in range(len(rows))],
                "pattern": {"shape": [pattern(place) for place in range(len(rows))]},
            },
        }
        span = span_from_below([row.stats[METRIC] for row in rows])
        axis: dict[str, Any] = {"title": METRIC} if span is None else {"title": f"{METRIC} (cut)", "range": list(span)}
        about = f"Test NDCG@20 of whole methods, each followed by those that lack a part of it. {_best(rows)}"
        title = f"Ablation (Figure 7): {dataset} {label_of(backbone)}"
        drawn.append(Chart(title, about, [data], {"xaxis": {"type": "category"}, "yaxis": axis}))
    return drawn


def pareto_charts(context: FigureContext) -> list[Chart]:
    """Quality against measured time: a chart for each data set and backbone, a curve for each strategy."""
    points = timed(context)
    names = list(dict.fromkeys(row.strategy for row, _ in points))
    drawn = []
    for dataset, backbone in dict.fromkeys((row.dataset, row.backbone) for row, _ in points):
        data = []
        for place, name in enumerate(names):
            measured = [
                (seconds, row)
                for row, seconds in points
                if (row.dataset, row.backbone, row.strategy) == (dataset, backbone, name)
            ]
            measured.sort(key=lambda pair: pair[0])
            if measured:
                means = [row.stats[METRIC].mean for _, row in measured]
                more = {"text": [f"K={row.steps}" for _, row in measured], "mode": "lines+markers+text"}
                data.append(
                    line(
                        label_of(name),
                        [seconds for seconds, _ in measured],
                        means,
                        place,
                        textposition="top center",
                        error_y=spreads([row for _, row in measured]),
                        **more,
                    )
                )
        about = "Test NDCG@20 against the seconds that ranking the test set takes, from the suite's profiles."
        layout = {"xaxis": {"title": "seconds over the test set"}, "yaxis": {"title": METRIC}}
        drawn.append(Chart(f"Quality against time: {dataset} {label_of(backbone)}", about, data, layout))
    return drawn


def _grouped(title: str, about: str, beside: Sequence[Bars]) -> Chart:
    """Bars that stand beside each other, all of the same series."""
    labels = [label for shown in beside for label in shown.labels]
    data = [
        bars(name, labels, [stat for shown in beside for stat in shown.series[name]], place)
        for place, name in enumerate(beside[0].series)
    ]
    return Chart(title, about, data, {"barmode": "group", "yaxis": {"title": METRIC}})


def _sweep(sweep: Sweep, number: int) -> Chart:
    means = [row.stats[METRIC].mean for row in sweep.rows]
    data = [line(label_of(sweep.strategy), sweep.values, means, 2 + number % 4, error_y=spreads(sweep.rows))]
    level = sweep.against.stats[METRIC].mean if sweep.against is not None else None
    if sweep.against is not None and level is not None:
        flat = line(label_of(sweep.against.strategy), sweep.values, [level] * len(sweep.values), 0)
        data.append({**flat, "mode": "lines"})
    name = f"{sweep.dataset} {label_of(sweep.backbone)} {label_of(sweep.strategy)}, {sweep.parameter}"
    best = max(range(len(means)), key=lambda place: means[place] or 0.0)
    about = f"Test NDCG@20 by {sweep.parameter}; the highest at {sweep.values[best]}."
    layout = {"xaxis": {"title": sweep.parameter, "type": "category"}, "yaxis": {"title": METRIC}}
    return Chart(f"Sensitivity (Figure 6): {name}", about, data, layout)


def _best(rows: Sequence[Measured]) -> str:
    best = max(rows, key=lambda row: row.stats[METRIC].mean or 0.0)
    return f"The highest: {label_of(best.strategy)}."
