"""Neighbours of items by Swing similarity (Yang et al. 2020, arXiv 2010.05525), as in the released code of ManCAR.

Two users who both have items i and j say the more of them the fewer other items they share. With U_i the users of an
item and I_u the items of a user,

    s(i, j) = 1 / sqrt(|U_j|) * sum over pairs u, v of users of both items of w_u w_v / (1 + |I_u and I_v|),

w_u = (|I_u| + 5)^-0.3. The released code draws at most ten users of a pair of items, and adds s(i, j) once for each of
their users; here the sum is over all pairs, of at most `_USERS` users of item i, evenly spaced, and nothing is drawn.

The terms of a sum are whole multiples of 2^-36, so that float64 adds them exactly in any order: equal items are equal
to the last bit, and a table does not depend on the number of threads. Cost: for each item, products of the matrix of
its users by their items.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_USERS = 100
_SMOOTHING, _EXPONENT = 5.0, 0.3
_QUANTUM = 2.0**36  # a sum of `_USERS`^2 terms below 1/4 is then a whole number below 2^53

Whole = NDArray[np.int64]


def swing_neighbours(users: Whole, items: Whole, *, num_items: int, count: int) -> Whole:
    """(N, count) the most similar items of each item, best first; -1 where fewer have two users in common with it.

    Of equally similar ones the smaller id comes first.

    Args:
        users: (P,) of distinct pairs of a user and an item of theirs.
        items: (P,)
        num_items: N.
        count: of neighbours.
    """
    _, of, sizes = np.unique(users, return_inverse=True, return_counts=True)
    by_user, by_item = np.argsort(of, kind="stable"), np.lexsort((of, items))
    owned, first = items[by_user], np.cumsum(sizes) - sizes
    popularity = np.bincount(items, minlength=num_items)
    bounds = np.append(0, np.cumsum(popularity))
    weights = (sizes + _SMOOTHING) ** -_EXPONENT
    table = np.full((num_items, count), -1, np.int64)
    for item in range(num_items):
        known = of[by_item[bounds[item] : bounds[item + 1]]]
        if len(known) > _USERS:
            known = known[np.arange(_USERS) * len(known) // _USERS]
        spans = sizes[known]
        rows = np.repeat(np.arange(len(known)), spans)
        places = np.arange(spans.sum()) + np.repeat(first[known] - (np.cumsum(spans) - spans), spans)
        others, columns = np.unique(owned[places], return_inverse=True)
        has = np.zeros((len(known), len(others)))
        has[rows, columns] = 1
        terms = np.rint(np.outer(weights[known], weights[known]) / (1 + has @ has.T) * _QUANTUM)
        np.fill_diagonal(terms, 0)
        similar = ((terms @ has) * has).sum(0) / np.sqrt(popularity[others])  # each pair twice: no order changes
        similar[others == item] = 0
        best = np.lexsort((others, -similar))[:count]
        best = best[similar[best] > 0]
        table[item, : len(best)] = others[best]
    return table
