"""Two models without parameters: popularity, and counts of what follows what. They say what a data set holds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .dataset import Dataset, Split


def popularity_ranks(dataset: Dataset, split: Split) -> NDArray[np.int32]:
    """Rank all items by how often they are a training target.

    Args:
        dataset: whose training rows are counted.
        split: R rows to rank the targets of.

    Returns:
        (R,) int32 ranks from 1. Ties count against the target: 1 + number of other items with at least its count.
    """
    counts = np.bincount(dataset.train.targets, minlength=dataset.num_items)
    return _ranks(counts)[split.targets]


def markov_ranks(dataset: Dataset, split: Split) -> NDArray[np.int32]:
    """Rank all items by how often they follow the history's last item in training, then by popularity.

    Args:
        dataset: whose training rows are counted.
        split: R rows to rank the targets of.

    Returns:
        (R,) int32 ranks from 1, ties against the target.
    """
    size = dataset.num_items
    train = dataset.train
    popularity = np.bincount(train.targets, minlength=size)
    last = dataset.flat[train.ends - 1].astype(np.int64)
    pairs, followed = np.unique(last * size + train.targets, return_counts=True)
    bounds = np.searchsorted(pairs, np.arange(size + 1) * size)
    ranks = np.empty(len(split), dtype=np.int32)
    before = dataset.flat[split.ends - 1]
    for item in np.unique(before):
        scores = popularity.astype(np.int64)
        low, high = bounds[item], bounds[item + 1]
        scores[pairs[low:high] - item * size] += followed[low:high] * (len(train) + 1)
        rows = before == item
        ranks[rows] = _ranks(scores)[split.targets[rows]]
    return ranks


def _ranks(scores: NDArray[np.int64]) -> NDArray[np.int32]:
    """(N,) scores -> (N,) ranks, ties against each item."""
    ordered = np.sort(scores)
    return (len(scores) - np.searchsorted(ordered, scores, side="left")).astype(np.int32)
