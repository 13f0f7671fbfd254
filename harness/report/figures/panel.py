"""What a figure shows, apart from how it is drawn: `printed.py` and `html/chart.py` draw the same panels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...analysis.compare import Stat
from .colours import COLOURS, colour_of, tone_of

MOST_LINES = 8
"""Series of strategies that share axes."""
MOST_STEPS = len(COLOURS)
"""Series of a scale that share axes."""
OTHERS = "others"
"""Of the series behind, in the legend."""
GROUP, RANK_INTERVAL = "cannot be told apart", "95% of the rank"
"""The legend of ranks."""


@dataclass(frozen=True)
class Series:
    """One series of a panel.

    Attributes:
        kind: "level" is a line across the whole panel, at its only y.
        y: values; None where there is none.
        place: number of its colour, marker, line and hatch, or of each of its bars; see `colours.py`.
        x: empty for the panel's labels, one after the other.
        spread: standard deviations; empty for none.
        notes: a word beside each point; empty for none.
        variant: number among the rows of one sweep, which have one colour; other markers and lines tell them apart.
    """

    kind: Literal["bars", "line", "level", "points"]
    name: str
    y: Sequence[float | None]
    place: int | Sequence[int] = 0
    x: Sequence[float] = ()
    spread: Sequence[float] = ()
    notes: Sequence[str] = ()
    variant: int = 0


@dataclass(frozen=True)
class Gain:
    """A row's gain over another one, in percent, with 95% intervals as (low, high); None for none.

    Attributes:
        place: of its strategy's colour and marker.
        clear: more than chance after correction.
    """

    name: str
    percent: float
    users: tuple[float, float] | None
    seeds: tuple[float, float] | None
    clear: bool
    place: int = 0

    def beyond(self, limits: tuple[float, float] | None) -> tuple[bool, bool]:
        """Whether the interval over seeds goes on to the left and to the right of an axis with these limits."""
        if limits is None or self.seeds is None:
            return False, False
        return self.seeds[0] < limits[0], self.seeds[1] > limits[1]


@dataclass(frozen=True)
class Standing:
    """A row's rank, 95% of it as (low, high) or None, and the groups that it belongs to, by their numbers.

    Attributes:
        place: of its strategy's colour and marker.
    """

    name: str
    rank: float
    interval: tuple[float, float] | None
    groups: Sequence[int]
    place: int = 0


T = TypeVar("T", Series, Gain, Standing)


@dataclass(frozen=True)
class Panel:
    """A pair of axes.

    Attributes:
        title: data set and the rest, in two lines.
        about: a description for those who cannot see it.
        heat: a square matrix in place of series.
        gains: a forest plot in place of series, the first of `labels` at its top.
        standings: ranks in place of series, the best at the top, below a bar for each group that cannot be told apart.
        difference: the critical one of `standings`; None for none.
        labels: words along x, or the names of all rows of a forest plot, which may lack some of them; empty where x are
            numbers.
        whole: x are whole numbers.
        limits: of the y axis, of the x axis of `gains`, or of the colours of `heat`; None for those of the values.
        ranks: the y axis is logarithmic, and 1 is at its top.
        named: each line has its name at its end, in print in place of a legend.
        ordered: the series are no strategies; their colours are a scale.
        behind: series drawn faintly behind the others.
        scale: panels of one scale are compared, and have the same y axis in print; "" for an axis of its own.
        abreast: so many panels in a row belong side by side in print.
    """

    title: str
    about: str
    series: Sequence[Series] = ()
    x: str = ""
    y: str = ""
    heat: NDArray[np.float64] | None = None
    gains: Sequence[Gain] = ()
    standings: Sequence[Standing] = ()
    difference: float | None = None
    labels: Sequence[str] = ()
    whole: bool = False
    limits: tuple[float, float] | None = None
    ranks: bool = False
    named: bool = False
    ordered: bool = False
    behind: Sequence[Series] = ()
    scale: str = ""
    abreast: int = 1

    def words(self) -> str:
        """All that is written in it."""
        names = [*(one.name for one in (*self.series, *self.behind)), *(gain.name for gain in self.gains)]
        names += [one.name for one in self.standings]
        notes = [note for series in self.series for note in series.notes]
        return "\n".join([self.title, self.x, self.y, *self.labels, *names, *notes])

    def translated(self, signs: Mapping[int, str]) -> Panel:
        """The panel with other signs in its words, for `str.translate`."""

        def named(each: T) -> T:
            return replace(each, name=each.name.translate(signs))

        return replace(
            self,
            title=self.title.translate(signs),
            x=self.x.translate(signs),
            y=self.y.translate(signs),
            labels=[label.translate(signs) for label in self.labels],
            series=[replace(named(one), notes=[note.translate(signs) for note in one.notes]) for one in self.series],
            behind=list(map(named, self.behind)),
            gains=list(map(named, self.gains)),
            standings=list(map(named, self.standings)),
        )

    def bars(self) -> list[list[float]]:
        """Of each group of `standings` the ranks of its rows, the first group's first."""
        count = 1 + max((max(one.groups) for one in self.standings), default=-1)
        return [[one.rank for one in self.standings if number in one.groups] for number in range(count)]

    def colour(self, place: int, *, filled: bool = False) -> str:
        """Of a strategy's place, or of a place on the scale."""
        if self.ordered:
            return tone_of(place, len(self.series) + len(self.behind))
        return colour_of(place, filled=filled)


def by_strategy(panel: Panel) -> list[Panel]:
    """A panel, or one for each strategy (for each step) where they are too many for one, the others' lines behind."""
    several = [series for series in panel.series if series.kind != "level"]
    places = [series.place for series in several if isinstance(series.place, int)]  # bars of many colours stay together
    colours = {panel.colour(place) for place in places}
    if len(several) <= (MOST_STEPS if panel.ordered else MOST_LINES) and len(colours) == len(set(places)):
        return [panel]
    levels = [series for series in panel.series if series.kind == "level"]
    title = panel.title.replace("\n", " ")
    groups: dict[object, list[Series]] = {}
    for series in several:
        together = isinstance(series.place, int) and places.count(series.place) <= MOST_LINES and not panel.ordered
        groups.setdefault(series.place if together else series.name, []).append(series)
    return [
        replace(
            panel,
            title=f"{title}\n{group[0].name if len(group) == 1 else group[0].name.partition('[')[0]}",
            series=(*levels, *(group if len(group) > 1 else [replace(group[0], name="")])),
            behind=[series for series in several if series.kind != "bars" and series not in group],
            scale=panel.scale or panel.title,
            named=False,
        )
        for group in groups.values()
    ]


def over_seeds(
    kind: Literal["bars", "line"],
    name: str,
    stats: Sequence[Stat | None],
    place: int | Sequence[int],
    *,
    x: Sequence[float] = (),
    notes: Sequence[str] = (),
    variant: int = 0,
) -> Series:
    """Means with standard deviations over seeds."""
    means = [None if stat is None else stat.mean for stat in stats]
    spread = [0.0 if stat is None else stat.std or 0.0 for stat in stats]
    return Series(kind, name, means, place, x, spread, notes, variant)
