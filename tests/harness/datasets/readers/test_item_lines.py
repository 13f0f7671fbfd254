"""Files that tell the attributes of items."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from rearec_bench.harness.datasets.readers.item_lines import read_attributes
from rearec_bench.harness.utils.errors import DatasetError


def read(folder: Path, content: str | bytes) -> dict[str, dict[str, str]]:
    path = folder / "items.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_attributes(path, ("title", "brand"))


def test_attributes_are_read_in_the_order_asked_for_and_others_are_not(tmp_path: Path) -> None:
    content = (
        '\ufeff{"brand": "B", "price": 3, "item_id": 7, "title": "Sch\u00f6n"}\n\n{"item_id": " x1 ", "title": null}\n'
    )
    found = read(tmp_path, content)
    assert found == {"7": {"title": "Schön", "brand": "B"}, "x1": {"title": "", "brand": ""}}
    assert list(found["7"]) == ["title", "brand"]


def test_half_of_a_character_pair_becomes_a_question_mark(tmp_path: Path) -> None:
    assert read(tmp_path, '{"item_id": "a", "title": "\\ud83d cat"}') == {"a": {"title": "? cat", "brand": ""}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"item_id": 1}\n{"item_id": 2,\n', "items.jsonl:2  is no JSON: "),
        ('{"item_id": 1}\n[1]\n', "items.jsonl:2  is no JSON object"),
        ("[" * 100_000, "items.jsonl:1  is no JSON"),
        ('{"asin": "B1", "title": "x"}\n', "items.jsonl:1  no key 'item_id'. The object has: asin, title."),
        ('{"item_id": 1}\n{"item_id": "1"}\n', "items.jsonl:2  item_id: '1' stands on line 1 already."),
        ('{"item_id": 1.5}\n', "items.jsonl:1  item_id: 1.5 is neither text nor a whole number."),
        ('{"item_id": true}\n', "items.jsonl:1  item_id: true is neither text nor a whole number."),
        ('{"item_id": " "}\n', 'items.jsonl:1  item_id: " " is neither text nor a whole number.'),
        ('{"item_id": 1, "brand": 5}\n', "items.jsonl:1  brand: 5 is neither text nor a list of texts."),
        ('{"item_id": 1, "title": ["a", 2]}', 'items.jsonl:1  title: ["a", 2] is neither text nor a list of texts.'),
        (b'{"item_id": 1}\n{"item_id": 2, "title": "\xe9"}\n', "items.jsonl:2  is not UTF-8 text: "),
        ("", "items.jsonl is empty. A line is a JSON object with item_id, title, brand."),
        ("\n \n", "items.jsonl is empty."),
    ],
)
def test_a_broken_line_is_one_clear_error_with_its_number(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(DatasetError) as caught:
        read(tmp_path, content)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_archive_is_an_error_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"item_id": 1}\n' * 100)[:20])
    with pytest.raises(DatasetError, match=r"items\.jsonl\.gz cannot be read: "):
        read_attributes(path, ("title",))
