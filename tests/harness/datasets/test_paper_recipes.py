"""The five data sets of the paper, from made-up raw files, against a plain preparation of the same files."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.datasets import prepare as preparation
from rearec_bench.harness.datasets.data.dataset import Dataset
from rearec_bench.harness.datasets.recipe.files import shipped_recipes
from rearec_bench.harness.datasets.recipe.recipe import Recipe

from . import raw_amazon, raw_yelp
from .builders import error_of, rows_of
from .raw_files import cut_short
from .reference_preparation import SPLITS, Prepared, prepare_amazon, prepare_yelp

CATEGORIES = {
    "video_games": ("Video_Games", 1, 5),
    "software": ("Software", 10, 5),
    "cds_vinyl": ("CDs_and_Vinyl", 10, 10),
    "baby_products": ("Baby_Products", 1, 5),
}
NAMES = ("yelp", *CATEGORIES)

STEPS = {
    "the target's rating is not above 3": "rating",
    "the target has no title": "title of the target",
    "the history is empty": "some history",
    "nothing before it": "some history",
    "an item of the history has no title": "titles of the history",
    "fewer than": "long enough",
    "the target is in no training row": "target known",
    "an item of the history is in no training row": "history known",
}
"""How the reason of a card begins -> what the reference calls the step."""


def write(folder: Path, name: str, **options: Any) -> Path:
    folder.mkdir(exist_ok=True)
    if name == "yelp":
        raw_yelp.write(folder, **options)
    else:
        raw_amazon.write(folder, CATEGORIES[name][0], **options)
    return folder


def reference(folder: Path, name: str) -> Prepared:
    if name == "yelp":
        return prepare_yelp(folder)
    category, least_train, least_later = CATEGORIES[name]
    return prepare_amazon(folder, category, least_train=least_train, least_later=least_later)


def prepare(folder: Path, name: str, **options: Any) -> Dataset:
    return preparation.prepare(name, source=folder, data_dir=folder / "data", **options)


# Against the reference


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", NAMES)
def test_every_row_and_every_count_is_what_the_reference_gives(tmp_path: Path, name: str, seed: int) -> None:
    folder = write(tmp_path, name, seed=seed, broken=True, zipped=seed % 2 == 0)
    wanted = reference(folder, name)
    data = prepare(folder, name, on_bad_line="skip")
    items = catalog.load_items(name, data_dir=folder / "data")

    assert items.tokens.tolist() == wanted.catalogue
    assert data.num_users == len(wanted.users)
    for split in SPLITS:
        assert rows_of(data, split, items.tokens) == [(row.history, row.target) for row in wanted.rows[split]]
        assert [wanted.users[user] for user in data.split(split).users] == [row.user for row in wanted.rows[split]]
    assert items.titles is not None and items.texts is not None
    assert items.titles.tolist() == [wanted.titles[item] for item in wanted.catalogue]
    assert items.texts.tolist() == [wanted.texts[item] for item in wanted.catalogue]
    check_funnel(data.card, wanted)
    check_facts(data.card, wanted, folder)


def check_funnel(card: Mapping[str, Any], wanted: Prepared) -> None:
    steps = dict(wanted.steps)
    interactions = dict(wanted.interactions)
    if interactions:
        assert card["source"]["interactions"] == interactions["source"]
        assert [entry["left"] for entry in card["filtered"]] == [interactions["rating"], interactions["core"]]
    else:
        assert card["filtered"] == []
        assert card["source"]["rows"] == sum(steps["source"].values())
    before = steps["source"]
    told = []
    for entry in card["dropped"]:
        step = next(step for why, step in STEPS.items() if entry["why"].startswith(why))
        told.append(step)
        assert entry["left"] == steps[step], step
        assert entry["rows"] == {split: before[split] - steps[step][split] for split in SPLITS}, step
        before = steps[step]
    assert told == [step for step in steps if step != "source"]


def check_facts(card: Mapping[str, Any], wanted: Prepared, folder: Path) -> None:
    assert card["statistics"]["interactions"] == sum(len(wanted.rows[split]) for split in SPLITS)
    for split in SPLITS:
        times = [row.time for row in wanted.rows[split]]
        assert card["split_times"][split] == [min(times), max(times)]
        lengths = [len(row.history) for row in wanted.rows[split]]
        assert card["statistics"]["mean_history"][split] == pytest.approx(sum(lengths) / len(lengths), abs=5e-5)
    if wanted.boundaries is not None:
        assert card["boundaries"] == [float(boundary) for boundary in wanted.boundaries]
    files = {entry["file"]: entry for entry in card["sources"]}
    assert len(files) == (2 if wanted.boundaries is not None else 4)
    for file, entry in files.items():
        assert entry["sha256"] == hashlib.sha256((folder / file).read_bytes()).hexdigest()
    assert card["items_without_text"] == sum(not text for text in wanted.texts.values())
    unreadable: dict[str, tuple[int, int]] = {}
    for entry in card["bad_lines"]:
        count, first = unreadable.get(entry["file"], (0, entry["first"]))
        unreadable[entry["file"]] = count + entry["lines"], min(first, entry["first"])
    assert unreadable == wanted.unreadable


def test_the_files_hold_something_for_every_step(tmp_path: Path) -> None:
    lost: dict[str, int] = {}
    for name in NAMES:
        for seed in range(2):
            made = reference(write(tmp_path, name, seed=seed), name)
            assert all(len(made.rows[split]) >= 10 for split in SPLITS)
            counts = [sum(left.values()) for _, left in made.steps]
            for (step, _), before, after in zip(made.steps[1:], counts[:-1], counts[1:], strict=True):
                lost[step] = lost.get(step, 0) + before - after
            assert not made.interactions or made.interactions[0][1] > made.interactions[1][1] > made.interactions[2][1]
    assert min(lost.values()) > 0


@pytest.mark.parametrize("name", ["yelp", "software"])
def test_files_without_a_mistake_need_no_option_and_zipping_them_changes_nothing(tmp_path: Path, name: str) -> None:
    plain, zipped = (dict(prepare(write(tmp_path / str(z), name, seed=5, zipped=z), name).card) for z in (False, True))
    assert plain["bad_lines"] == []
    assert plain | {"sources": zipped["sources"], "recipe_settings": zipped["recipe_settings"]} == zipped


OTHER_RULES: dict[str, dict[str, list[Any]]] = {
    "yelp": {
        "ratings": [{"above": 2}],
        "core": [{"users": 20, "items": 19}, {"users": 19, "items": 20}, {"users": 20}],
        "split": [{"quantiles": [0.8, 0.9]}, {"time_range": [0.79, 0.9]}, {"time_range": [0.8, 0.91]}],
        "min_history": [{"train": 4, "valid": 5, "test": 5}, {"train": 5, "valid": 4, "test": 5}],
        "unseen": [{"target": "keep", "history": "drop"}, {"target": "drop", "history": "keep"}],
        "equal_times": ["file"],
        "duplicates": ["once"],
    },
    "software": {
        "ratings": [{"at_least": 3, "of": "target"}],
        "required_text": [{}, {"train": ["target"]}, {"train": ["history"]}],
        "min_history": [
            {"train": 9, "valid": 5, "test": 5},
            {"train": 10, "valid": 4, "test": 5},
            {"train": 10, "valid": 5, "test": 4},
        ],
        "unseen": [{"target": "keep", "history": "drop"}, {"target": "drop", "history": "keep"}],
        "max_history": [10],
    },
}


@pytest.mark.parametrize("name", OTHER_RULES)
def test_another_rule_gives_another_data_set(name: str, tmp_path: Path) -> None:
    folder = write(tmp_path, name, seed=1)
    fingerprint, shipped = prepare(folder, name).fingerprint, shipped_recipes()[name].model_dump(exclude_unset=True)
    for rule, values in OTHER_RULES[name].items():
        for place, value in enumerate(values):
            recipe = Recipe.model_validate({**shipped, rule: value})
            data = preparation.prepare(recipe, source=folder, data_dir=tmp_path / f"{rule}{place}")
            assert data.fingerprint != fingerprint, (rule, value)


# What bad input gets


@pytest.mark.parametrize("name", ["yelp", "software"])
def test_a_line_that_cannot_be_read_is_an_error_that_tells_how_many_there_are(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path, name, seed=0, broken=True)
    said, wanted = error_of(prepare, folder, name), reference(folder, name).unreadable
    first_file = next(iter(wanted))
    told = [file for file in wanted if "meta" not in file and "business" not in file]
    assert said.startswith(f"{folder / first_file}:{wanted[first_file][1]}  ")
    assert f": {sum(wanted[file][0] for file in told)}. " in said and said.endswith("--on-bad-line skip")
    assert not (folder / "data").exists()


@pytest.mark.parametrize("name", ["yelp", "software"])
def test_a_missing_file_says_which_and_where_it_can_be_had(tmp_path: Path, name: str) -> None:
    files = [file for names in shipped_recipes()[name].files.values() for file in names]
    origin = "https://www.yelp.com/dataset" if name == "yelp" else "https://amazon-reviews-2023.github.io"
    for missing in files:
        folder = write(tmp_path, name, seed=0, zipped=False)
        (folder / missing).unlink()
        said = error_of(prepare, folder, name)
        assert said.startswith(f"{folder} holds no {missing} (or {missing}.gz).")
        assert f"prepare {name} --source DIR" in said and origin in said


@pytest.mark.parametrize("name", ["yelp", "software"])
def test_a_download_that_broke_off_is_an_error_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    for names in shipped_recipes()[name].files.values():
        folder = write(tmp_path, name, seed=0, zipped=True)
        path = folder / f"{names[0]}.gz"
        cut_short(path)
        assert error_of(prepare, folder, name, on_bad_line="skip").startswith(f"{path} is cut short")
        assert not (folder / "data").exists()


def test_seconds_among_milliseconds_are_doubted_and_read_where_the_recipe_says_so(tmp_path: Path) -> None:
    recipe = shipped_recipes()["software"]
    mixed = recipe.model_copy(update={"time": recipe.time.model_copy(update={"unit": "mixed"})})
    right = prepare(write(tmp_path / "right", "software", seed=0), "software")
    folder = write(tmp_path / "mixed", "software", seed=0, zipped=False, newest_in_seconds=True)
    lines = [line for split in SPLITS for line in (folder / f"Software.{split}.csv").read_text().splitlines()[1:]]
    seconds = sum(int(line.split(",")[3]) < 1e11 for line in lines)
    (said,) = prepare(folder, "software").card["warnings"][:1]
    assert f"{seconds:,} look like seconds, {len(lines) - seconds:,} look like milliseconds" in said
    shutil.rmtree(folder / "data")
    data = preparation.prepare(mixed, source=folder, data_dir=folder / "data")
    assert data.fingerprint == right.fingerprint
    for split in SPLITS:
        for found, wanted in zip(data.card["split_times"][split], right.card["split_times"][split], strict=True):
            assert found == wanted or found == wanted // 1000 * 1000


@pytest.mark.parametrize(
    ("keep", "said"),
    [
        (lambda line: False, "holds no row"),
        (lambda line: line.split(",")[2] not in ("4.0", "5.0"), "software: no row is left in test. Left out before: "),
        (lambda line: line.endswith(","), "software: no row is left in test. Left out before: "),
    ],
)
def test_a_split_without_rows_is_an_error(tmp_path: Path, keep: Callable[[str], bool], said: str) -> None:
    folder = write(tmp_path, "software", seed=0, zipped=False)
    path = folder / "Software.test.csv"
    header, *lines = path.read_text().splitlines()
    lines += ["AUSER,B000000000,5.0,1690000000000,"]
    path.write_text("\n".join([header, *filter(keep, lines)]) + "\n")
    assert said in error_of(prepare, folder, "software")
    assert not (folder / "data").exists()


@pytest.mark.parametrize("name", ["baby_products", "video_games"])
def test_repeated_rows_and_descriptions_are_counted(tmp_path: Path, name: str) -> None:
    folder, category = write(tmp_path, name, seed=0, zipped=False), CATEGORIES[name][0]
    described = [json.loads(line)["parent_asin"] for line in (folder / f"meta_{category}.jsonl").open()]
    used: set[str] = set()
    rows: list[tuple[str, ...]] = []
    for split in SPLITS:
        for line in (folder / f"{category}.{split}.csv").read_text().splitlines()[1:]:
            user, item, _, time, history = line.split(",")
            used |= {item, *history.split()}
            rows.append((user, item, time))
    card = prepare(folder, name).card
    assert card["repeated_rows_kept"] == len(rows) - len(set(rows)) > 0
    assert card["items_not_described"] == len(used - set(described)) > 0
    assert card["items_described_again"] == sum(described.count(item) - 1 for item in set(described) & used) > 0
