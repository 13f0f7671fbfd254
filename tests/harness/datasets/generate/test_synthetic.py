"""Synthetic data of any size has what tiny has: something to find, and the same bytes every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from rearec_bench.cli import main
from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.datasets import prepare as preparation
from rearec_bench.harness.datasets.data.dataset import Dataset
from rearec_bench.harness.datasets.data.recipe_result import RecipeResult
from rearec_bench.harness.datasets.generate import synthetic, tiny
from rearec_bench.harness.datasets.rules import rules

from .test_tiny import found_at_three_depths


@pytest.fixture(scope="module")
def made() -> RecipeResult:
    return synthetic.make(synthetic.Size(2_000, 300))


@pytest.fixture(scope="module")
def data(made: RecipeResult, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return preparation.keep(made, label="synthetic", data_dir=tmp_path_factory.mktemp("data"))


def test_there_is_something_to_find(data: Dataset) -> None:
    found_at_three_depths(data, factor=2)


def test_it_is_the_same_on_every_machine(data: Dataset) -> None:
    assert data.fingerprint == "ba8092ce72daa34b49eb50a1ab9f77b00e8461edaf4d30568427090a66f3a0b0"
    again = synthetic.make(synthetic.Size(2_000, 300))
    assert (again.assembled.flat == data.flat).all()


@pytest.mark.parametrize("other", [{"users": 301}, {"items": 61}, {"seed": 6}, {"mean_length": 13}])
def test_every_number_makes_other_data(other: dict[str, int]) -> None:
    given = {"users": 300, "items": 60, "seed": 5, "mean_length": 12}
    one, two = (synthetic.generate(synthetic.Size(**numbers)) for numbers in (given, given | other))
    assert len(one) != len(two) or (one.items != two.items).any()


def test_users_come_in_order_and_never_twice_at_a_time() -> None:
    made = synthetic.generate(synthetic.Size(500, 100))
    assert (rules.time_order(made) == np.arange(len(made))).all()
    same = made.users[1:] == made.users[:-1]
    assert (np.diff(made.times)[same] > 0).all()


@pytest.mark.parametrize("mean_length", [4, 12, 40])
def test_lengths_have_the_mean_that_was_asked_for_and_a_tail(mean_length: int) -> None:
    made = synthetic.generate(synthetic.Size(4_000, 100, mean_length=mean_length))
    lengths = np.bincount(made.users)
    assert len(lengths) == 4_000
    assert abs(lengths.mean() - mean_length) < 4 * lengths.std() / np.sqrt(4_000)
    assert lengths.min() == mean_length // 2
    assert 3 * mean_length < lengths.max() <= 10 * mean_length


def test_popularity_is_long_tailed_and_nearly_every_item_is_used() -> None:
    made = synthetic.generate(synthetic.Size(5_000, 1_000))
    counts = np.sort(np.bincount(made.items, minlength=1_000))[::-1]
    assert counts[:100].sum() > 0.4 * counts.sum()
    assert (counts > 0).mean() > 0.98


def test_users_have_few_interests_and_mostly_move_on_along_a_ring() -> None:
    made = synthetic.generate(synthetic.Size(1_000, 200))
    topic = made.items // 20
    ends = np.append(np.flatnonzero(np.diff(made.users)) + 1, len(made))
    starts = np.append(0, ends[:-1])
    shares = [np.sort(np.bincount(topic[a:b]))[-3:].sum() / (b - a) for a, b in zip(starts, ends, strict=True)]
    assert np.mean(shares) > 0.9
    follows = (made.users[1:] == made.users[:-1]) & (topic[1:] == topic[:-1])
    pairs, counts = np.unique(made.items[:-1][follows] * 200 + made.items[1:][follows], return_counts=True)
    following = [counts[pairs // 200 == item] for item in range(200)]
    assert np.mean([np.sort(times)[-3:].sum() / times.sum() for times in following]) > 0.6


@pytest.mark.parametrize(("items", "topics"), [(61, 3), (47, 3), (200, 10)])
def test_every_item_is_named_by_its_topic_and_no_two_alike(items: int, topics: int) -> None:
    made = synthetic.make(synthetic.Size(2_000, items))
    assert made.titles is not None and made.texts is not None
    assert made.texts[0].startswith("The item information is as follows:\n")
    assert len(set(made.texts.tolist())) == items
    of_topic = np.array([text.rpartition("topic: ")[2] for text in made.texts])
    assert len(set(of_topic)) == topics
    assert all(f"title: {title}\n" in text for title, text in zip(made.titles, made.texts, strict=True))
    sizes = {len(one) for one in np.array_split(np.arange(items), topics)}
    assert set(np.unique(of_topic, return_counts=True)[1]) <= sizes
    assert of_topic[0].split()[0] in tiny.TOPICS


def test_the_card_tells_the_numbers(data: Dataset) -> None:
    assert data.card["recipe"] == "synthetic"
    assert list(data.card["split_times"]) == ["train", "valid", "test"]
    assert "recipe_fingerprint" not in data.card
    size = {"users": 2_000, "items": 300, "seed": 1, "mean_length": 12}
    assert data.card["generator"] == {**size, "topics": 15, "version": 1}


def prepare(folder: Path, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["prepare", *arguments, "--data-dir", str(folder)])
    return done.exit_code, done.output


def test_the_command_takes_whole_numbers_as_people_write_them(tmp_path: Path) -> None:
    given = "synthetic --users 3e2 --items 6E1 --seed 5 --mean-length 8 --name made"
    status, said = prepare(tmp_path, *given.split())
    assert (status, said.split("  ")[0]) == (0, "made"), said
    made = synthetic.make(synthetic.Size(300, 60, seed=5, mean_length=8))
    held = catalog.load_dataset("made", data_dir=tmp_path)
    assert (held.flat == made.assembled.flat).all()
    assert prepare(tmp_path, "synthetic", "--users", "300", "--items", "60")[0] == 0
    assert catalog.prepared(tmp_path) == ["made", "synthetic"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("synthetic --users 100", "synthetic data needs --items."),
        (
            "synthetic --users 0 --items 100",
            "--users 0: from 20 to 2,147,483,647 is allowed. Such as:  rearec-bench prep",
        ),
        ("synthetic --users -5 --items 100", "--users -5: "),
        ("synthetic --users 100 --items 19", "--items 19: from 20 "),
        ("synthetic --users 100 --items 100 --mean-length 3", "--mean-length 3: from 4 "),
        ("synthetic --users 100 --items 100 --seed -1", "--seed -1: from 0 "),
        ("synthetic --users 1.5 --items 60", "'1.5' is not a whole number"),
        ("synthetic --users many --items 60", "'many' is not a whole number"),
        ("synthetic --users 100 --items 60 --source x", "--source: synthetic data is generated"),
        ("ml-100k --users 100 --source x", "--users: for synthetic data only."),
        ("synthetic --users 100 --items 60 --name tiny", "the name 'tiny' belongs to another"),
    ],
)
def test_the_command_says_what_it_needs(arguments: str, words: str, tmp_path: Path) -> None:
    status, said = prepare(tmp_path, *arguments.split())
    assert status == 2
    assert words in said
    assert list(tmp_path.iterdir()) == []
