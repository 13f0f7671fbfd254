"""Interactions: who took what, when; the common form of everything that is not already cut into rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Interactions:
    """M interactions, in any order. Codes do not depend on the order in which tokens appear.

    Attributes:
        users: (M,) int64, index into `user_tokens`.
        items: (M,) int64, index into `item_tokens`.
        times: (M,) float64, in the source's unit.
        user_tokens: (U,) what the source calls each user, sorted.
        item_tokens: (N,) what the source calls each item, sorted.
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


def from_tokens(users: NDArray[Any], items: NDArray[Any], times: NDArray[np.float64]) -> Interactions:
    """Number the users and items of a source.

    Args:
        users: (M,) tokens, strings.
        items: (M,) tokens, strings.
        times: (M,) in the source's unit.

    Returns:
        The interactions in the same order. Tokens are numbered in numeric order where all of them are whole numbers,
        in alphabetical order elsewhere.
    """
    user_codes, user_tokens = number_tokens(users)
    item_codes, item_tokens = number_tokens(items)
    return Interactions(user_codes, item_codes, times, user_tokens, item_tokens)


def number_tokens(tokens: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """Number the tokens of a source.

    Args:
        tokens: (M,) strings.

    Returns:
        (M,) numbers, and the distinct tokens in the order of their numbers: numeric where all of them are whole
        numbers, alphabetical elsewhere.
    """
    import pandas as pd

    codes, uniques = pd.factorize(np.asarray(tokens, dtype=object))
    names = [str(token) for token in uniques]
    whole = all(name.isascii() and name.isdigit() for name in names)
    order = sorted(range(len(names)), key=(lambda n: (int(names[n]), names[n])) if whole else names.__getitem__)
    place = np.empty(len(names), dtype=np.int64)
    place[order] = np.arange(len(names))
    sorted_names = np.empty(len(names), dtype=object)
    sorted_names[:] = [names[n] for n in order]
    return place[codes], sorted_names
