"""Figures of scores: ceilings (2), groups (4), number of steps (5), sensitivity (6), ablation (7), quality and cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...analysis.ceiling import CROSSED, NOISED, Ceiling, Control, ceilings
from ...analysis.compare import Compared, Measured, Stat, compare, measure
from ...analysis.groups import GROUPS, ITEMS, USERS, Grouped, grouped
from ..labels import label_of, row_name
from ..tables.ablation import families
from .material import Material, Unfilled
from .style import bars, fill, legend, series, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METRIC = "ndcg@20"
_LABEL = "test NDCG@20"


@dataclass(frozen=True)
class Sweep:
    """What a panel of Figure 6 shows: rows that differ in one hyper-parameter.

    Attributes:
        dataset: name.
        backbone: label.
        strategy: the row's name without its swept value.
        parameter: name of the hyper-parameter.
        values: in words, in the order of the suite; those with a run that is done.
        rows: one for each value.
        reference: the row that they are compared with, where there is one.
    """

    dataset: str
    backbone: str
    strategy: str
    parameter: str
    values: tuple[str, ...]
    rows: tuple[Measured, ...]
    reference: Measured | None


def ceiling_rows(material: Material) -> list[Ceiling]:
    """What Figure 2 shows.

    Raises:
        Unfilled: no row with steps has runs.
    """
    found = [item for item in ceilings(material.results) if item.optimum is not None]
    if not found:
        raise Unfilled("needs a row with steps whose runs are stored")
    return found


def ceiling_figure(material: Material) -> Figure:
    """Figure 2: the readout, the best step after the fact, and how much of it is luck."""
    found = ceiling_rows(material)
    places = list(dict.fromkeys((item.row.dataset, item.row.backbone) for item in found))
    figure, axes = wrapped(len(places))
    for one, place in zip(axes, places, strict=True):
        here = [item for item in found if (item.row.dataset, item.row.backbone) == place]
        kinds: list[tuple[str, Callable[[int], Mapping[str, Stat] | None]]] = [
            ("Readout", lambda at, here=here: here[at].row.stats),  # type: ignore[misc]
            ("Cross-fitted", lambda at, here=here: _control(here[at].controls, CROSSED)),  # type: ignore[misc]
            ("Noised copies", lambda at, here=here: _control(here[at].controls, NOISED)),  # type: ignore[misc]
            ("Optimum", lambda at, here=here: here[at].optimum),  # type: ignore[misc]
        ]
        held = [(name, [of(at) for at in range(len(here))]) for name, of in kinds]
        bars(
            one,
            [row_name(item.row, brackets=False) for item in here],
            [
                (
                    name,
                    [stats[METRIC].mean if stats else None for stats in found_stats],
                    [stats[METRIC].std if stats else None for stats in found_stats],
                )
                for name, found_stats in held
            ],
        )
        one.set_title(f"{place[0]}\n{label_of(place[1])}")
        one.set_ylabel(_LABEL)
    legend(figure, axes[0])
    return figure


def grouped_rows(material: Material) -> list[Grouped]:
    """What Figure 4 shows.

    Raises:
        Unfilled: no row with steps has runs.
        DatasetError: a data set is not prepared.
        InputError: it is not the one that the runs were tested on.
    """
    found = [item for item in grouped(material.results, material.load) if item.groups and item.groups[0].over_first]
    if not found:
        raise Unfilled("needs a row with steps whose runs are stored")
    return found


def groups_figure(material: Material) -> Figure:
    """Figure 4: groups of users and of items, each at every step of one model."""
    found = grouped_rows(material)
    figure, axes = wrapped(2 * len(found), columns=4 if len(found) > 1 else 2)
    for place, item in enumerate(found):
        for side, (kind, name) in enumerate(((USERS, "UG"), (ITEMS, "IG"))):
            one = axes[2 * place + side]
            here = [held for held in item.groups if held.group.kind == kind]
            states = sorted(state for state in here[0].states if state.startswith("step_"))
            bars(
                one,
                [f"{name}-{number}" for number in range(GROUPS)],
                [
                    (
                        state.replace("step_", "Step "),
                        [held.states[state][METRIC].mean if held.states else None for held in here],
                        [held.states[state][METRIC].std if held.states else None for held in here],
                    )
                    for state in states
                ],
            )
            one.set_title(f"{item.row.dataset}\n{label_of(item.row.backbone)} {row_name(item.row, brackets=False)}")
            one.set_ylabel(_LABEL)
    legend(figure, axes[0])
    return figure


def rows_by_steps(material: Material) -> list[Measured]:
    """What Figure 5 shows.

    Raises:
        Unfilled: there is but one K.
    """
    rows = [row for row in measure(material.results) if row.steps is not None and row.stats[METRIC].mean is not None]
    if len({row.steps for row in rows} - {0}) < 2:
        raise Unfilled("needs rows at several K")
    return rows


def steps_figure(material: Material) -> Figure:
    """Figure 5: a metric by K, a model trained for each."""
    rows = rows_by_steps(material)
    places = list(dict.fromkeys((row.dataset, row.backbone) for row in rows))
    figure, axes = wrapped(len(places))
    names = list(dict.fromkeys(row.strategy for row in rows))
    for one, place in zip(axes, places, strict=True):
        here = [row for row in rows if (row.dataset, row.backbone) == place]
        for number, name in enumerate(names):
            held = sorted((row for row in here if row.strategy == name), key=lambda row: row.steps or 0)
            if held and all(row.steps == 0 for row in held):
                one.axhline(held[0].stats[METRIC].mean or 0.0, label=label_of(name), color="#000000", linewidth=0.8)
            elif held:
                spread = [row.stats[METRIC].std or 0.0 for row in held]
                means = [row.stats[METRIC].mean or 0.0 for row in held]
                depths = [row.steps or 0 for row in held]
                one.errorbar(depths, means, yerr=spread, elinewidth=0.6, label=label_of(name), **series(number))
        one.set_xticks(sorted({row.steps for row in here if row.steps}))
        one.set_xlabel("reasoning steps K")
        one.set_ylabel(_LABEL)
        one.set_title(f"{place[0]}\n{label_of(place[1])}")
    legend(figure, axes[0])
    return figure


def sweeps(material: Material) -> list[Sweep]:
    """What Figure 6 shows.

    Raises:
        Unfilled: no row sweeps a hyper-parameter.
    """
    rows = [row for row in compare(measure(material.results)) if row.row.strategy.count("=") == 1]
    if not rows:
        raise Unfilled("needs a row that sweeps one hyper-parameter ({sweep: [...]})")
    found = []
    for place in dict.fromkeys(_swept(row) for row in rows):
        here = [row for row in rows if _swept(row) == place and row.row.stats[METRIC].mean is not None]
        values = tuple(row.row.strategy.partition("=")[2].removesuffix("]") for row in here)
        reference = next((row.against for row in here if row.against is not None), None)
        found.append(Sweep(*place, values, tuple(row.row for row in here), reference))
    return found


def sensitivity_figure(material: Material) -> Figure:
    """Figure 6: a metric by the value of a swept hyper-parameter; the reference as a line."""
    found = sweeps(material)
    figure, axes = wrapped(len(found))
    for number, (one, sweep) in enumerate(zip(axes, found, strict=True)):
        one.errorbar(
            range(len(sweep.rows)),
            [row.stats[METRIC].mean or 0.0 for row in sweep.rows],
            yerr=[row.stats[METRIC].std or 0.0 for row in sweep.rows],
            elinewidth=0.6,
            label=label_of(sweep.strategy),
            **series(2 + number % 4),
        )
        level = sweep.reference.stats[METRIC].mean if sweep.reference is not None else None
        if sweep.reference is not None and level is not None:
            one.axhline(level, color="#000000", linewidth=0.8, label=label_of(sweep.reference.strategy))
        one.set_xticks(range(len(sweep.values)), sweep.values)
        one.set_xlabel(sweep.parameter)
        one.set_ylabel(_LABEL)
        one.set_title(f"{sweep.dataset}\n{label_of(sweep.backbone)} {label_of(sweep.strategy)}")
        one.legend()
    return figure


def parts(material: Material) -> dict[tuple[str, str], list[Measured]]:
    """What Figure 7 shows: data set and backbone to whole methods, each followed by those that lack a part of it.

    Raises:
        Unfilled: no row is compared with another one that reasons.
    """
    rows = [row for row in families(compare(measure(material.results))) if row.row.stats[METRIC].mean is not None]
    if not rows:
        raise Unfilled("needs a row that is compared with another one that reasons (against: erl)")
    found: dict[tuple[str, str], list[Measured]] = {}
    for row in rows:
        found.setdefault((row.row.dataset, row.row.backbone), []).append(row.row)
    return found


def ablation_figure(material: Material) -> Figure:
    """Figure 7: whole methods and those that lack a part."""
    found = parts(material)
    figure, axes = wrapped(len(found))
    for one, (place, rows) in zip(axes, found.items(), strict=True):
        for number, row in enumerate(rows):
            held = row.stats[METRIC]
            one.bar(number, held.mean or 0.0, 0.7, yerr=held.std or 0.0, error_kw={"elinewidth": 0.6}, **fill(number))
        one.set_xticks(range(len(rows)), [label_of(row.strategy) for row in rows], rotation=20, ha="right")
        one.grid(visible=False, axis="x")
        one.set_ylabel(_LABEL)
        one.set_title(f"{place[0]}\n{label_of(place[1])}")
        _from_below(one, [row.stats[METRIC] for row in rows])
    return figure


def pareto_figure(material: Material) -> Figure:
    """Quality against measured time: each row at its K, from stored profiles of the suite."""
    points = timed(material)
    places = list(dict.fromkeys((row.dataset, row.backbone) for row, _ in points))
    figure, axes = wrapped(len(places))
    names = list(dict.fromkeys(row.strategy for row, _ in points))
    for one, place in zip(axes, places, strict=True):
        here = [(row, seconds) for row, seconds in points if (row.dataset, row.backbone) == place]
        for number, name in enumerate(names):
            held = sorted(((seconds, row) for row, seconds in here if row.strategy == name), key=lambda one: one[0])
            if held:
                means = [row.stats[METRIC].mean or 0.0 for _, row in held]
                one.plot([seconds for seconds, _ in held], means, label=label_of(name), **series(number))
        one.set_xlabel("seconds over the test set")
        one.set_ylabel(_LABEL)
        one.set_title(f"{place[0]}\n{label_of(place[1])}")
    legend(figure, axes[0])
    return figure


def timed(material: Material) -> list[tuple[Measured, float]]:
    """Rows with the median seconds that their profile has at their K.

    Raises:
        Unfilled: no row has both runs and a profile.
    """
    found = []
    for row in measure(material.results):
        if row.stats[METRIC].mean is None or row.steps is None:
            continue
        for profile in material.profiles:
            subject = profile.subject
            if (subject.spec.dataset, subject.backbone, subject.row) == (row.dataset, row.backbone, row.strategy):
                seconds = {line.steps: line.times.median for line in profile.lines}
                if row.steps in seconds:
                    found.append((row, seconds[row.steps]))
    if not found:
        raise Unfilled(f"needs profiles of the suite's rows:  rearec-bench profile {material.results.name}")
    return found


def _control(controls: Mapping[str, Control], name: str) -> Mapping[str, Stat] | None:
    held = controls.get(name)
    return None if held is None else held.stats


def _swept(row: Compared) -> tuple[str, str, str, str]:
    family, _, rest = row.row.strategy.partition("[")
    return row.row.dataset, row.row.backbone, family, rest.partition("=")[0]


def span_from_below(stats: Sequence[Stat]) -> tuple[float, float] | None:
    """Where an axis of bars starts and ends if it is cut, because all are close together; None where it is not."""
    lows = [held.mean - (held.std or 0.0) for held in stats if held.mean is not None]
    highs = [held.mean + (held.std or 0.0) for held in stats if held.mean is not None]
    if not lows or min(lows) <= 0.5 * max(highs) or not math.isfinite(max(highs)):
        return None
    room = max(highs) - min(lows) or 0.1 * max(highs)
    return max(0.0, min(lows) - room), max(highs) + 0.2 * room


def _from_below(axes: Axes, stats: Sequence[Stat]) -> None:
    """Start the axis below the lowest bar where all are close together, and say so by its label."""
    span = span_from_below(stats)
    if span is not None:
        axes.set_ylim(*span)
        axes.set_ylabel(f"{_LABEL} (cut)")
