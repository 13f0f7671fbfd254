"""The forest plot: each row's gain over the row that it is compared with, with intervals, data sets side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ...analysis.intervals import Interval
from ...analysis.significance import LEVEL, Comparison, significance
from ..labels import label_of, row_name
from .colours import places_beside_names
from .context import FigureContext, MissingData
from .panel import Gain, Panel

METRIC = "ndcg@20"
_MIN_SEEDS = 3
"""Student's t interval of fewer is too wide to set the scale."""

T = TypeVar("T")


def gain_panels(*contexts: FigureContext) -> list[Panel]:
    """A panel for each data set and backbone of one or several suites, all on one scale.

    Raises:
        MissingData: no two rows can be compared.
    """
    places: dict[tuple[str, str, str], list[Comparison]] = {}
    for context in contexts:
        for each in significance(context.results).comparisons:
            if each.metric == METRIC and each.percent is not None:
                place = (each.row.dataset, each.row.backbone, context.results.name)
                places.setdefault(place, []).append(each)
    compared = [each for here in places.values() for each in here]
    if not compared:
        raise MissingData("needs two rows that are compared and whose runs are stored")
    against = _common([each.against.strategy for each in compared])
    colours = places_beside_names(row.strategy for context in contexts for row in context.results.cells)
    panels = {
        place: [_gain(each, against, colours[each.row.strategy]) for each in here] for place, here in places.items()
    }
    steady = {id(each) for each in compared if each.seeds >= _MIN_SEEDS}
    ends = [0.0, *(gain.percent for gains in panels.values() for gain in gains)]
    for place, here in places.items():
        for gain, each in zip(panels[place], here, strict=True):
            ends += [*(gain.users or ()), *((gain.seeds or ()) if id(each) in steady else ())]
    room = 0.05 * (max(ends) - min(ends)) or 1.0
    limits = (min(ends) - room, max(ends) + room)
    arrows = any(any(gain.beyond(limits)) for gains in panels.values() for gain in gains)
    names = list(dict.fromkeys(gain.name for gains in panels.values() for gain in gains))
    twice = len(dict.fromkeys(place[:2] for place in places)) < len(places)
    return [
        Panel(
            f"{dataset}\n{label_of(backbone)}{f' ({suite})' if twice else ''}",
            f"Gain in test NDCG@20 over {label_of(against)}, with 95% intervals over users and over seeds; filled: "
            f"p < {LEVEL:g} over users, corrected by Holm.{' An arrow: the interval goes on.' if arrows else ''}",
            x=f"NDCG@20, % over {label_of(against)}",
            gains=gains,
            labels=names,
            limits=limits,
        )
        for (dataset, backbone, suite), gains in panels.items()
    ]


def _gain(compared: Comparison, against: str, place: int) -> Gain:
    other = compared.against.strategy
    over = "" if other == against else f" over {label_of(other)}"
    base = compared.against.stats[compared.metric].mean
    assert base and compared.percent is not None  # noqa: S101 - a gain in percent is defined
    return Gain(
        f"{row_name(compared.row)}{over}",
        compared.percent,
        _percent(compared.users_interval, base),
        _percent(compared.seeds_interval, base),
        clear=bool(compared.mark),
        place=place,
    )


def _percent(interval: Interval | None, base: float) -> tuple[float, float] | None:
    return None if interval is None else (100 * interval.low / base, 100 * interval.high / base)


def _common(values: Sequence[T]) -> T:
    return max(dict.fromkeys(values), key=values.count)
