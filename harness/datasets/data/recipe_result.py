"""The result of a recipe, before it has a card and a place on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..parsing.raw import Source
from .assembled import Assembled


@dataclass(frozen=True)
class RecipeResult:
    """Arrays, and everything that the card records of their origin.

    Attributes:
        recipe: name of the recipe.
        titles: (N,) title of each item, None if the source has none.
        protocol: the choices that a table should state: split, filters, catalogue, equal times, histories.
        source_counts: users, items and interactions of the source, before any filter.
        filtered: (why, number of interactions) of the filters before the rows were cut, in order.
        time_range: first and last time in the source's unit, of the interactions left; None without times.
        notes: more facts for the card.
        texts: (N,) text of each item, for item vectors, "" for none; None if the source has no texts.
    """

    recipe: str
    assembled: Assembled
    titles: NDArray[np.object_] | None
    sources: tuple[Source, ...]
    protocol: Mapping[str, str]
    source_counts: Mapping[str, int]
    filtered: tuple[tuple[str, int], ...] = ()
    time_range: tuple[float, float] | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)
    texts: NDArray[np.object_] | None = None
