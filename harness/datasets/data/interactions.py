"""Interactions of users and items with times: the common form of everything that is not already cut into rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

_DIGITS = 18  # whole numbers of so many fit in 64 bits


@dataclass(frozen=True)
class Interactions:
    """M interactions, in any order. Codes do not depend on the order in which tokens appear.

    Attributes:
        users: (M,) int64, index into `user_tokens`.
        items: (M,) int64, index into `item_tokens`.
        times: (M,) float64, in the source's unit.
        user_tokens: (U,) ids in the source, sorted.
        item_tokens: (N,) ids in the source, sorted.
    """

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    times: NDArray[np.float64]
    user_tokens: NDArray[np.object_]
    item_tokens: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.users)

    def take(self, chosen: NDArray[Any]) -> Interactions:
        """Some of the interactions (a mask or an order); codes stay as they are."""
        return replace(self, users=self.users[chosen], items=self.items[chosen], times=self.times[chosen])


def from_tokens(users: Iterable[str], items: Iterable[str], times: NDArray[np.float64]) -> Interactions:
    """The interactions of M user tokens, item tokens and times, numbered as `number_tokens` does."""
    import polars as pl

    user_codes, user_tokens = number_tokens(pl.Series(list(map(str, users)), dtype=pl.String))
    item_codes, item_tokens = number_tokens(pl.Series(list(map(str, items)), dtype=pl.String))
    return Interactions(user_codes, item_codes, times, user_tokens, item_tokens)


def number_tokens(tokens: pl.Series) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """Numbers (M,) of tokens (strings or categories, without nulls), and the distinct tokens in their order.

    The order is numeric if all of them are whole numbers, else alphabetical.
    """
    import polars as pl

    if tokens.dtype == pl.String:
        tokens = tokens.cast(pl.Categorical(pl.Categories.random()))
    (numbers,), names = number_categories(tokens)
    return numbers.astype(np.int64), names


def number_categories(*columns: pl.Series) -> tuple[list[NDArray[np.int32]], NDArray[np.object_]]:
    """Number the tokens of several columns of the same categories; otherwise as `number_tokens`."""
    import polars as pl

    distinct = pl.concat([tokens.unique() for tokens in columns]).unique()
    ordered = distinct.gather(_order(distinct.cast(pl.String)))
    physical = ordered.to_physical().to_numpy()
    numbers = np.zeros(int(physical.max(initial=0)) + 1, dtype=np.int32)
    numbers[physical] = np.arange(len(physical))
    names = np.empty(len(ordered), dtype=object)
    names[:] = ordered.cast(pl.String).to_list()
    return [numbers[tokens.to_physical().to_numpy()] for tokens in columns], names


def _order(tokens: pl.Series) -> pl.Series:
    """The places of tokens in order."""
    import polars as pl

    if not tokens.str.contains(r"^[0-9]+$").all():
        return tokens.arg_sort()
    if (tokens.str.len_bytes() <= _DIGITS).all():
        frame = pl.DataFrame({"number": tokens.cast(pl.Int64), "token": tokens})
        return frame.select(pl.arg_sort_by("number", "token")).to_series()
    names = tokens.to_list()
    return pl.Series(sorted(range(len(names)), key=lambda place: (int(names[place]), names[place])))
