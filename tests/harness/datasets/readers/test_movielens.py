"""MovieLens 100k, prepared from the real files and recomputed with lists and dicts."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from pathlib import Path

import pytest

from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.datasets import prepare as preparation
from rearec_bench.harness.datasets.data.dataset import Dataset
from rearec_bench.harness.datasets.data.items import Items

from ..builders import error_of, rows_of
from ..reference_preparation import SPLITS, tie


@pytest.fixture(scope="module")
def data_dir(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    preparation.prepare("ml-100k", source=shared / "data/ml-100k", data_dir=folder)
    return folder


@pytest.fixture(scope="module")
def data(data_dir: Path) -> Dataset:
    return catalog.load_dataset("ml-100k", data_dir=data_dir)


@pytest.fixture(scope="module")
def items(data_dir: Path) -> Items:
    return catalog.load_items("ml-100k", data_dir=data_dir)


@pytest.fixture(scope="module")
def log(shared: Path) -> list[tuple[str, str, int]]:
    """(user, item, time) above 3, in the 5-core, in the order of the file."""
    with (shared / "data/ml-100k/ml-100k.inter").open() as stream:
        rows = list(csv.reader(stream, delimiter="\t"))[1:]
    left = [(user, item, int(time)) for user, item, rating, time in rows if float(rating) > 3]
    while True:
        users, films = Counter(row[0] for row in left), Counter(row[1] for row in left)
        core = [row for row in left if users[row[0]] >= 5 and films[row[1]] >= 5]
        if len(core) == len(left):
            return core
        left = core


def test_the_counts_are_those_of_the_rules(data: Dataset) -> None:
    assert [len(data.train), len(data.valid), len(data.test)] == [42_783, 5_331, 4_717]
    assert (data.num_users, data.num_items) == (936, 1_005)
    dropped = {step["why"]: step["rows"] for step in data.card["dropped"]}
    assert dropped["the target is in no training row"] == {"train": 0, "valid": 0, "test": 23}
    assert dropped["an item of the history is in no training row"] == {"train": 0, "valid": 0, "test": 621}
    assert data.card["filtered"][0]["interactions"] == 44_625


def test_rows_equal_those_recomputed_with_lists(data: Dataset, items: Items, log: list[tuple[str, str, int]]) -> None:
    times = sorted(time for _, _, time in log)
    train_end, valid_end = (times[percent * (len(times) - 1) // 100] for percent in (80, 90))
    lines: dict[str, list[tuple[int, int, str]]] = {}
    for user, item, time in log:
        lines.setdefault(user, []).append((time, tie(user, item), item))
    rows = []
    for line in (sorted(lines[user]) for user in sorted(lines, key=int)):
        for place in range(1, len(line)):
            time, _, target = line[place]
            part = "train" if time <= train_end else "valid" if time <= valid_end else "test"
            rows.append((part, tuple(item for _, _, item in line[:place]), target))
    catalogue = {target for part, _, target in rows if part == "train"}
    catalogue |= {history[0] for part, history, _ in rows if part == "train"}
    for part in SPLITS:
        expected = [row[1:] for row in rows if row[0] == part and catalogue.issuperset((row[2], *row[1]))]
        assert rows_of(data, part, items.tokens) == expected
    assert set(items.tokens) == catalogue


def test_texts_tell_title_year_and_genres(items: Items, shared: Path) -> None:
    assert items.titles is not None and items.texts is not None
    with (shared / "data/ml-100k/ml-100k.item").open() as stream:
        titles = {row[0]: row[1] for row in csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)}
    assert items.titles.tolist() == [titles[token] for token in items.tokens]
    texts = dict(zip(items.tokens, items.texts, strict=True))
    assert texts["1"] == (
        "The item information is as follows:\ntitle: Toy Story\nyear: 1995\ngenres: Animation Children's Comedy"
    )
    assert all(text.startswith("The item information is as follows:\ntitle: ") for text in items.texts)


def test_the_card_names_its_sources(data: Dataset, shared: Path) -> None:
    assert [source["file"] for source in data.card["sources"]] == ["ml-100k.inter", "ml-100k.item"]
    assert data.card["protocol"]["split"] == "by time at 80/90%"
    assert str(shared) not in str(data.card)


def write(folder: Path, rows: str) -> Path:
    (folder / "ml-100k.inter").write_text("user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + rows)
    (folder / "ml-100k.item").write_text(
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n1\tToy Story\t1995\tComedy\n"
    )
    return folder


def test_data_too_small_for_the_rules_say_which_filter_took_it(tmp_path: Path) -> None:
    rows = "".join(f"{user}\t{item}\t{3 + user % 2}\t{user + item}\n" for user in range(6) for item in range(2))
    said = error_of(preparation.prepare, "ml-100k", source=write(tmp_path, rows), data_dir=tmp_path / "data")
    assert "rating not above 3: 6 interactions; outside the 5-core: 6 interactions. Nothing was written" in said
    assert not (tmp_path / "data").exists()


# The layout of GroupLens


def as_grouplens(source: Path, folder: Path) -> None:
    """Write RecBole's atomic files as u.data and u.item."""
    ratings = (source / "ml-100k.inter").read_text(encoding="utf-8").splitlines()[1:]
    (folder / "u.data").write_text("\n".join(line.replace(".0\t", "\t") for line in ratings) + "\n", encoding="latin-1")
    films = []
    for line in (source / "ml-100k.item").read_text(encoding="utf-8").splitlines()[1:]:
        number, title, year, _ = line.split("\t")
        films.append("|".join([number, f"{title} ({year})", "01-Jan-1995", "", "", *["0"] * 19]))
    (folder / "u.item").write_text("\n".join(films) + "\n", encoding="latin-1", errors="replace")


def test_both_layouts_give_the_same_fingerprint(shared: Path, tmp_path: Path) -> None:
    as_grouplens(shared / "data/ml-100k", tmp_path)
    ours = preparation.prepare("ml-100k", source=tmp_path, data_dir=tmp_path / "ours")
    theirs = preparation.prepare("ml-100k", source=shared / "data/ml-100k", data_dir=tmp_path / "theirs")
    assert ours.fingerprint == theirs.fingerprint
    items = [catalog.load_items("ml-100k", data_dir=tmp_path / folder) for folder in ("theirs", "ours")]
    assert items[0].titles is not None and items[1].titles is not None
    same = sum(one == other for one, other in zip(items[0].titles, items[1].titles, strict=True))
    assert same > 0.95 * len(items[0].titles)  # the others have letters that Latin-1 lacks, or no year


@pytest.mark.parametrize("packing", ["zip", "folder"])
@pytest.mark.parametrize(("separator", "first"), [(",", ""), (",", "sep=,\r\n"), (";", "sep=;\r\n")])
def test_csv_files_in_the_layout_of_grouplens_lose_rows_to_the_rules_alone(
    packing: str, separator: str, first: str, tmp_path: Path
) -> None:
    ratings = [(user, item, 1 + (user + item) % 5, 1000 * user + item) for user in range(30) for item in range(20)]
    films = [f'{item}{separator}"A Film; One, {item} (1990)"{separator}Drama|War' for item in range(20)]
    texts = {
        "ratings.csv": ["userId,movieId,rating,timestamp", *(",".join(map(str, row)) for row in ratings)],
        "movies.csv": [separator.join(("movieId", "title", "genres")), *films],
    }
    texts["ratings.csv"] = [line.replace(",", separator) for line in texts["ratings.csv"]]
    source = tmp_path / "ml-latest-small"
    source.mkdir()
    for name, lines in texts.items():
        (source / name).write_bytes((first + "\r\n".join([*lines, ""])).encode())
    if packing == "zip":
        source = Path(shutil.make_archive(str(source), "zip", tmp_path, source.name))
    data = preparation.prepare("ml-latest", source=source, data_dir=tmp_path / "data")
    high = sum(rating > 3 for _, _, rating, _ in ratings)
    lost = data.card["filtered"][0]
    assert (lost["why"], lost["interactions"], lost["left"]) == ("rating not above 3", len(ratings) - high, high)
    items = catalog.load_items("ml-latest", data_dir=tmp_path / "data")
    assert items.titles is not None and items.titles.tolist() == [f"A Film; One, {token}" for token in items.tokens]
