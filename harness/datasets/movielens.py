"""MovieLens from RecBole's atomic files: ratings above 3, 5-core, split by time at 80% and 90%."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import raw, rules
from .assemble import Assembled, assemble
from .made import CATALOGUE_OF_TRAINING, HASHED_TIES, WHOLE_HISTORY, Made
from .recbole import read_attributes, read_ratings
from .texts import item_text

CORE = 5
RATING_ABOVE = 3.0
ATTRIBUTES = {
    "title": "movie_title:token_seq",
    "year": "release_year:token",
    "genres": "class:token_seq",
}
"""What an item's text tells of it, in this order, and the columns it stands in; titles alone must be there."""


def make(source: Path, name: str, *, advice: str) -> Made:
    """Read `{name}.inter` and `{name}.item`.

    Args:
        source: the folder.
        name: "ml-100k".
        advice: what to do where a file is missing.

    Returns:
        What the card and the disk need.

    Raises:
        DatasetError: a missing file or column, a value that is not a number.
    """
    inter = raw.find(source, [f"{name}.inter"], advice=advice)
    item = raw.find(source, [f"{name}.item"], advice=advice)
    ratings = read_ratings(inter)
    films = read_attributes(item, ATTRIBUTES, needed=("title",))
    everything = ratings.interactions
    liked = everything.take(ratings.ratings > RATING_ABOVE)
    core = liked.take(rules.k_core(liked, CORE))
    ordered = core.take(rules.time_order(core))
    boundaries = rules.time_boundaries(ordered.times)
    assembled = assemble(ordered, rules.split_by_time(ordered.times, boundaries))
    return Made(
        recipe=name,
        assembled=assembled,
        titles=_of_items(assembled, {token: film["title"] for token, film in films.items()}),
        sources=(raw.describe(inter), raw.describe(item)),
        protocol={
            "split": "by time at 80/90%",
            "filters": f"ratings above {RATING_ABOVE:g}; {CORE}-core on users and items, to the fixed point",
            "catalogue": CATALOGUE_OF_TRAINING,
            "equal_times": HASHED_TIES,
            "history": WHOLE_HISTORY,
        },
        source_counts={
            "users": len(everything.user_tokens),
            "items": len(everything.item_tokens),
            "interactions": len(everything),
        },
        filtered=(
            (f"rating not above {RATING_ABOVE:g}", len(everything) - len(liked)),
            (f"outside the {CORE}-core", len(liked) - len(core)),
        ),
        time_range=rules.time_range(ordered.times),
        notes={
            "boundaries": list(boundaries),
            "users_left": _distinct(core.users),
            "items_left": _distinct(core.items),
        },
        texts=_of_items(assembled, {token: item_text(film) for token, film in films.items()}),
    )


def _of_items(assembled: Assembled, told: Mapping[str, str]) -> NDArray[np.object_]:
    return np.array([told.get(token, "") for token in assembled.item_tokens], dtype=object)


def _distinct(codes: NDArray[np.int64]) -> int:
    return len(np.unique(codes))
