"""The colours of all figures, in print and on the page: one of its own for each strategy, and a scale for the rest.

Strategies have those of Okabe and Ito, without their yellow, which white paper swallows, and three more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

COLOURS = ("#000000", "#E69F00", "#0072B2", "#56B4E9", "#009E73", "#D55E00", "#CC79A7", "#8C5A2B", "#9A9A00", "#46627F")
GREY = "#777777"
"""Of bars in place of black."""
TONES = ("#98A4B0", "#6B8CC0", "#7A68B8", "#A04BA6", "#C0397A", "#8A1F4B")
"""Of what is no strategy, such as steps: a scale, so that none of them looks like one."""

_KNOWN = {"base": 0, "erl": 1, "prl": 2, "naive": 3, "rpe": 4}


def places_of(strategies: Iterable[str]) -> Mapping[str, int]:
    """The place in `COLOURS`, markers, lines and hatches of each of a suite's rows, by their names.

    The paper's have the same in every suite, and ERL's and PRL's are nobody else's; others share what is left, in
    their order. Rows of a sweep have one place.
    """
    names = list(dict.fromkeys(strategies))
    bare = dict.fromkeys(name.partition("[")[0] for name in names)
    taken = {_KNOWN[name] for name in bare if name in _KNOWN}
    free = [place for place in range(3, len(COLOURS)) if place not in taken]
    others = [name for name in bare if name not in _KNOWN]
    found = {**_KNOWN, **{name: free[at % len(free)] for at, name in enumerate(others)}}
    return {name: found[name.partition("[")[0]] for name in names}


def colour_of(place: int, *, ordered: bool = False, filled: bool = False) -> str:
    """The colour of a place: of a strategy, or with `ordered` of the scale; `filled` areas are never black."""
    if ordered:
        return TONES[place % len(TONES)]
    colour = COLOURS[place % len(COLOURS)]
    return GREY if filled and colour == COLOURS[0] else colour
