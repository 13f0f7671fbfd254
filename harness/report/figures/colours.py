"""The colours of all figures, in print and on the page: one of its own for each strategy, and a scale for the rest.

Strategies have those of Okabe and Ito, without their yellow, which white paper swallows, and three more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

COLOURS = ("#000000", "#E69F00", "#0072B2", "#56B4E9", "#009E73", "#D55E00", "#CC79A7", "#8C5A2B", "#9A9A00", "#46627F")
GREY = "#777777"
"""Of bars in place of black."""
FAINT = "#CCCCCC"
"""Of lines behind those that are shown."""
TONES = ("#98A4B0", "#6B8CC0", "#7A68B8", "#A04BA6", "#C0397A", "#8A1F4B")
"""Of what is no strategy, such as steps: a scale, so that none of them looks like one."""

_KNOWN = {"base": 0, "erl": 1, "prl": 2, "naive": 3, "rpe": 4}
_SHARED = 3
"""The first place whose colour other strategies may have."""


def places_of(strategies: Iterable[str]) -> Mapping[str, int]:
    """The place in `COLOURS`, markers, lines and hatches of each of a suite's rows, by their names.

    The paper's have the same in every suite, and ERL's and PRL's are nobody else's; others have what is left, in
    their order, and from `len(COLOURS)` on places whose colours repeat. Rows of a sweep have one place.
    """
    names = list(dict.fromkeys(strategies))
    bare = dict.fromkeys(name.partition("[")[0] for name in names)
    taken = {_KNOWN[name] for name in bare if name in _KNOWN}
    others = [name for name in bare if name not in _KNOWN]
    free = [place for place in range(_SHARED, _SHARED + len(bare)) if place not in taken]
    found = {**_KNOWN, **dict(zip(others, free, strict=False))}
    return {name: found[name.partition("[")[0]] for name in names}


def places_beside_names(strategies: Iterable[str]) -> Mapping[str, int]:
    """`places_of`, or one place for all where colours would repeat: where names stand beside them, none is needed."""
    places = places_of(strategies)
    return places if max(places.values(), default=0) < len(COLOURS) else dict.fromkeys(places, 0)


def variants_of(strategies: Iterable[str]) -> Mapping[str, int]:
    """The number of each row among those of its sweep, which have one colour and differ in markers and lines."""
    families: dict[str, list[str]] = {}
    for name in dict.fromkeys(strategies):
        families.setdefault(name.partition("[")[0], []).append(name)
    return {name: number for names in families.values() for number, name in enumerate(names)}


def colour_of(place: int, *, filled: bool = False) -> str:
    """The colour of a strategy's place; `filled` areas are never black."""
    colour = COLOURS[place if place < _SHARED else _SHARED + (place - _SHARED) % (len(COLOURS) - _SHARED)]
    return GREY if filled and colour == COLOURS[0] else colour


def tone_of(place: int, count: int) -> str:
    """The colour of a place on the scale: one of `TONES`, or between two of them where `count` places are more."""
    at = place if count <= len(TONES) else place * (len(TONES) - 1) / (count - 1)
    below, share = int(at), at % 1
    ends = [bytes.fromhex(TONES[min(end, len(TONES) - 1)][1:]) for end in (below, below + 1)]
    return "#" + bytes(round(low + share * (high - low)) for low, high in zip(*ends, strict=True)).hex().upper()
