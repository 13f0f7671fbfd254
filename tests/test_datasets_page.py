"""docs/datasets.md, as somebody follows it: its three layouts on disk, prepared by the page's own recipes."""

from __future__ import annotations

import gzip
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from rearec_bench.cli import main
from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.datasets.recipe.recipe import Recipe

from .pages import page

PAGE = page("datasets")
BLOCKS = dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL))
START = 1_704_067_200  # 2024-01-01, in seconds


def log(seed: int) -> list[tuple[int, str, str]]:
    """(seconds, user, item) in time order: 80 users, 40 items, five months of 2024; no second twice."""
    draw = np.random.default_rng(seed)
    seconds = np.sort(draw.choice(150 * 86_400, 2_000, replace=False)) + START
    users, items = draw.integers(80, size=2_000), (40 * draw.random(2_000) ** 2).astype(int)
    return [(int(at), f"u{user}", f"i{item}") for at, user, item in zip(seconds, users, items, strict=True)]


def shop(folder: Path) -> None:
    orders = [f"{user},{item},{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S},1" for at, user, item in log(1)]
    write(folder / "orders.csv", [first_line("orders.csv"), *orders])
    write(folder / "products.csv", [first_line("products.csv"), *(f'i{n},"Lamp, number {n}",Lumo' for n in range(40))])


def research(folder: Path) -> None:
    write(folder / "log.tsv", [f"{user}\t{item}\t{n % 5 + 1}\t{at}" for n, (at, user, item) in enumerate(log(2))])


def tracker(folder: Path) -> None:
    plays = [f"{at * 1000 + 123};{user};{item}" for at, user, item in log(3)]
    plays.insert(700, plays[699])  # the same play, told twice
    for month, part in enumerate((plays[:900], plays[900:]), start=1):
        text = "\n".join([first_line("plays-2024-01.csv.gz"), *part]) + "\n"
        (folder / f"plays-2024-0{month}.csv.gz").write_bytes(gzip.compress(text.encode()))


def first_line(name: str) -> str:
    return BLOCKS[name].splitlines()[0]


def write(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def prepare(folder: Path, recipe: str, *options: str) -> Result:
    file = folder / f"{recipe}.yaml"
    file.write_text(BLOCKS[file.name], encoding="utf-8")
    command = ["prepare", "--recipe", str(file), "--source", str(folder), "--data-dir", str(folder / "data"), *options]
    return CliRunner().invoke(main, command)


def prepared(folder: Path, recipe: str, make: Callable[[Path], None]) -> Mapping[str, Any]:
    """The card of what a recipe of the page makes."""
    make(folder)
    result = prepare(folder, recipe)
    assert result.exit_code == 0, result.output
    return catalog.card(recipe, folder / "data")


def sequences(rows: Iterable[tuple[int, str, str]]) -> dict[str, list[tuple[int, str]]]:
    found = defaultdict(list)
    for at, user, item in rows:
        found[user].append((at, item))
    return found


def targets(folder: Path, name: str, split: str) -> set[tuple[str, ...]]:
    """(history, target) of every row, in the source's names."""
    dataset = catalog.load_dataset(name, data_dir=folder / "data")
    tokens = catalog.load_items(name, data_dir=folder / "data").tokens
    rows = dataset.split(split)
    return {tuple(tokens[dataset.flat[start : end + 1]]) for start, end in zip(rows.starts, rows.ends, strict=True)}


@pytest.mark.slow
def test_the_shop(tmp_path: Path) -> None:
    card = prepared(tmp_path, "my_shop", shop)
    rows = log(1)
    boundary = rows[int(0.8 * (len(rows) - 1))][0]  # nobody has fewer than three
    expected = set()
    for past in sequences(rows).values():
        for place, (at, _) in enumerate(past):
            if place and at <= boundary:
                expected.add(tuple(item for _, item in past[: place + 1]))
    assert targets(tmp_path, "my_shop", "train") == expected
    items = catalog.load_items("my_shop", data_dir=tmp_path / "data")
    assert items.titles is not None and items.texts is not None
    assert items.titles[0] == f"Lamp, number {items.tokens[0][1:]}"
    assert items.texts[0].endswith(f"\ntitle: {items.titles[0]}\nbrand: Lumo")
    assert card["boundaries"][0] == boundary


@pytest.mark.slow
def test_the_research_log(tmp_path: Path) -> None:
    card = prepared(tmp_path, "my_log", research)
    liked = [row for n, row in enumerate(log(2)) if n % 5 + 1 >= 4]
    known = {item for past in sequences(liked).values() for _, item in past[:-2]} if liked else set()
    expected = {
        tuple(item for _, item in past)
        for past in sequences(liked).values()
        if len(past) >= 3 and {item for _, item in past} <= known
    }
    assert targets(tmp_path, "my_log", "test") == expected
    assert [(rule["why"], rule["interactions"]) for rule in card["filtered"]] == [("rating not at least 4", 1200)]


@pytest.mark.slow
def test_the_tracker(tmp_path: Path) -> None:
    card = prepared(tmp_path, "my_plays", tracker)
    first = card["filtered"][0]
    assert (first["why"], first["interactions"]) == ("the same user, item and time again", 1)
    assert [one["file"] for one in card["sources"]] == ["plays-2024-01.csv.gz", "plays-2024-02.csv.gz"]
    late = {
        tuple(item for _, item in past[: place + 1])
        for past in sequences(log(3)).values()
        for place, (at, _) in enumerate(past)
        if place >= 3 and at * 1000 + 123 > 1711929600000
    }
    assert set() < targets(tmp_path, "my_plays", "test") <= late


def test_the_recipes_of_the_page_are_short() -> None:
    assert max(len(BLOCKS[f"{name}.yaml"].splitlines()) for name in ("my_shop", "my_log", "my_plays")) <= 15


def test_the_page_has_every_key_of_a_recipe() -> None:
    table = PAGE.partition("## What a recipe can say")[2]
    named = {
        key for cell in re.findall(r"^\| (.*?) \|", table, flags=re.MULTILINE) for key in re.findall(r"`(\w+)`", cell)
    }
    assert named == set(Recipe.model_fields) - {"name", "about", "origin", "holds", "named", "prefix", "file"}


@pytest.mark.slow
def test_a_line_that_cannot_be_read_is_told_and_can_be_skipped(tmp_path: Path) -> None:
    research(tmp_path)
    path = tmp_path / "log.tsv"
    path.write_text(path.read_text().replace("u1\t", "u1\tsurplus\t", 1))
    refused = prepare(tmp_path, "my_log")
    assert refused.exit_code != 0
    assert "log.tsv:" in refused.output
    assert not (tmp_path / "data/my_log").exists()
    skipped = prepare(tmp_path, "my_log", "--on-bad-line", "skip")
    assert skipped.exit_code == 0, skipped.output
    bad_lines = catalog.card("my_log", tmp_path / "data")["bad_lines"]
    assert [(bad["file"], bad["lines"]) for bad in bad_lines] == [("log.tsv", 1)]
