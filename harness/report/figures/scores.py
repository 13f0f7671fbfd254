"""Figures of scores: ceilings (2), groups (4), number of steps (5), sensitivity (6), ablation (7), quality and cost.

Each function raises `MissingData` where the suite lacks what the figure needs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ...analysis.ceiling import CROSSED, NOISED, Ceiling, ceilings
from ...analysis.compare import Compared, Row, Stat, compare
from ...analysis.groups import GROUPS, ITEMS, USERS, Grouped, grouped
from ..labels import label_of, row_name, state_label, steps_label
from ..tables.ablation import families
from .colours import places_of, variants_of
from .context import FigureContext, MissingData
from .panel import Panel, Series, over_seeds

METRIC = "ndcg@20"
_LABEL, _TEST = "test NDCG@20", "Test NDCG@20"
_GROUPS = {USERS: ("UG", "users by length of history"), ITEMS: ("IG", "items by popularity")}


def ceiling_panels(context: FigureContext) -> list[Panel]:
    """Figure 2: the readout, the best step after the fact, and how much of it is luck."""
    panels: dict[tuple[str, str], list[Ceiling]] = {}
    for item in ceilings(context.results):
        if item.optimum is not None:
            panels.setdefault(_place(item.row), []).append(item)
    if not panels:
        raise MissingData("needs a row with steps whose runs are stored")
    about = f"{_TEST} of the readout, of the best step after the fact, and of two controls: how much is luck."
    return [
        _bars(
            _title(place),
            about,
            [row_name(item.row, brackets=False) for item in here],
            {
                "Readout": [item.row.stats[METRIC] for item in here],
                "Cross-fitted": [_control(item, CROSSED) for item in here],
                "Noised copies": [_control(item, NOISED) for item in here],
                "Optimum": [_stat(item.optimum) for item in here],
            },
            scale=place[0],
        )
        for place, here in panels.items()
    ]


def group_panels(context: FigureContext) -> list[Panel]:
    """Figure 4: groups of users and of items, each at every step of one model.

    Raises:
        DatasetError: a data set is not prepared.
        InputError: it is not the one that the runs were tested on.
    """
    cells = grouped(context.results.once(), context.load)
    items = [item for item in cells if item.groups and item.groups[0].over_first]
    if not items:
        raise MissingData("needs a row with steps whose runs are stored")
    return [_groups(item, kind) for item in items for kind in _GROUPS]


def steps_panels(context: FigureContext) -> list[Panel]:
    """Figure 5: a metric by K, a model trained for each."""
    rows = [row for row in context.results.cells if row.steps is not None and row.stats[METRIC].mean is not None]
    if len({row.steps for row in rows} - {0}) < 2:
        raise MissingData("needs rows at several K")
    names = list(dict.fromkeys(row.strategy for row in rows))
    about = f"{_TEST} by K, a model trained for each."
    places, variants = _looks(context)
    panels = []
    for place in dict.fromkeys(map(_place, rows)):
        shown = []
        for name in names:
            here = [row for row in rows if (_place(row), row.strategy) == (place, name)]
            here.sort(key=lambda row: row.steps or 0)
            stats = [row.stats[METRIC] for row in here]
            if here and not any(row.steps for row in here):
                shown.append(Series("level", label_of(name), [stats[0].mean], places[name], variant=variants[name]))
            elif here:
                depths = [row.steps or 0 for row in here]
                look = stats, places[name]
                shown.append(over_seeds("line", label_of(name), *look, x=depths, variant=variants[name]))
        panels.append(Panel(_title(place), about, shown, "reasoning steps K", _LABEL, whole=True, scale=place[0]))
    return panels


def sensitivity_panels(context: FigureContext) -> list[Panel]:
    """Figure 6: a metric by the value of a swept hyper-parameter; the row compared with as a level."""
    places, _ = _looks(context)
    sweeps: dict[tuple[str, str, str, str], list[Compared]] = {}
    for row in compare(context.results.cells):
        if row.row.strategy.count("=") == 1 and row.row.stats[METRIC].mean is not None:
            family, _, rest = row.row.strategy.partition("[")
            sweeps.setdefault((*_place(row.row), family, rest.partition("=")[0]), []).append(row)
    if not sweeps:
        raise MissingData("needs a row that sweeps one hyper-parameter ({sweep: [...]}) and whose runs are stored")
    depths = list(dict.fromkeys(row.row.steps for rows in sweeps.values() for row in rows))
    return [_sweep(place, rows, depths, places) for place, rows in sweeps.items()]


def ablation_panels(context: FigureContext) -> list[Panel]:
    """Figure 7: whole methods, each followed by those that lack a part of it."""
    panels: dict[tuple[str, str], list[Row]] = {}
    for row in families(compare(context.results.cells)):
        if row.row.stats[METRIC].mean is not None:
            panels.setdefault(_place(row.row), []).append(row.row)
    if not panels:
        raise MissingData("needs a row that is compared with another one that reasons (against: erl)")
    colours, _ = _looks(context)
    depths = {row.steps for rows in panels.values() for row in rows}
    drawn = []
    for place, rows in panels.items():
        labels = [row_name(row, brackets=False) if len(depths) > 1 else label_of(row.strategy) for row in rows]
        stats = [row.stats[METRIC] for row in rows]
        cut = span_from_below([row.stats[METRIC] for at, of in panels.items() if at[0] == place[0] for row in of])
        drawn.append(
            Panel(
                _title(place),
                f"{_TEST} of whole methods, each followed by those that lack a part of it. "
                f"The highest: {labels[_highest(stats)]}.",
                [over_seeds("bars", "", stats, [colours[row.strategy] for row in rows])],
                y=f"{_LABEL} (cut)" if cut else _LABEL,
                labels=labels,
                limits=cut,
                scale=place[0],
            )
        )
    return drawn


def pareto_panels(context: FigureContext) -> list[Panel]:
    """Quality against measured time: each row at its K, from stored profiles of the suite."""
    points: list[tuple[float, Row]] = []
    for row in context.results.cells:
        for profile in context.profiles:
            subject = profile.subject  # of a row on its own backbone by that, or, earlier, by the suite's
            same = (subject.spec.dataset, subject.row) == (row.dataset, row.strategy)
            if same and subject.backbone in (row.backbone, row.own_backbone) and row.stats[METRIC].mean is not None:
                points += [(line.times.median, row) for line in profile.lines if line.steps == row.steps]
    if not points:
        raise MissingData(f"needs profiles of the suite's rows:  rearec-bench profile {context.results.name}")
    places = dict.fromkeys(_place(row) for _, row in points)
    names = list(dict.fromkeys(row.strategy for _, row in points))
    points.sort(key=lambda point: point[0])
    about = f"{_TEST} against the seconds that ranking the test set takes, from the suite's profiles."
    panels = []
    colours, variants = _looks(context)
    for place in places:
        curves = []
        for name in names:
            here = [(seconds, row) for seconds, row in points if (_place(row), row.strategy) == (place, name)]
            if here:
                stats, notes = [row.stats[METRIC] for _, row in here], [f"K={row.steps}" for _, row in here]
                x = [seconds for seconds, _ in here]
                look = stats, colours[name]
                curves.append(over_seeds("line", label_of(name), *look, x=x, notes=notes, variant=variants[name]))
        panels.append(Panel(_title(place), about, curves, "seconds over the test set", _LABEL, scale=place[0]))
    return panels


def span_from_below(stats: Sequence[Stat]) -> tuple[float, float] | None:
    """Where an axis of bars starts and ends if it is cut, because all are close together; None where it is not."""
    lows = [stat.mean - (stat.std or 0.0) for stat in stats if stat.mean is not None]
    highs = [stat.mean + (stat.std or 0.0) for stat in stats if stat.mean is not None]
    if not lows or min(lows) <= 0.5 * max(highs) or not math.isfinite(max(highs)):
        return None
    room = max(highs) - min(lows) or 0.1 * max(highs)
    return max(0.0, min(lows) - room), max(highs) + 0.2 * room


def _looks(context: FigureContext) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """The place and the variant of each row's name."""
    names = [row.strategy for row in context.results.cells]
    return places_of(names), variants_of(names)


def _place(row: Row) -> tuple[str, str]:
    return row.dataset, row.backbone


def _title(place: tuple[str, str], rest: str = "") -> str:
    return f"{place[0]}\n{label_of(place[1])} {rest}".rstrip()


def _bars(
    title: str,
    about: str,
    labels: Sequence[str],
    values: Mapping[str, Sequence[Stat | None]],
    *,
    scale: str,
    abreast: int = 1,
) -> Panel:
    """Grouped bars: each series has a statistic for each label, or None for no bar."""
    shown = [over_seeds("bars", name, stats, number) for number, (name, stats) in enumerate(values.items())]
    return Panel(title, about, shown, y=_LABEL, labels=labels, ordered=True, scale=scale, abreast=abreast)


def _groups(item: Grouped, kind: str) -> Panel:
    name, words = _GROUPS[kind]
    here = [states.states for states in item.groups if states.group.kind == kind]
    steps = dict.fromkeys(state for states in here for state in states if "step" in state)  # a group may be empty
    return _bars(
        _title(_place(item.row), f"{row_name(item.row, brackets=False)}, {kind}"),
        f"{_TEST} at each step: {words} ({name}), rising.",
        [f"{name}-{number}" for number in range(GROUPS)],
        {state_label(step): [_stat(states.get(step)) for states in here] for step in steps},
        scale=item.row.dataset,
        abreast=len(_GROUPS),
    )


def _sweep(
    place: tuple[str, str, str, str],
    rows: Sequence[Compared],
    depths: Sequence[int | None],
    places: Mapping[str, int],
) -> Panel:
    """A line for each K, and a level for each row that they are compared with."""
    dataset, backbone, family, parameter = place
    values = list(dict.fromkeys(_value(row.row) for row in rows))
    shown = []
    for number, steps in enumerate(depths):
        here = {_value(row.row): row.row.stats[METRIC] for row in rows if row.row.steps == steps}
        if here:
            stats = [here.get(value) for value in values]
            shown.append(over_seeds("line", steps_label(steps), stats, places[rows[0].row.strategy], variant=number))
    others = {row.against.place: row.against for row in rows if row.against is not None}
    for other in others.values():
        if (mean := other.stats[METRIC].mean) is not None:
            colour = places[other.strategy]
            variant = sum(series.place == colour for series in shown)
            shown.append(Series("level", row_name(other), [mean], colour, variant=variant))
    highest = max(rows, key=lambda row: row.row.stats[METRIC].mean or 0.0).row
    at = f"{_value(highest)} ({steps_label(highest.steps)})" if len(depths) > 1 else _value(highest)
    return Panel(
        _title((dataset, backbone), f"{label_of(family)}, {parameter}"),
        f"{_TEST} by {parameter}; the highest at {at}.",
        shown,
        parameter,
        _LABEL,
        labels=values,
        scale=dataset,
    )


def _value(row: Row) -> str:
    """The swept value of a row's name."""
    return row.strategy.partition("=")[2].removesuffix("]")


def _control(item: Ceiling, name: str) -> Stat | None:
    return _stat(item.controls[name].stats if name in item.controls else None)


def _stat(stats: Mapping[str, Stat] | None) -> Stat | None:
    return None if stats is None else stats[METRIC]


def _highest(stats: Sequence[Stat]) -> int:
    return max(range(len(stats)), key=lambda at: stats[at].mean or 0.0)
