"""RecBole's atomic files: tab-separated, with `name:type` in the header."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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


def read_attributes(path: Path, columns: Mapping[str, str], *, needed: Collection[str]) -> dict[str, dict[str, str]]:
    """Read the attributes of an `.item` file.

    Args:
        path: the file.
        columns: attribute -> header, such as {"title": "movie_title:token_seq"}.
        needed: the attributes whose column must be there; the others' may be missing.

    Returns:
        Item token -> the attributes that there is a column for, in the order of `columns`; "" where one is empty.

    Raises:
        DatasetError: a missing column or an empty item token.
    """
    item = "item_id:token"
    must = [item, *(columns[name] for name in needed)]
    frame = raw.read_columns(path, must, separator="\t", also=tuple(columns.values()))
    held = {name: header for name, header in columns.items() if header in frame.columns}
    tokens = raw.tokens(path, frame, item)
    values = zip(*(frame[header].str.strip() for header in held.values()), strict=True)
    return {token: dict(zip(held, row, strict=True)) for token, row in zip(tokens, values, strict=True)}
