"""Interactive figures: the analysis behind the paper's figures, as Plotly's own JSON; no Plotly is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...analysis.ceiling import CROSSED, NOISED, ceilings
from ...analysis.compare import Measured, Stat, measure
from ...analysis.groups import GROUPS, ITEMS, USERS, Load, grouped
from ...analysis.resultset import ResultSet
from ...results import TrialSummary
from ..figures.style import COLOURS
from ..labels import label_of, steps_label

METRIC = "ndcg@20"
_DASHES = ("solid", "dash", "dashdot", "dot", "longdash", "longdashdot")
_SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "star")
_CURVE = 40


@dataclass(frozen=True)
class Chart:
    """One interactive figure.

    Attributes:
        title: in words.
        about: what it shows, for those who cannot see it.
        data: Plotly traces.
        layout: what differs from the page's own layout.
    """

    title: str
    about: str
    data: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]


def charts(results: ResultSet) -> list[Chart]:
    """Every chart that a suite fills without its data sets.

    Raises:
        StoreError: the rows of a trial cannot be read.
    """
    results = results.models()
    return [*_ceiling(results), *_steps(results), *_similarity(results)]


def search_chart(title: str, trials: Sequence[tuple[TrialSummary, bool]], metric: str) -> Chart | None:
    """Parallel coordinates of a cell's search: a line per trial, coloured by its validation metric.

    Args:
        title: of the cell.
        trials: search trials, each with whether it was chosen.
        metric: of validation.

    Returns:
        None where fewer than two trials are done or nothing varies.
    """
    done = [summary for summary, _ in trials if summary.validation is not None]
    columns: dict[str, list[Any]] = {}
    for summary in done:
        settings = {
            **{f"strategy.{name}": value for name, value in summary.spec.strategy.settings.items()},
            **{f"backbone.{name}": value for name, value in summary.spec.backbone.settings.items()},
            "lr": summary.spec.training.lr,
            "K": summary.spec.steps,
        }
        for name, value in settings.items():
            columns.setdefault(name, []).append(value)
    varying = {name: values for name, values in columns.items() if len({str(value) for value in values}) > 1}
    if len(done) < 2 or not varying:
        return None
    scores = [(summary.validation or {})[metric] for summary in done]
    dimensions = [_dimension(name, values) for name, values in varying.items()]
    dimensions.append({"label": f"validation {metric}", "values": scores})
    line = {"color": scores, "colorscale": "Cividis", "showscale": True}
    best = max(range(len(scores)), key=scores.__getitem__)
    about = f"{len(done)} search trials; the best has {metric} {scores[best]:.4f}."
    return Chart(title, about, [{"type": "parcoords", "line": line, "dimensions": dimensions}], {})


def curve(summary: TrialSummary, metric: str) -> dict[str, list[float]]:
    """A trial's training by epoch, thinned to some forty points: "epoch", "loss", "validation"."""
    history = summary.history
    if len(history) > _CURVE:
        kept = {round(place) for place in np.linspace(0, len(history) - 1, _CURVE)} | {max(summary.best_epoch - 1, 0)}
        history = tuple(history[place] for place in sorted(kept))
    return {
        "epoch": [epoch.epoch for epoch in history],
        "loss": [_short(epoch.losses["total"]) for epoch in history],
        "validation": [_short(epoch.validation.get(metric, 0.0)) for epoch in history],
    }


def _dimension(name: str, values: Sequence[Any]) -> dict[str, Any]:
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        return {"label": name, "values": list(values)}
    words = sorted({str(value) for value in values})
    return {
        "label": name,
        "values": [words.index(str(value)) for value in values],
        "tickvals": list(range(len(words))),
        "ticktext": words,
    }


def _ceiling(results: ResultSet) -> list[Chart]:
    found = [item for item in ceilings(results) if item.optimum is not None]
    drawn = []
    for dataset, backbone in dict.fromkeys((item.row.dataset, item.row.backbone) for item in found):
        here = [item for item in found if (item.row.dataset, item.row.backbone) == (dataset, backbone)]
        labels = [_row(item.row) for item in here]
        kinds: list[tuple[str, list[Mapping[str, Stat] | None]]] = [
            ("Readout", [item.row.stats for item in here]),
            ("Cross-fitted", [item.controls[CROSSED].stats if CROSSED in item.controls else None for item in here]),
            ("Noised copies", [item.controls[NOISED].stats if NOISED in item.controls else None for item in here]),
            ("Optimum", [item.optimum for item in here]),
        ]
        data = [_bars(name, labels, stats, place) for place, (name, stats) in enumerate(kinds)]
        about = "Test NDCG@20 of the readout, of the best step after the fact, and of two controls: how much is luck."
        title = f"Ceiling of reasoning (Figure 2): {dataset} {label_of(backbone)}"
        drawn.append(Chart(title, about, data, {"barmode": "group", "yaxis": {"title": METRIC}}))
    return drawn


def _steps(results: ResultSet) -> list[Chart]:
    rows = [row for row in measure(results) if row.steps is not None and row.stats[METRIC].mean is not None]
    if len({row.steps for row in rows} - {0}) < 2:
        return []
    data = []
    for place, key in enumerate(dict.fromkeys((row.dataset, row.backbone, row.strategy) for row in rows)):
        here = sorted(
            (row for row in rows if (row.dataset, row.backbone, row.strategy) == key), key=lambda row: row.steps or 0
        )
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": f"{key[0]} {label_of(key[1])} {label_of(key[2])}",
                "x": [row.steps for row in here],
                "y": [row.stats[METRIC].mean for row in here],
                "error_y": {"type": "data", "array": [row.stats[METRIC].std or 0.0 for row in here]},
                "line": {"color": COLOURS[place % len(COLOURS)], "dash": _DASHES[place % len(_DASHES)]},
                "marker": {"symbol": _SYMBOLS[place % len(_SYMBOLS)]},
            }
        )
    layout = {"xaxis": {"title": "reasoning steps K", "dtick": 1}, "yaxis": {"title": METRIC}}
    return [Chart("Number of steps (Figure 5)", "Test NDCG@20 by K, a model trained for each.", data, layout)]


def group_charts(results: ResultSet, load: Load) -> list[Chart]:
    """Groups of users and items at each step; errors as `groups.grouped`."""
    found = []
    for item in grouped(results.models(), load):
        if not item.groups or not item.groups[0].over_first:
            continue
        labels = [f"{'UG' if kind == USERS else 'IG'}-{n}" for kind in (USERS, ITEMS) for n in range(GROUPS)]
        states = sorted(state for state in item.groups[0].states if state.startswith("step_"))
        data = [
            _bars(state.replace("step_", "Step "), labels, [one.states.get(state) for one in item.groups], place)
            for place, state in enumerate(states)
        ]
        about = "Test NDCG@20 at each step: users by length of history (UG), items by popularity (IG), rising."
        layout = {"barmode": "group", "yaxis": {"title": METRIC}}
        found.append(Chart(f"Groups (Figure 4): {_name(item.row)}", about, data, layout))
    return found


def _similarity(results: ResultSet) -> list[Chart]:
    found = []
    for cell in results.cells:
        if not cell.runs or cell.runs[0].spec.steps < 1:
            continue
        tests = [results.store.read(run.key).test for run in cell.runs]
        values = np.mean([np.asarray(test.similarity) for test in tests if test is not None], axis=0)
        steps = [f"step {k}" for k in range(len(values))]
        heat = {
            "type": "heatmap",
            "z": [[_short(float(value)) for value in line] for line in values],
            "x": steps,
            "y": steps,
            "colorscale": "Cividis",
            "zmax": 1,
            "texttemplate": "%{z:.2f}",
        }
        title = f"Similarity of steps (Figure 9): {cell.dataset} {label_of(cell.backbone)} {label_of(cell.strategy)}"
        about = "Mean cosine between the states of the steps over all test rows."
        found.append(Chart(title, about, [heat], {"yaxis": {"autorange": "reversed"}}))
    return found


def _bars(name: str, labels: Sequence[str], stats: Sequence[Mapping[str, Stat] | None], place: int) -> dict[str, Any]:
    held = [None if one is None else one[METRIC] for one in stats]
    return {
        "type": "bar",
        "name": name,
        "x": list(labels),
        "y": [None if one is None else one.mean for one in held],
        "error_y": {"type": "data", "array": [0.0 if one is None else one.std or 0.0 for one in held]},
        "marker": {
            "color": COLOURS[place % len(COLOURS)] if place else "#777777",
            "pattern": {"shape": ("", "/", ".", "x", "\\", "+")[place % 6]},
        },
    }


def _name(row: Measured) -> str:
    return f"{row.dataset} {label_of(row.backbone)} {_row(row)}"


def _row(row: Measured) -> str:
    return f"{label_of(row.strategy)}{f' {steps_label(row.steps)}' if row.steps else ''}"


def _short(value: float) -> float:
    return float(f"{value:.5g}")
