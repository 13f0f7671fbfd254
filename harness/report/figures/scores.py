"""Figures of scores: ceilings (2), groups (4), number of steps (5), sensitivity (6), ablation (7), quality and cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...analysis.ceiling import CROSSED, NOISED, Ceiling, ceilings
from ...analysis.compare import Compared, Measured, Stat, compare, measure
from ...analysis.groups import GROUPS, ITEMS, USERS, Grouped, grouped
from ..labels import label_of, row_name
from ..tables.ablation import families
from .context import FigureContext, MissingData
from .style import bars, fill, legend, series, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METRIC = "ndcg@20"
GROUP_NAMES = {USERS: "UG", ITEMS: "IG"}
_LABEL = "test NDCG@20"


@dataclass(frozen=True)
class Bars:
    """Grouped bars: labels along x, and the name of each series to its statistics, one per label."""

    labels: tuple[str, ...]
    series: Mapping[str, Sequence[Stat | None]]


@dataclass(frozen=True)
class Sweep:
    """A panel of Figure 6: rows that differ in one hyper-parameter.

    Attributes:
        strategy: the row's name without its swept value.
        values: as text, in the order of the suite; those with a run that is done.
        rows: in the order of `values`.
    """

    dataset: str
    backbone: str
    strategy: str
    parameter: str
    values: tuple[str, ...]
    rows: tuple[Measured, ...]
    against: Measured | None


def ceiling_bars(context: FigureContext) -> dict[tuple[str, str], Bars]:
    """Figure 2's values of each data set and backbone; `MissingData` if no row with steps has runs."""
    ceilings_shown = [item for item in ceilings(context.results) if item.optimum is not None]
    if not ceilings_shown:
        raise MissingData("needs a row with steps whose runs are stored")
    panels: dict[tuple[str, str], list[Ceiling]] = {}
    for item in ceilings_shown:
        panels.setdefault((item.row.dataset, item.row.backbone), []).append(item)
    return {
        place: Bars(
            tuple(row_name(item.row, brackets=False) for item in here),
            {
                "Readout": [item.row.stats[METRIC] for item in here],
                "Cross-fitted": [_control(item, CROSSED) for item in here],
                "Noised copies": [_control(item, NOISED) for item in here],
                "Optimum": [item.optimum[METRIC] if item.optimum else None for item in here],
            },
        )
        for place, here in panels.items()
    }


def ceiling_figure(context: FigureContext) -> Figure:
    """Figure 2: the readout, the best step after the fact, and how much of it is luck."""
    panels = ceiling_bars(context)
    figure, axes = wrapped(len(panels))
    for axis, ((dataset, backbone), shown) in zip(axes, panels.items(), strict=True):
        bars(axis, shown.labels, list(shown.series.items()))
        _labelled(axis, dataset, label_of(backbone))
    legend(figure)
    return figure


def group_bars(context: FigureContext) -> list[tuple[Measured, dict[str, Bars]]]:
    """Figure 4's values of each row with steps: "UG" and "IG" to each step in four groups.

    Raises:
        MissingData: no row with steps has runs.
        DatasetError: a data set is not prepared.
        InputError: it is not the one that the runs were tested on.
    """
    items = [item for item in grouped(context.results, context.load) if item.groups and item.groups[0].over_first]
    if not items:
        raise MissingData("needs a row with steps whose runs are stored")
    return [(item.row, {name: _of_groups(item, kind, name) for kind, name in GROUP_NAMES.items()}) for item in items]


def groups_figure(context: FigureContext) -> Figure:
    """Figure 4: groups of users and of items, each at every step of one model."""
    by_row = group_bars(context)
    figure, axes = wrapped(2 * len(by_row), columns=4 if len(by_row) > 1 else 2)
    panels = [(row, shown) for row, of in by_row for shown in of.values()]
    for axis, (row, shown) in zip(axes, panels, strict=True):
        bars(axis, shown.labels, list(shown.series.items()))
        _labelled(axis, row.dataset, f"{label_of(row.backbone)} {row_name(row, brackets=False)}")
    legend(figure)
    return figure


def rows_by_steps(context: FigureContext) -> list[Measured]:
    """Figure 5's rows; `MissingData` if there is only one K."""
    rows = [row for row in measure(context.results) if row.steps is not None and row.stats[METRIC].mean is not None]
    if len({row.steps for row in rows} - {0}) < 2:
        raise MissingData("needs rows at several K")
    return rows


def steps_figure(context: FigureContext) -> Figure:
    """Figure 5: a metric by K, a model trained for each."""
    rows = rows_by_steps(context)
    places = list(dict.fromkeys((row.dataset, row.backbone) for row in rows))
    figure, axes = wrapped(len(places))
    names = list(dict.fromkeys(row.strategy for row in rows))
    for axis, place in zip(axes, places, strict=True):
        here = [row for row in rows if (row.dataset, row.backbone) == place]
        for number, name in enumerate(names):
            curve = sorted((row for row in here if row.strategy == name), key=lambda row: row.steps or 0)
            if curve and all(row.steps == 0 for row in curve):
                axis.axhline(curve[0].stats[METRIC].mean or 0.0, label=label_of(name), color="#000000", linewidth=0.8)
            elif curve:
                spread = [row.stats[METRIC].std or 0.0 for row in curve]
                means = [row.stats[METRIC].mean or 0.0 for row in curve]
                depths = [row.steps or 0 for row in curve]
                axis.errorbar(depths, means, yerr=spread, elinewidth=0.6, label=label_of(name), **series(number))
        axis.set_xticks(sorted({row.steps for row in here if row.steps}))
        axis.set_xlabel("reasoning steps K")
        _labelled(axis, place[0], label_of(place[1]))
    legend(figure)
    return figure


def sweeps(context: FigureContext) -> list[Sweep]:
    """Figure 6's panels; `MissingData` if no row sweeps a hyper-parameter."""
    rows = [row for row in compare(measure(context.results)) if row.row.strategy.count("=") == 1]
    if not rows:
        raise MissingData("needs a row that sweeps one hyper-parameter ({sweep: [...]})")
    panels = []
    for place in dict.fromkeys(_swept(row) for row in rows):
        here = [row for row in rows if _swept(row) == place and row.row.stats[METRIC].mean is not None]
        values = tuple(row.row.strategy.partition("=")[2].removesuffix("]") for row in here)
        against = next((row.against for row in here if row.against is not None), None)
        panels.append(Sweep(*place, values, tuple(row.row for row in here), against))
    return panels


def sensitivity_figure(context: FigureContext) -> Figure:
    """Figure 6: a metric by the value of a swept hyper-parameter; the row compared with as a line."""
    panels = sweeps(context)
    figure, axes = wrapped(len(panels))
    for number, (axis, sweep) in enumerate(zip(axes, panels, strict=True)):
        axis.errorbar(
            range(len(sweep.rows)),
            [row.stats[METRIC].mean or 0.0 for row in sweep.rows],
            yerr=[row.stats[METRIC].std or 0.0 for row in sweep.rows],
            elinewidth=0.6,
            label=label_of(sweep.strategy),
            **series(2 + number % 4),
        )
        level = sweep.against.stats[METRIC].mean if sweep.against is not None else None
        if sweep.against is not None and level is not None:
            axis.axhline(level, color="#000000", linewidth=0.8, label=label_of(sweep.against.strategy))
        axis.set_xticks(range(len(sweep.values)), sweep.values)
        axis.set_xlabel(sweep.parameter)
        _labelled(axis, sweep.dataset, f"{label_of(sweep.backbone)} {label_of(sweep.strategy)}")
        axis.legend()
    return figure


def parts(context: FigureContext) -> dict[tuple[str, str], list[Measured]]:
    """Figure 7's rows: data set and backbone to whole methods, each followed by those that lack a part of it.

    Raises:
        MissingData: no row is compared with another one that reasons.
    """
    rows = [row for row in families(compare(measure(context.results))) if row.row.stats[METRIC].mean is not None]
    if not rows:
        raise MissingData("needs a row that is compared with another one that reasons (against: erl)")
    panels: dict[tuple[str, str], list[Measured]] = {}
    for row in rows:
        panels.setdefault((row.row.dataset, row.row.backbone), []).append(row.row)
    return panels


def ablation_figure(context: FigureContext) -> Figure:
    """Figure 7: whole methods and those that lack a part."""
    panels = parts(context)
    figure, axes = wrapped(len(panels))
    for axis, (place, rows) in zip(axes, panels.items(), strict=True):
        for number, row in enumerate(rows):
            stat = row.stats[METRIC]
            axis.bar(number, stat.mean or 0.0, 0.7, yerr=stat.std or 0.0, error_kw={"elinewidth": 0.6}, **fill(number))
        axis.set_xticks(range(len(rows)), [label_of(row.strategy) for row in rows], rotation=20, ha="right")
        axis.grid(visible=False, axis="x")
        _labelled(axis, place[0], label_of(place[1]))
        _from_below(axis, [row.stats[METRIC] for row in rows])
    return figure


def pareto_figure(context: FigureContext) -> Figure:
    """Quality against measured time: each row at its K, from stored profiles of the suite."""
    points = timed(context)
    places = list(dict.fromkeys((row.dataset, row.backbone) for row, _ in points))
    figure, axes = wrapped(len(places))
    names = list(dict.fromkeys(row.strategy for row, _ in points))
    for axis, place in zip(axes, places, strict=True):
        here = [(row, seconds) for row, seconds in points if (row.dataset, row.backbone) == place]
        for number, name in enumerate(names):
            curve = sorted(((seconds, row) for row, seconds in here if row.strategy == name), key=lambda pair: pair[0])
            if curve:
                means = [row.stats[METRIC].mean or 0.0 for _, row in curve]
                axis.plot([seconds for seconds, _ in curve], means, label=label_of(name), **series(number))
        axis.set_xlabel("seconds over the test set")
        _labelled(axis, place[0], label_of(place[1]))
    legend(figure)
    return figure


def timed(context: FigureContext) -> list[tuple[Measured, float]]:
    """Rows with their profile's median seconds at their K; `MissingData` if no row has both runs and a profile."""
    points = []
    for row in measure(context.results):
        if row.stats[METRIC].mean is None or row.steps is None:
            continue
        for profile in context.profiles:
            subject = profile.subject
            if (subject.spec.dataset, subject.backbone, subject.row) == (row.dataset, row.backbone, row.strategy):
                seconds = {line.steps: line.times.median for line in profile.lines}
                if row.steps in seconds:
                    points.append((row, seconds[row.steps]))
    if not points:
        raise MissingData(f"needs profiles of the suite's rows:  rearec-bench profile {context.results.name}")
    return points


def _control(item: Ceiling, name: str) -> Stat | None:
    return item.controls[name].stats[METRIC] if name in item.controls else None


def _of_groups(item: Grouped, kind: str, name: str) -> Bars:
    here = [states for states in item.groups if states.group.kind == kind]
    steps = sorted(state for state in here[0].states if state.startswith("step_"))
    by_step = {step.replace("step_", "Step "): [_stat(states.states.get(step)) for states in here] for step in steps}
    return Bars(tuple(f"{name}-{number}" for number in range(GROUPS)), by_step)


def _stat(stats: Mapping[str, Stat] | None) -> Stat | None:
    return None if stats is None else stats[METRIC]


def _labelled(axes: Axes, dataset: str, rest: str) -> None:
    axes.set_ylabel(_LABEL)
    axes.set_title(f"{dataset}\n{rest}")


def _swept(row: Compared) -> tuple[str, str, str, str]:
    family, _, rest = row.row.strategy.partition("[")
    return row.row.dataset, row.row.backbone, family, rest.partition("=")[0]


def span_from_below(stats: Sequence[Stat]) -> tuple[float, float] | None:
    """Where an axis of bars starts and ends if it is cut, because all are close together; None where it is not."""
    lows = [stat.mean - (stat.std or 0.0) for stat in stats if stat.mean is not None]
    highs = [stat.mean + (stat.std or 0.0) for stat in stats if stat.mean is not None]
    if not lows or min(lows) <= 0.5 * max(highs) or not math.isfinite(max(highs)):
        return None
    room = max(highs) - min(lows) or 0.1 * max(highs)
    return max(0.0, min(lows) - room), max(highs) + 0.2 * room


def _from_below(axes: Axes, stats: Sequence[Stat]) -> None:
    """Start the axis below the lowest bar where all are close together, and mark that in its label."""
    span = span_from_below(stats)
    if span is not None:
        axes.set_ylim(*span)
        axes.set_ylabel(f"{_LABEL} (cut)")
