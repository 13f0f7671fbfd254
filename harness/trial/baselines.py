"""Baselines: rankings by counts of the training rows, as a reference without a model."""

from __future__ import annotations

from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from ...models.settings import Settings
from ..datasets.data.dataset import Dataset, Split


class Baseline(Protocol):
    """A ranking of all items by counts; N items, R rows of a split.

    Scores are whole numbers from 0, so that ties are exact. Divided by their sum they are the baseline's distribution
    over the catalogue.
    """

    Settings: ClassVar[type[Settings]]

    def __init__(self, dataset: Dataset) -> None:
        """Count the training rows of a data set."""

    def contexts(self, split: Split) -> NDArray[np.int64]:
        """(R,) what a row's scores depend on: rows with equal numbers have equal scores."""

    def scores(self, context: int) -> NDArray[np.int64]:
        """(N,) the scores of all items for one context; the caller may change them."""


class PopularitySettings(Settings):
    """Ranks by how often an item is the target of a training row."""


class MarkovSettings(Settings):
    """Ranks by how often an item follows the history's last one in training, then by popularity."""


class Popularity:
    """Ranks all items by how often they are the target of a training row; the same for every row."""

    Settings = PopularitySettings

    def __init__(self, dataset: Dataset) -> None:
        self._counts = popularity_of(dataset)

    def contexts(self, split: Split) -> NDArray[np.int64]:
        """(R,) zeros: there is one context."""
        return np.zeros(len(split), np.int64)

    def scores(self, context: int) -> NDArray[np.int64]:
        """(N,) the counts."""
        return self._counts.copy()


class Markov:
    """Ranks all items by how often they follow the history's last item in training, then by popularity.

    The score of item j after item i is n_ij (R + 1) + n_j, with n_ij the number of the R training rows whose history
    ends with i and whose target is j, and n_j its popularity: transitions decide, popularity settles their ties. As a
    distribution it is that of the transitions, smoothed by one row's worth of popularity.
    """

    Settings = MarkovSettings

    def __init__(self, dataset: Dataset) -> None:
        size, train = dataset.num_items, dataset.train
        self._flat = dataset.flat
        self._weight = len(train) + 1
        self._popularity = popularity_of(dataset)
        last = dataset.flat[train.ends - 1].astype(np.int64)
        pairs, self._times = np.unique(last * size + train.targets, return_counts=True)
        self._followers = pairs % size
        self._bounds = np.searchsorted(pairs, np.arange(size + 1) * size)

    def contexts(self, split: Split) -> NDArray[np.int64]:
        """(R,) the last item of each history."""
        return self._flat[split.ends - 1].astype(np.int64)

    def scores(self, context: int) -> NDArray[np.int64]:
        """(N,) transitions from the item `context`, and popularity below them."""
        scores = self._popularity.copy()
        here = slice(self._bounds[context], self._bounds[context + 1])
        scores[self._followers[here]] += self._times[here] * self._weight
        return scores


def popularity_of(dataset: Dataset) -> NDArray[np.int64]:
    """(N,) how often each item is the target of a training row."""
    return np.bincount(dataset.train.targets, minlength=dataset.num_items).astype(np.int64)
