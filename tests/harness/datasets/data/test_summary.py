"""Table 1's statistics and the funnel, from cards of any version."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from rearec_bench.harness.analysis.paper import paper_datasets
from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.datasets.data.summary import UNSEEN, Step, Table1, funnel, moment, summary_of
from rearec_bench.harness.datasets.describe import card_lines

CARD: dict[str, Any] = {
    "schema": 1,
    "name": "mine",
    "recipe": "mine",
    "fingerprint": "f" * 64,
    "num_users": 4,
    "sources": [],
    "protocol": {"split": "by time at 80/90%", "filters": "ratings above 3"},
    "source": {"users": 9, "items": 8, "interactions": 100},
    "filtered": [
        {"why": "rating not above 3", "interactions": 30, "share": 0.3},
        {"why": "outside the 5-core", "interactions": 20, "share": 0.2},
    ],
    "dropped": [
        {"why": "nothing before it", "rows": {"train": 5, "valid": 1, "test": 0}, "share": {}},
        {"why": "the target is in no training row", "rows": {"train": 0, "valid": 2, "test": 3}, "share": {}},
    ],
    "statistics": {
        "users": 4,
        "items": 5,
        "interactions": 39,
        "rows": {"train": 30, "valid": 4, "test": 5},
        "row_users": {"train": 4, "valid": 2, "test": 2},
        "mean_history": {"train": 3.0, "valid": 3.0, "test": 3.0},
        "mean_rows_per_user": {"train": 7.5, "valid": 2.0, "test": 2.5},
        "max_rows_per_user": {"train": 9, "valid": 3, "test": 4},
    },
    "versions": {},
}
"""As a card was before repeats, unseen targets and times of splits were counted."""


def newer(**statistics: object) -> dict[str, Any]:
    card = copy.deepcopy(CARD)
    card["statistics"] |= statistics
    return card


def test_the_papers_own_averages_and_sparsity_are_what_its_counts_give() -> None:
    printed = paper_datasets()
    assert list(printed) == ["yelp", "video_games", "software", "cds_vinyl", "baby_products"]
    for one in printed.values():
        table1 = Table1(one.users, one.items, one.interactions)
        found, expected = (
            [f"{value:.2f}" for value in (card.per_user, card.per_item, card.sparsity_percent)]
            for card in (table1, one)
        )
        assert found == expected


def test_every_data_set_of_the_paper_has_a_recipe_of_its_name() -> None:
    assert paper_datasets().keys() <= set(catalog.known(Path("no such folder")))


def test_a_card_of_an_earlier_version_says_what_it_knows() -> None:
    held = summary_of(CARD)
    assert held.table1 == Table1(4, 5, 39)
    assert (held.mean_rows_per_user, held.max_rows_per_user) == (2.5, 4)
    assert (held.unseen_percent, held.repeats_percent, held.times) == (None, None, {})
    unseen = CARD | {"unseen": [{"what": "else", "rows": {"test": 5}}, {"what": UNSEEN, "rows": {"test": 1}}]}
    assert summary_of(unseen).unseen_percent == 20.0


def test_a_card_of_today_says_it_all() -> None:
    card = newer(repeats={"train": 3, "valid": 0, "test": 2}, unseen_targets={"valid": 0, "test": 1})
    card["split_times"] = {"train": [1, 2], "valid": [], "test": [4, 5]}
    held = summary_of(card)
    assert (held.unseen_percent, held.repeats_percent) == (20.0, 40.0)
    assert held.times == {"train": (1, 2), "test": (4, 5)}


def test_the_funnel_counts_down_to_the_rows() -> None:
    assert funnel(CARD) == (
        Step("in the source", 100, None),
        Step("rating not above 3", 70, None, {"": 30}),
        Step("outside the 5-core", 50, None, {"": 20}),
        Step("as rows", None, {"train": 35, "valid": 7, "test": 8}),
        Step("nothing before it", None, {"train": 30, "valid": 6, "test": 8}, CARD["dropped"][0]["rows"]),
        Step(
            "the target is in no training row", None, {"train": 30, "valid": 4, "test": 5}, CARD["dropped"][1]["rows"]
        ),
    )


def test_the_funnel_of_ready_rows_has_no_interactions() -> None:
    card = CARD | {"source": {"rows": 50}, "filtered": [], "dropped": []}
    assert funnel(card) == (Step("as rows", None, {"train": 30, "valid": 4, "test": 5}),)


@pytest.mark.parametrize(
    ("time", "words", "day"),
    [
        (1536049007, "2018-09-04 08:16:47 UTC", "2018-09-04"),
        (1536049007000, "2018-09-04 08:16:47 UTC", "2018-09-04"),
        (1536049007000000, "2018-09-04 08:16:47 UTC", "2018-09-04"),
        (17, "17", "17"),
    ],
)
def test_times_are_told_whatever_their_unit(time: float, words: str, day: str) -> None:
    assert (moment(time), moment(time, day=True)) == (words, day)


def test_the_whole_card_is_told_in_lines() -> None:
    card = newer(repeats={"train": 3, "valid": 0, "test": 2}, unseen_targets={"valid": 0, "test": 1})
    card |= {
        "bad_lines": [{"file": "a.csv", "why": "rating is not a number", "lines": 1200, "first": 3}],
        "outputs": [{"file": "train.parquet", "bytes": 1500, "sha256": "ab" * 32}],
        "recipe_settings": {
            "reader": "csv",
            "core": None,
            "time": {"unit": "any", "format": ""},
            "text": {"fields": {}},
        },
    }
    lines = [" ".join(line.split()) for line in card_lines(card)]
    for line in (
        "interactions 9.75 a user, 7.80 an item; sparsity -95.00%",
        "rows of a user, test 2.50 on average, 4 at most",
        "repeated targets the row's own history has them: train 10.0%, valid 0.0%, test 40.0%",
        "unseen in training the target, test: 20.0%",
        "left after each step interactions train valid test",
        "outside the 5-core 50",
        "as rows 35 7 8",
        "the target is in no training row 30 4 5",
        "lines left out a.csv: 1,200, rating is not a number (first: line 3)",
        f"file train.parquet 1,500 bytes sha256 {'ab' * 32}",
        "recipe: reader csv",
        'recipe: time {"unit": "any"}',
    ):
        assert line in lines
    assert not any(line.startswith(("recipe: core", "recipe: text")) for line in lines)


def test_a_card_of_an_earlier_version_is_told_without_what_it_lacks() -> None:
    lines = card_lines(CARD)
    assert any("rows of a user, test" in line for line in lines)
    assert not any("repeated" in line or "sha256" in line for line in lines)
