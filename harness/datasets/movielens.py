"""MovieLens from RecBole's atomic files: ratings above 3, 5-core, split by time at 80% and 90%."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import raw, rules
from .assemble import assemble
from .made import CATALOGUE_OF_TRAINING, HASHED_TIES, WHOLE_HISTORY, Made
from .recbole import read_ratings, read_titles

CORE = 5
RATING_ABOVE = 3.0


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
    titles = read_titles(item, "movie_title:token_seq")
    everything = ratings.interactions
    liked = everything.take(ratings.ratings > RATING_ABOVE)
    core = liked.take(rules.k_core(liked, CORE))
    ordered = core.take(rules.time_order(core))
    boundaries = rules.time_boundaries(ordered.times)
    assembled = assemble(ordered, rules.split_by_time(ordered.times, boundaries))
    return Made(
        recipe=name,
        assembled=assembled,
        titles=np.array([titles.get(token, "") for token in assembled.item_tokens], dtype=object),
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
    )


def _distinct(codes: NDArray[np.int64]) -> int:
    return len(np.unique(codes))
