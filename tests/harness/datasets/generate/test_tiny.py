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
        ranks = ranked(baseline(data), data, data.test, hide=None).readout_ranks
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


def test_it_is_the_same_on_every_machine(data: Dataset) -> None:
    assert data.fingerprint == "75752b5fccabcc7c4c6b1b82953cbf0454e68b861149293651f793c3f1191ac0"


def test_generating_it_again_gives_the_same(data: Dataset) -> None:
    again = tiny.make.__wrapped__()
    assert (again.assembled.flat == data.flat).all()
    assert (again.assembled.test.targets == data.test.targets).all()


def test_it_is_small_but_has_a_few_hundred_test_rows(data: Dataset) -> None:
    assert 2_000 < len(data.train) < 4_000
    assert len(data.valid) > 300
    assert len(data.test) > 300
    assert len(np.unique(data.test.users)) > 60
    assert data.num_items == 200


def test_popularity_is_long_tailed(items: Items) -> None:
    counts = np.sort(items.train_counts)[::-1]
    assert counts[:20].sum() > 0.3 * counts.sum()
    assert counts[100:].sum() < 0.25 * counts.sum()
    assert counts.min() >= 1


def test_titles_are_made_from_the_topic_and_are_unique(items: Items) -> None:
    assert items.titles is not None
    titles = items.titles.tolist()
    assert len(set(titles)) == len(titles)
    topics = [title.rpartition("(")[2].rstrip(")") for title in titles]
    assert {topic: topics.count(topic) for topic in topics} == dict.fromkeys(tiny.TOPICS, 20)
    for title, topic in zip(titles, topics, strict=True):
        firsts, seconds = tiny.TOPICS[topic]
        first, second = title.partition(" (")[0].split(" ")
        assert first in firsts.split()
        assert second in seconds.split()


def test_texts_tell_title_and_topic(items: Items) -> None:
    assert items.titles is not None
    assert items.texts is not None
    for title, text in zip(items.titles, items.texts, strict=True):
        name, _, topic = title.rstrip(")").partition(" (")
        assert text == f"The item information is as follows:\ntitle: {name}\ntopic: {topic}"


def test_users_have_few_interests_and_change_between_them(data: Dataset, items: Items) -> None:
    assert items.titles is not None
    topic = np.array([title.rpartition("(")[2] for title in items.titles])
    shares = []
    switches = []
    for user in np.unique(data.train.users):
        end = data.train.ends[data.train.users == user].max()
        line = topic[data.flat[data.train.starts[data.train.users == user].min() : end + 1]]
        shares.append(np.sort(np.unique(line, return_counts=True)[1])[-3:].sum() / len(line))
        switches.append((line[1:] != line[:-1]).mean())
    assert np.mean(shares) > 0.9
    assert 0.15 < np.mean(switches) < 0.5


def test_its_arrays_cannot_be_changed_by_a_reader(data: Dataset) -> None:
    with pytest.raises(ValueError, match="read-only"):
        data.flat[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        data.test.targets[0] = 1
