"""The embedded data set has something to find, and is always the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.datasets.data.dataset import Dataset
from rearec_bench.harness.datasets.data.items import Items
from rearec_bench.harness.datasets.generate import tiny
from rearec_bench.harness.trial.baseline_trial import ranked
from rearec_bench.harness.trial.baselines import Baseline, Markov, Popularity

NOWHERE = Path("no such folder")


@pytest.fixture(scope="module")
def data() -> Dataset:
    return catalog.load_dataset("tiny", data_dir=NOWHERE)


@pytest.fixture(scope="module")
def items() -> Items:
    return catalog.load_items("tiny", data_dir=NOWHERE)


def found_at_three_depths(data: Dataset, *, factor: float) -> None:
    """Popularity beats chance, and what follows what beats popularity: by a factor, and by three standard errors."""

    def gains(baseline: type[Baseline]) -> np.ndarray:
        ranks = ranked(baseline(data), data, data.test, mask_history=False).readout_ranks
        return np.where(ranks <= 20, 1 / np.log2(ranks + 1.0), 0.0)

    def lower_bound(differences: np.ndarray) -> float:
        """Users (not rows) are independent."""
        sums = np.bincount(data.test.users, differences - differences.mean())
        return float(differences.mean() - 3 * np.sqrt((sums**2).sum()) / len(differences))

    chance = (1 / np.log2(np.arange(1, 21) + 1)).sum() / data.num_items
    popularity, markov = gains(Popularity), gains(Markov)
    assert lower_bound(popularity - chance) > 0
    assert popularity.mean() > 2 * chance
    assert lower_bound(markov - popularity) > 0
    assert markov.mean() > factor * popularity.mean()


def test_there_is_something_to_find(data: Dataset) -> None:
    found_at_three_depths(data, factor=2)


def test_it_is_the_same_on_every_machine_and_each_time(data: Dataset) -> None:
    assert data.fingerprint == "75752b5fccabcc7c4c6b1b82953cbf0454e68b861149293651f793c3f1191ac0"
    again = tiny.make.__wrapped__()
    assert (again.assembled.flat == data.flat).all()
    assert (again.assembled.splits["test"].targets == data.test.targets).all()
    assert (data.num_items, len(data.train), len(data.valid), len(data.test)) == (200, 3_085, 410, 424)


def test_titles_are_unique_and_texts_tell_title_and_topic(items: Items) -> None:
    assert items.titles is not None
    assert items.texts is not None
    assert len(set(items.titles.tolist())) == 200
    topics = []
    for title, text in zip(items.titles, items.texts, strict=True):
        name, _, topic = title.rstrip(")").partition(" (")
        assert text == f"The item information is as follows:\ntitle: {name}\ntopic: {topic}"
        first, second = name.split(" ")
        assert first in tiny.TOPICS[topic][0].split()
        assert second in tiny.TOPICS[topic][1].split()
        topics.append(topic)
    assert {topic: topics.count(topic) for topic in topics} == dict.fromkeys(tiny.TOPICS, 20)


def test_its_arrays_cannot_be_changed_by_a_reader(data: Dataset) -> None:
    with pytest.raises(ValueError, match="read-only"):
        data.flat[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        data.test.targets[0] = 1
