"""Ready splits whose rows bring their histories: taken as they are, with what training does not show counted."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.datasets import prepare as preparation
from rearec_bench.harness.datasets.data.dataset import Dataset
from rearec_bench.harness.datasets.data.items import Items
from rearec_bench.harness.trial.batches import SplitReader

from ..builders import bad_lines, error_of, prepare, refusal, rows_of

NAMES = ("train", "valid", "test")
HEADER = "user_id,item_id,history\n"
ROWS = {
    "train": "u1,b,a\nu1,c,a b\nu2,a,b\n",
    "valid": "u1,d,a b c\nu2,c,b a\nu3,a,e\n",
    "test": "u1,f,a b c d\nu2,b,b a c\nu3,e,e a\nu3,b,e a e\n",
}
ITEMS = [
    {"item_id": "a", "title": "Anvil", "description": "Heavy.\nVery heavy.", "brand": "Acme", "price": 3.5},
    {"item_id": "b", "title": "Bolt"},
    {"item_id": "c", "title": None, "description": ["Of steel.", "Of brass."], "brand": " "},
    {"item_id": "d", "title": "", "description": "", "brand": ""},
    {"item_id": "z", "title": "Zinc"},
]


def write(
    folder: Path, *, header: str = HEADER, items: str | bytes | list[dict[str, object]] | None = None, **rows: str
) -> Path:
    folder.mkdir(exist_ok=True)
    for name in NAMES:
        (folder / f"{name}.csv").write_text(header + rows.get(name, ROWS[name]))
    if isinstance(items, list):
        items = "".join(json.dumps(one) + "\n" for one in items)
    if items is not None:
        (folder / "items.jsonl").write_bytes(items if isinstance(items, bytes) else items.encode())
    return folder


def items_of(source: Path) -> Items:
    return catalog.load_items("mine", data_dir=source / "data")


def read_back(data: Dataset, name: str, tokens: np.ndarray) -> list[tuple[str, str]]:
    return [(target, " ".join(history)) for history, target in rows_of(data, name, tokens)]


# The real data


@pytest.fixture(scope="module")
def folder(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    preparation.prepare("splits", source=shared / "data/amazon-industrial-2018", data_dir=folder, name="industrial")
    return folder


@pytest.fixture(scope="module")
def lines(shared: Path) -> Mapping[str, list[dict[str, str]]]:
    source = shared / "data/amazon-industrial-2018"
    return {name: list(csv.DictReader((source / f"{name}.csv").open(encoding="utf-8"))) for name in NAMES}


def test_the_counts_of_the_real_files(folder: Path) -> None:
    data = catalog.load_dataset("industrial", data_dir=folder)
    assert data.card["statistics"]["rows"] == {"train": 10_393, "valid": 4_532, "test": 4_533}
    assert (data.num_users, data.num_items) == (3_285, 3_541)
    assert data.card["source"] == {"rows": 19_458}
    assert (data.card["items_described"], data.card["items_described_in_no_row"]) == (3_686, 145)
    assert sum(data.card["dropped"][0]["rows"].values()) == 0
    assert (data.card["longest_history"], data.card["items_without_text"]) == (10, 0)


def test_what_the_real_card_calls_unseen_is_what_the_files_say(folder: Path, lines: Mapping[str, list[dict]]) -> None:
    targets = {row["item_id"] for row in lines["train"]}
    seen = targets.union(*(row["history"].split() for row in lines["train"]))
    everything = {item for rows in lines.values() for row in rows for item in [row["item_id"], *row["history"].split()]}
    card = catalog.card("industrial", folder)
    assert [entry["rows"] for entry in card["unseen"][:2]] == [{"valid": 662, "test": 656}, {"valid": 547, "test": 548}]
    assert card["items_not_in_training"] == len(everything - seen)
    for entry in card["unseen"]:
        assert entry["share"] == {name: round(rows / len(lines[name]), 6) for name, rows in entry["rows"].items()}
    for name in ("valid", "test"):
        counts = [entry["rows"][name] for entry in card["unseen"]]
        assert counts == [
            sum(row["item_id"] not in targets for row in lines[name]),
            sum(row["item_id"] not in seen for row in lines[name]),
            sum(not seen.issuperset(row["history"].split()) for row in lines[name]),
        ]


@pytest.mark.parametrize("name", NAMES)
def test_every_real_row_is_the_one_of_the_file(folder: Path, lines: Mapping[str, list[dict]], name: str) -> None:
    data = catalog.load_dataset("industrial", data_dir=folder)
    tokens = catalog.load_items("industrial", data_dir=folder).tokens
    assert read_back(data, name, tokens) == [(row["item_id"], row["history"]) for row in lines[name]]
    users = sorted({row["user_id"] for rows in lines.values() for row in rows})
    assert [users[user] for user in data.split(name).users] == [row["user_id"] for row in lines[name]]


def test_every_real_user_is_stored_once_and_packs_into_one_group(folder: Path) -> None:
    import torch

    data = catalog.load_dataset("industrial", data_dir=folder)
    heads = len(np.unique(np.concatenate([data.split(name).users for name in NAMES])))
    first_history = len(data.flat) - sum(len(data.split(name)) for name in NAMES)
    assert first_history == heads  # a chain a user, whose first history is one item
    reader = SplitReader(data, data.train, max_len=10, device=torch.device("cpu"), packed=True)
    groups = sum(len(chunk.histories.lengths) for chunk in reader.chunks(np.arange(len(reader))))
    assert groups == len(np.unique(data.train.users))


def test_real_titles_and_texts_are_those_of_the_items(folder: Path, shared: Path) -> None:
    made = catalog.load_items("industrial", data_dir=folder)
    with (shared / "data/amazon-industrial-2018/items.jsonl").open(encoding="utf-8") as stream:
        entries = {str(entry["item_id"]): entry for entry in map(json.loads, stream)}
    assert made.titles is not None and made.texts is not None
    for token, title, text in zip(made.tokens, made.titles, made.texts, strict=True):
        told = [(key, " ".join(entries[token][key].split())) for key in ("title", "description", "brand")]
        expected = ["The item information is as follows:", *(f"{key}: {value}" for key, value in told if value)]
        assert text.split("\n") == expected
        assert title == entries[token]["title"].strip()


# Files made here


def test_rows_without_history_are_left_out_and_counted(tmp_path: Path) -> None:
    data = prepare("splits", write(tmp_path, train="u1,a,\nu1,b,a\nu2,q,\n", valid="u1,c,a b\nu2,b, \n"))
    [dropped] = data.card["dropped"]
    assert dropped["why"] == "the history is empty"
    assert dropped["rows"] == {"train": 2, "valid": 1, "test": 0}
    assert dropped["share"] == {"train": 0.666667, "valid": 0.5, "test": 0.0}
    assert dropped["left"] == {"train": 1, "valid": 1, "test": 4}
    assert data.card["source"] == {"rows": 9}
    tokens = catalog.load_items("mine", data_dir=tmp_path / "data").tokens
    assert "q" not in tokens
    assert read_back(data, "train", tokens) == [("b", "a")]


def test_rows_that_continue_one_another_share_their_place_whatever_their_order(tmp_path: Path) -> None:
    in_order = prepare("splits", write(tmp_path / "in_order"))
    assert len(in_order.flat) == sum(len(in_order.split(name)) for name in NAMES) + 3
    shuffled = {name: "".join(reversed(ROWS[name].splitlines(keepends=True))) for name in NAMES}
    other = prepare("splits", write(tmp_path / "shuffled", **shuffled))
    assert other.flat.tolist() == in_order.flat.tolist()
    assert other.train.starts.tolist() == in_order.train.starts.tolist()[::-1]


def test_histories_cut_by_the_publisher_stay_cut(tmp_path: Path) -> None:
    data = prepare(
        "splits", write(tmp_path, train="u1,b,a\nu1,c,a b\nu1,d,b c\n", valid="u1,e,c d\n", test="u1,f,d e\n")
    )
    assert data.flat.tolist() == [0, 1, 2, 3, 4, 5]
    assert (int(data.test.starts[0]), int(data.test.ends[0])) == (3, 5)


def test_gzipped_files_are_read_like_plain_ones(tmp_path: Path) -> None:
    plain = prepare("splits", write(tmp_path / "plain", items=ITEMS))
    zipped = write(tmp_path / "zipped", items=ITEMS)
    for name in ("train.csv", "valid.csv", "test.csv", "items.jsonl"):
        (zipped / f"{name}.gz").write_bytes(gzip.compress((zipped / name).read_bytes()))
        (zipped / name).unlink()
    data = prepare("splits", zipped)
    assert data.fingerprint == plain.fingerprint
    assert [source["file"] for source in data.card["sources"]][-1] == "items.jsonl.gz"
    assert data.card["items_without_text"] == plain.card["items_without_text"]


def test_items_are_told_by_the_attributes_that_they_have(tmp_path: Path) -> None:
    data = prepare("splits", write(tmp_path, items=ITEMS))
    made = items_of(tmp_path)
    opening = "The item information is as follows:"
    assert made.tokens.tolist() == ["a", "b", "c", "d", "e", "f"]
    assert made.titles is not None and made.titles.tolist() == ["Anvil", "Bolt", "", "", "", ""]
    told = [
        "title: Anvil\ndescription: Heavy. Very heavy.\nbrand: Acme",
        "title: Bolt",
        "description: Of steel. Of brass.",
    ]
    assert made.texts is not None and made.texts.tolist() == [*(f"{opening}\n{text}" for text in told), "", "", ""]
    assert data.card["items_without_text"] == 3
    assert (data.card["items_described"], data.card["items_described_in_no_row"]) == (5, 1)


def test_whole_numbers_in_the_items_are_the_names_in_the_rows(tmp_path: Path) -> None:
    items: list[dict[str, object]] = [{"item_id": 9, "title": "Nine"}]
    write(tmp_path, items=items, train="u,10,9\n", valid="u,2,9 10\n", test="u,9,9 10 2\n")
    prepare("splits", tmp_path)
    made = items_of(tmp_path)
    assert made.tokens.tolist() == ["2", "9", "10"]
    assert made.titles is not None and made.titles.tolist() == ["", "Nine", ""]


def test_without_items_there_are_neither_titles_nor_texts(tmp_path: Path) -> None:
    prepare("splits", write(tmp_path / "without"))
    prepare("splits", write(tmp_path / "untold", items=[{"item_id": "a"}]))
    for made in (items_of(tmp_path / "without"), items_of(tmp_path / "untold")):
        assert made.titles is None and made.texts is None


# Errors


def test_a_file_of_items_that_the_recipe_names_must_be_there(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("{reader: splits, split: given, files: {items: titles.jsonl}, text: {fields: {title: title}}}")
    said = error_of(preparation.prepare, own, source=write(tmp_path / "raw", items=ITEMS), data_dir=tmp_path / "data")
    assert "raw holds no titles.jsonl (or titles.jsonl.gz)." in said


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ("u1,b,a\nu1,c,a nan\n", "train.csv:3  history: 'a nan' is not a list of items"),
        ("u1,b,a\nu1,c,\"['a', 'b']\"\n", "train.csv:3  history: '['a', 'b']' is not a list of items"),
        ('u1,b,a\nu1,c,"a,b"\n', "train.csv:3  history: 'a,b' is not a list of items"),
        ("u1,b,a\nu1,None,a b\n", "train.csv:3  item_id: 'None' is not an item"),
        ("u1,b c,a\n", "train.csv:2  item_id: 'b c' is not an item"),
        ("u1,,a\n", "train.csv:2  item_id: is empty."),
        (",b,a\n,b,c\n", "train.csv:2  user_id: is empty."),
        ("u1,b,a\nu1,c\n", "train.csv:3  has 2 fields, the header 3."),
        ("u1,b,a\nu2,b,a\nu1,b,a\n", "train.csv:4  the same user, item and history stand in train.csv:2 already."),
        ("u1,b,a\nu1,f,a  b c d\n", "test.csv:2  the same user, item and history stand in train.csv:3 already."),
    ],
)
def test_a_broken_row_is_one_clear_error_with_its_line(tmp_path: Path, train: str, message: str) -> None:
    assert message in refusal("splits", write(tmp_path, train=train))


def test_equal_rows_that_follow_from_cut_histories_are_no_mistake(tmp_path: Path) -> None:
    rows = "u1,a,b\nu1,b,b a\nu1,a,a b\nu1,b,b a\nu1,a,a b\nu1,c,b a\n"
    data = prepare("splits", write(tmp_path, train=rows, valid="u1,d,a c\n", test="u1,a,c d\n"))
    assert [data.flat.tolist(), len(data.train)] == [[1, 0, 1, 0, 1, 0, 2, 3, 0], 6]


# Lines that cannot be read, skipped


def test_broken_rows_are_skipped_and_counted_where_that_is_asked_for(tmp_path: Path) -> None:
    bad = "u1,b c,a\nu1,,a\nu9,b,a nan\nu9,b,None a\n"
    clean = prepare("splits", write(tmp_path / "clean", items=ITEMS))
    source = write(tmp_path / "bad", items=ITEMS, train=bad + ROWS["train"], test=ROWS["test"] + "u1,c,a b\n")
    data = prepare("splits", source, "skip")
    assert data.fingerprint == clean.fingerprint
    assert [(why.partition(" (")[0], lines, first) for why, lines, first in bad_lines(data)] == [
        ("item_id is not an item", 1, 2),
        ("item_id is empty", 1, 3),
        ("history is not a list of items separated by spaces", 2, 4),
        ("the row stands there already", 1, 6),
    ]
    assert [entry["file"] for entry in data.card["bad_lines"]] == [*["train.csv"] * 3, "test.csv"]


def test_broken_items_are_skipped_and_counted_where_that_is_asked_for(tmp_path: Path) -> None:
    lines = [json.dumps(one).encode() for one in ITEMS]
    broken = b'{"item_id": \n[]\n{"item": "a"}\n{"item_id": "b", "title": {}}\n{"item_id": "a"}\n"\xff"'
    prepare("splits", write(tmp_path / "clean", items=ITEMS))
    bad = [lines[0], broken, *lines[1:]]
    data = prepare("splits", write(tmp_path / "bad", items=b"\n".join(bad)), "skip")
    texts = [items_of(tmp_path / name).texts.tolist() for name in ("clean", "bad")]  # type: ignore[union-attr]
    assert texts[0] == texts[1]
    assert bad_lines(data) == [
        ("no JSON", 1, 2),
        ("no JSON object", 1, 3),
        ("item_id is empty", 1, 4),
        ("title is neither text, a number nor a list of such", 1, 5),
        ("the item is described on an earlier line", 1, 6),
        ("not UTF-8 text", 1, 7),
    ]
