"""The rules that turn interactions into a benchmark: k-core, the order of equal times, the splits."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.interactions import Interactions

TRAIN, VALID, TEST = 0, 1, 2


def k_core(interactions: Interactions, users_k: int, items_k: int) -> NDArray[np.bool_]:
    """(M,) bool: the interactions left when users and items with fewer than their k are removed until none is.

    The fixed point is unique: it does not depend on who is removed first.
    """
    users, items = interactions.users, interactions.items
    of_user = np.bincount(users, minlength=len(interactions.user_tokens))
    of_item = np.bincount(items, minlength=len(interactions.item_tokens))
    kept = np.ones(len(users), dtype=bool)
    rows: NDArray[np.int64] | slice = slice(None)  # those that users, items and left are of
    left = kept
    while True:
        lost = ~(of_user >= users_k)[users]
        lost |= ~(of_item >= items_k)[items]
        lost &= left
        if not lost.any():
            return kept
        of_user -= np.bincount(users[lost], minlength=len(of_user))
        of_item -= np.bincount(items[lost], minlength=len(of_item))
        left = left & ~lost
        kept[rows] = left
        if 2 * np.count_nonzero(left) < len(left):
            rows = np.flatnonzero(kept)
            users, items, left = interactions.users[rows], interactions.items[rows], left[left]


def time_order(interactions: Interactions, *, hashed: bool = True) -> NDArray[np.int64]:
    """(M,) int64: the order by user, then time, then (with `hashed`) a hash of (user, item), then place in the source.

    Sources often share a second between many interactions of a user (65% of ml-100k's). With item ids or the file's
    order as tie-break, that order leaks into what is to be predicted; a hash of the source's own names does not.
    """
    users, times = interactions.users, interactions.times
    key = _one_key(users, times, len(interactions.user_tokens))
    order = np.lexsort((times, users)) if key is None else np.argsort(key)
    same = np.ones(max(0, len(order) - 1), dtype=bool)  # as the one before
    for column in (users, times) if key is None else (key,):
        ordered = column[order]
        same &= ordered[1:] == ordered[:-1]
    if not same.any():
        return order
    tied = np.append(same, False)
    tied[1:] |= same
    places = np.flatnonzero(tied)
    groups = np.append(True, ~same)[places].cumsum()
    rows = order[places]
    hashes = (tie_hashes(interactions.take(rows)),) if hashed else ()  # only of those that share a time
    order[places] = rows[np.lexsort((rows, *hashes, groups))]
    return order


def _one_key(users: NDArray[np.int64], times: NDArray[np.float64], num_users: int) -> NDArray[np.int64] | None:
    """(M,) one number in the order of user and time, several times as fast to sort; None if 63 bits are too few."""
    if len(times) == 0 or not max(abs(times.min()), abs(times.max())) < 2.0**53:
        return None
    whole = times.astype(np.int64)
    if (whole != times).any():
        return None
    whole -= whole.min()
    bits = int(whole.max()).bit_length()
    if bits + num_users.bit_length() > 63:
        return None
    whole |= users << bits
    return whole


def repeated(interactions: Interactions, *, same_time: bool, keep_last: bool = False) -> NDArray[np.bool_]:
    """(M,) bool: which interactions repeat another one of the same user and item (and, with `same_time`, time).

    The earliest is the original, or the latest with `keep_last`; of equal times, the one that is first (or last) in the
    source.
    """
    order = np.lexsort((interactions.times, interactions.items, interactions.users))
    users, items, times = (column[order] for column in (interactions.users, interactions.items, interactions.times))
    same = (users[1:] == users[:-1]) & (items[1:] == items[:-1])
    if same_time:
        same &= times[1:] == times[:-1]
    repeats = np.zeros(len(order), dtype=bool)
    repeats[order[:-1] if keep_last else order[1:]] = same
    return repeats


def tie_hashes(interactions: Interactions) -> NDArray[np.uint64]:
    """(M,) uint64: one hash per interaction, of its user's and its item's token; the same on every machine."""
    users = _hashes(interactions.user_tokens, interactions.users)
    items = _hashes(interactions.item_tokens, interactions.items)
    return mix(mix(users) ^ items)


def time_boundaries(times: NDArray[np.float64], at: tuple[Decimal, Decimal]) -> tuple[float, float]:
    """The times that end training and validation: lower quantiles of `times` (M,) at shares `at` from 0 to 1.

    They are the time of interaction floor(q (M - 1)), counted from 0 in time order.
    """
    places = [int(Fraction(share) * (len(times) - 1)) for share in at]
    ordered = np.partition(times, places)
    return float(ordered[places[0]]), float(ordered[places[1]])


def range_boundaries(times: NDArray[np.float64], at: tuple[Decimal, Decimal]) -> tuple[float, float]:
    """Times at shares q, from 0 to 1, of the range: first + q (last - first)."""
    first, last = Fraction(float(times.min())), Fraction(float(times.max()))
    boundaries = [float(first + Fraction(share) * (last - first)) for share in at]
    return boundaries[0], boundaries[1]


def split_by_time(times: NDArray[np.float64], boundaries: tuple[float, float]) -> NDArray[np.int8]:
    """(M,) int8: TRAIN, VALID or TEST; one at a boundary belongs to the earlier part, with all others of that time."""
    first, second = boundaries
    parts = (times > first).astype(np.int8)
    parts += times > second
    return parts


def split_leave_one_out(users: NDArray[np.int64]) -> NDArray[np.int8]:
    """(M,) int8: each user's last interaction is TEST, the one before VALID, the rest TRAIN.

    `users` (M,) is ascending, each user's interactions in time order. A user with fewer than three interactions is all
    training: a row of validation would have nothing before it.
    """
    starts, counts = _runs(users)
    part = np.zeros(len(users), dtype=np.int8)
    enough = counts >= 3
    last = (starts + counts - 1)[enough]
    part[last] = TEST
    part[last - 1] = VALID
    return part


def positions(users: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(M,) int64 index of its user's first interaction, and (M,) int64 position from there; users are contiguous."""
    starts, counts = _runs(users)
    first = np.repeat(starts, counts)
    place = np.arange(len(users))
    place -= first
    return first, place


def _runs(values: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]])).astype(np.int64)
    return starts, np.diff(np.append(starts, len(values)))


def _hashes(tokens: NDArray[np.object_], codes: NDArray[np.int64]) -> NDArray[np.uint64]:
    """(M,) the hash of each code's token."""
    used = np.bincount(codes, minlength=len(tokens)) > 0
    digests = b"".join(hashlib.sha256(str(token).encode()).digest()[:8] for token in tokens[used])
    hashes = np.zeros(len(tokens), dtype=np.uint64)
    hashes[used] = np.frombuffer(digests, dtype="<u8")
    return hashes[codes]


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64, a bijection of 64-bit words that scatters every bit; any shape."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
