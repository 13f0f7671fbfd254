"""The interactive figures of a suite, and the charts of searches and of single trials."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...records.results import TrialSummary
from ...utils.errors import DatasetError
from ..figures.colours import colour_of
from ..figures.context import FigureContext, MissingData
from ..figures.registry import FIGURES
from ..labels import metric_label
from ..trial import all_settings
from .chart import Chart, charts_of, short

GAINS = "gains"
"""The figure that is a forest plot, of HTML."""
_CURVE = 40
_WIDE = 10
_LETTERS, _WORD = 36, 12
"""Letters of all words side by side that fit below a chart on a narrow screen, and of one word."""
_FEW = 4
"""Values that have a tick each."""


@dataclass(frozen=True)
class Panels:
    """A figure: its charts, in the order of the suite."""

    name: str
    charts: tuple[Chart, ...]

    @property
    def about(self) -> str:
        """What all charts show; "" where they differ."""
        words = {chart.about for chart in self.charts}
        return words.pop() if len(words) == 1 else ""


@dataclass(frozen=True)
class Lacking:
    """A figure that a suite does not fill, and what it needs."""

    name: str
    why: str


def figures_of(context: FigureContext) -> tuple[list[Panels], list[Lacking]]:
    """Every figure of charts that a suite fills, and what the others need; `GAINS` is none of them.

    Raises:
        InputError: a data set is not the one that trials were tested on.
        StoreError: the rows of a trial cannot be read.
    """
    filled, lacking = [], []
    for name, figure in FIGURES.items():
        if name == GAINS:
            continue
        try:
            filled.append(Panels(figure.title, charts_of(figure.title, figure.panels(context))))
        except (MissingData, DatasetError) as error:
            lacking.append(Lacking(figure.title, str(error)))
    return filled, lacking


def search_chart(title: str, trials: Sequence[tuple[TrialSummary, bool]], metric: str, colour: int = 0) -> Chart | None:
    """A cell's search: the validation metric of each trial against each setting that varies, side by side.

    Args:
        trials: search trials, each with whether it was chosen.
        colour: place of the strategy's.

    Returns:
        None where fewer than two trials are done or nothing varies.
    """
    done = [summary for summary, _ in trials if summary.validation is not None]
    chosen = [is_chosen for summary, is_chosen in trials if summary.validation is not None]
    columns: dict[str, list[Any]] = {}
    for summary in done:
        for name, value in {**settings_of(summary), "K": summary.spec.steps}.items():
            columns.setdefault(name, []).append(value)
    varying = {name: values for name, values in columns.items() if len({str(value) for value in values}) > 1}
    if len(done) < 2 or not varying:
        return None
    scores = [(summary.validation or {})[metric] for summary in done]
    marker = {
        "color": colour_of(colour, filled=True),
        "size": [13 if one else 8 for one in chosen],
        "symbol": ["star" if one else "circle" for one in chosen],
    }
    data: list[dict[str, Any]] = []
    layout: dict[str, Any] = {"yaxis": {"title": f"validation {metric_label(metric)}"}, "showlegend": False}
    if len(set(scores)) == 1:
        layout["yaxis"]["range"] = [0, 2 * scores[0] or 1]
    room = 0.06
    width = (1 + room) / len(varying) - room
    for at, (name, values) in enumerate(varying.items()):
        number = str(at + 1) if at else ""
        words = re.sub(r"([._])", r"\1<br>", name) if len(varying) > 1 else name
        layout[f"xaxis{number}"] = {"title": words, "domain": [at * (width + room), at * (width + room) + width]}
        layout[f"xaxis{number}"] |= _scale(values, _LETTERS // len(varying))
        shown = values if all(map(_is_number, values)) else [str(value) for value in values]
        data.append({"type": "scatter", "mode": "markers", "x": shown, "y": scores, "xaxis": f"x{number}"})
        data[-1] |= {"name": name, "marker": marker}
    best = max(range(len(scores)), key=scores.__getitem__)
    count = (
        f"{len(done)} of {len(trials)} search trials ran to their end"
        if len(done) < len(trials)
        else f"{len(done)} search trials"
    )
    about = f"{count}; the best has {metric_label(metric)} {scores[best]:.4f}. Stars: chosen."
    return Chart(title, about, data, layout)


def settings_of(summary: TrialSummary) -> dict[str, Any]:
    """What a search can vary of a trial, apart from K."""
    return {
        **all_settings("strategy", summary.spec.strategy),
        **{f"backbone.{name}": value for name, value in all_settings("backbone", summary.spec.backbone).items()},
        "lr": summary.spec.training.lr,
    }


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


def _scale(values: Sequence[Any], letters: int) -> dict[str, Any]:
    """The kind of axis that shows the values: of words, or logarithmic where they span more than a decade.

    Few values are its ticks. Words that have more letters than fit side by side stand upright.
    """
    if not all(map(_is_number, values)):
        words = list(dict.fromkeys(map(str, values)))
        shown = [word if len(word) <= _WORD else f"{word[: _WORD // 2]}…{word[-(_WORD // 2 - 1) :]}" for word in words]
        angle = 0 if sum(map(len, shown)) <= letters else 90
        places = list(range(len(words)))  # not the words: Plotly reads "0.0" as a place
        text = {"ticktext": shown, "tickangle": angle}
        return {"type": "category", "categoryarray": words, "tickvals": places, **text}
    kind = {"type": "log", "dtick": 1} if min(values) > 0 and max(values) >= _WIDE * min(values) else {"nticks": 4}
    few = sorted(set(values)) if len(set(values)) <= _FEW else []
    return kind | (
        {"tickvals": few, "ticktext": [f"{value:g}" if value >= 1 else f"{value:.3g}" for value in few]} if few else {}
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
