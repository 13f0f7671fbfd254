"""Swing neighbours against loops over pairs of users."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest

from rearec_bench.models import swing
from rearec_bench.models.swing import swing_neighbours


def made(users: int, items: int, each: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Distinct pairs, sorted; few items are had by many."""
    draw = np.random.default_rng(seed)
    chosen = (items * draw.random(users * each) ** 3).astype(np.int64)
    pairs = np.unique(np.repeat(np.arange(users), each) * items + chosen)
    return pairs // items, pairs % items


def naive_similarities(users: np.ndarray, items: np.ndarray, num_items: int) -> np.ndarray:
    """(N, N), 0 on the diagonal."""
    of_user = {user: set(items[users == user].tolist()) for user in set(users.tolist())}
    of_item = {item: set(users[items == item].tolist()) for item in range(num_items)}
    found = np.zeros((num_items, num_items))
    for i, j in itertools.permutations(range(num_items), 2):
        for u, v in itertools.combinations(of_item[i] & of_item[j], 2):
            weight = (len(of_user[u]) + 5) ** -0.3 * (len(of_user[v]) + 5) ** -0.3
            found[i, j] += weight / (1 + len(of_user[u] & of_user[v])) / math.sqrt(len(of_item[j]))
    return found


def test_neighbours_are_those_of_plain_loops() -> None:
    users, items = made(40, 30, 6)
    similar = naive_similarities(users, items, 31)
    table = swing_neighbours(users + 7, items, num_items=31, count=5)
    assert (table[30] == -1).all() and (table >= 0).mean() > 0.5  # nobody has the last one
    for item, found in enumerate(table):
        known = found[found >= 0]
        assert item not in known and len(set(known.tolist())) == len(known) == min(5, (similar[item] > 0).sum())
        assert similar[item, known] == pytest.approx(np.sort(similar[item])[::-1][: len(known)], rel=1e-6)


def test_of_equally_similar_items_the_smaller_id_comes_first() -> None:
    users, items = np.repeat(np.arange(4), 6), np.tile(np.array([8, 2, 6, 0, 4, 1]), 4)
    table = swing_neighbours(users, items, num_items=9, count=4)
    assert table[[0, 6, 3]].tolist() == [[1, 2, 4, 6], [0, 1, 2, 4], [-1] * 4]


def test_of_an_item_with_many_users_evenly_spaced_ones_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swing, "_USERS", 3)
    users = np.repeat(np.arange(6), (2, 2, 3, 2, 2, 2))
    items = np.array([0, 1, 0, 2, 0, 1, 2, 0, 2, 0, 1, 0, 2])  # of item 0 the users 0, 2, 4; of item 2 1, 2, 3
    assert swing_neighbours(users, items, num_items=3, count=2).tolist() == [[1, -1], [0, -1], [0, -1]]


def test_22000_users_and_12000_items_take_seconds() -> None:
    users, items = made(22_000, 12_000, 10)
    started = time.process_time()
    swing_neighbours(users, items, num_items=12_000, count=10)
    assert time.process_time() - started < 30
