"""RecBole's atomic files: tab-separated, with `name:type` in the header."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError
from . import raw
from .interactions import Interactions, from_tokens


@dataclass(frozen=True)
class Ratings:
    """Interactions with their ratings.

    Attributes:
        interactions: M of them, in the order of the file.
        ratings: (M,) float64.
    """

    interactions: Interactions
    ratings: NDArray[np.float64]


def read_ratings(path: Path) -> Ratings:
    """Read an `.inter` file with users, items, ratings and times.

    Args:
        path: the file.

    Returns:
        All of its interactions.

    Raises:
        DatasetError: a missing column, a broken value (with its line), no interaction.
    """
    columns = ("user_id:token", "item_id:token", "rating:float", "timestamp:float")
    frame = raw.read_columns(path, columns, separator="\t")
    if frame.empty:
        raise DatasetError(f"{path} holds no interaction, only a header.")
    user, item, rating, time = columns
    interactions = from_tokens(
        raw.tokens(path, frame, user), raw.tokens(path, frame, item), raw.numbers(path, frame, time)
    )
    return Ratings(interactions, raw.numbers(path, frame, rating))


def read_titles(path: Path, column: str) -> dict[str, str]:
    """Read the titles of an `.item` file.

    Args:
        path: the file.
        column: header of the titles, such as "movie_title:token_seq".

    Returns:
        Item token -> title.

    Raises:
        DatasetError: a missing column or an empty item token.
    """
    frame = raw.read_columns(path, ("item_id:token", column), separator="\t")
    return dict(zip(raw.tokens(path, frame, "item_id:token"), frame[column].str.strip(), strict=True))
