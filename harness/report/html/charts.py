"""The interactive figures of a suite, and the charts of searches and of single trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...records.results import TrialSummary
from ...utils.errors import DatasetError
from ..figures.context import FigureContext, MissingData
from ..figures.registry import FIGURES
from .chart import Chart, chart_of, short

_CURVE = 40


@dataclass(frozen=True)
class Panels:
    """A figure: its charts, in the order of the suite."""

    name: str
    charts: tuple[Chart, ...]


@dataclass(frozen=True)
class Lacking:
    """A figure that a suite does not fill, and what it needs."""

    name: str
    why: str


def figures_of(context: FigureContext) -> tuple[list[Panels], list[Lacking]]:
    """Every figure that a suite fills, and what the others need.

    Raises:
        InputError: a data set is not the one that trials were tested on.
        StoreError: the rows of a trial cannot be read.
    """
    filled, lacking = [], []
    for figure in FIGURES.values():
        try:
            charts = tuple(chart_of(figure.title, panel) for panel in figure.panels(context))
            filled.append(Panels(figure.title, charts))
        except (MissingData, DatasetError) as error:
            lacking.append(Lacking(figure.title, str(error)))
    return filled, lacking


def search_chart(title: str, trials: Sequence[tuple[TrialSummary, bool]], metric: str) -> Chart | None:
    """Parallel coordinates of a cell's search: a line per trial, coloured by its validation metric.

    Args:
        trials: search trials, each with whether it was chosen.

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
        "loss": [short(epoch.losses["total"]) for epoch in history],
        "validation": [short(epoch.validation.get(metric, 0.0)) for epoch in history],
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
