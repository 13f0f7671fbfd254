"""What generated data sets share: random numbers that are the same on every machine, and the rules of their recipe.

All randomness comes from raw words of PCG64, whose stream numpy promises to keep (the streams of `Generator`'s methods
may change). Only comparisons, divisions and running sums turn them into choices, which IEEE 754 fixes to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.events import Events
from ..data.interactions import Interactions
from ..data.items import ItemAttributes
from ..data.recipe_result import RecipeResult
from ..recipe.recipe import Recipe, SplitRule, Text
from ..rules.build import build


class Draws:
    """Random numbers in batches, from the raw words of PCG64."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def words(self, count: int) -> NDArray[np.uint64]:
        """64-bit whole numbers."""
        return self._bits.random_raw(count)

    def uniform(self, count: int) -> NDArray[np.float64]:
        """Numbers in [0, 1)."""
        return (self.words(count) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def below(self, bound: int, count: int) -> NDArray[np.int64]:
        """Whole numbers in [0, bound)."""
        return (self.uniform(count) * bound).astype(np.int64)

    def choice(self, cumulative: NDArray[np.float64], count: int) -> NDArray[np.int64]:
        """Indices of weights, drawn in proportion to them; `cumulative` is their running sum."""
        places = np.searchsorted(cumulative, self.uniform(count) * cumulative[-1], side="right")
        return np.minimum(places, len(cumulative) - 1)


def generated(
    name: str,
    interactions: Interactions,
    attributes: Callable[[Collection[str]], Mapping[str, Mapping[str, str]]],
    **notes: Any,
) -> RecipeResult:
    """A data set of generated interactions, split by time at 80/90%; `notes` are facts for the card."""
    recipe = Recipe(
        name=name,
        reader="csv",  # nothing is read: the rules want a recipe
        columns={"user": "user", "item": "item", "time": "time"},
        split=SplitRule(kind="quantiles", at=(Decimal("0.8"), Decimal("0.9"))),
        text=Text(fields={"title": ("title",), "topic": ("topic",)}),
    )
    events = Events(interactions, ratings=None, sources=(), time_unit="seconds")
    result = build(recipe, events, lambda wanted: ItemAttributes(attributes(wanted), sources=()))
    kept = {key: note for key, note in result.notes.items() if not key.startswith("recipe_")}
    return replace(result, protocol={**result.protocol, "filters": "none: generated"}, notes={**kept, **notes})
