"""Made-up files of Amazon Reviews 2023: the publisher's splits with histories, and the items' metadata.

Always there: low ratings, rows without history, equal times of a user, repeated rows, items without title or metadata,
items described twice, items that no training row has.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .raw_files import scatter, token, write_lines

HEADER = b"user_id,parent_asin,rating,timestamp,history"
VALID_FROM, TEST_FROM = 1628643414042, 1658002729837
_FIRST, _LAST = 1_400_000_000_000, 1_690_000_000_000
SPLITS = ("train", "valid", "test")

BROKEN_ROWS = (
    b"AEBROKEN1,B000000001,nan,1500000000000,B000000002",
    b"AEBROKEN2,B000000001,NaN,1500000000000,",
    b"AEBROKEN3,B000000001,,1500000000000,B000000002",
    b"AEBROKEN4,B000000001,five,1500000000000,B000000002",
    b"AEBROKEN5,B000000001,5.0,yesterday,B000000002",
    b"AEBROKEN6,B000000001,5.0,,B000000002",
    b"AEBROKEN7,,5.0,1500000000000,B000000002",
    b",B000000001,5.0,1500000000000,B000000002",
    b"AEBROKEN8,B000000001,5.0",
    b"AEBROKEN9,B000000001,5.0,1500000000000,B000000002,B000000003",
    b"AEBR\xff\xfeEN,B000000001,5.0,1500000000000,B000000002",
    b"AEBROKEN0,B000000001,5.0,1500000000000,B\xe9000002",
)
BROKEN_ITEMS = (
    b'{"main_category": "Software", "title": "cut sho',
    b'{"title": "no asin", "price": 3.5}',
    b'["not", "an", "object"]',
    b'{"parent_asin": "B0LATIN1XX", "title": "caf\xe9"}',
    b'{"parent_asin": null, "title": "nothing"}',
)


def write(
    folder: Path,
    category: str,
    *,
    seed: int,
    zipped: bool = True,
    broken: bool = False,
    newest_in_seconds: bool = False,
) -> None:
    """Write a category; `newest_in_seconds` is about a quarter of the test rows, `broken` adds lines to be skipped."""
    rng = random.Random(f"amazon {category} {seed}")  # noqa: S311
    asins = _asins(rng, 90)
    split_rows = _rows(rng, 130, asins, newest_in_seconds=newest_in_seconds)
    for split, rows in split_rows.items():
        lines = scatter([HEADER, *rows], BROKEN_ROWS if broken else (), rng)
        write_lines(folder / f"{category}.{split}.csv", lines, zipped=zipped)
    meta = scatter(_meta(rng, category, asins), BROKEN_ITEMS if broken else (), rng)
    write_lines(folder / f"meta_{category}.jsonl", meta, zipped=zipped)


def _asins(rng: random.Random, count: int) -> list[str]:
    """Names of items: most begin with B0, some are ISBNs with zeros in front."""
    names: dict[str, None] = {}  # not a set, whose order changes from run to run
    while len(names) < count:
        names[f"B0{token(rng, 8)}" if rng.random() < 0.7 else f"0{token(rng, 9, '0123456789')}"] = None
    return sorted(names, key=lambda _: rng.random())


def _rows(rng: random.Random, users: int, asins: Sequence[str], *, newest_in_seconds: bool) -> dict[str, list[bytes]]:
    late = asins[-(len(asins) // 16) :]
    early = asins[: -len(late)]
    written: dict[str, list[bytes]] = {split: [] for split in SPLITS}
    for _ in range(users):
        user = f"A{token(rng, 27)}"
        history: list[str] = []
        for time in _times(rng):
            among = early if time < VALID_FROM or rng.random() < 0.94 else late
            item = among[int(len(among) * rng.random() ** 4)]
            rating = rng.choice(["5.0", "5.0", "5.0", "4.0", "4.0", "3.0", "2.0", "1.0"])
            split = SPLITS[(time >= VALID_FROM) + (time >= TEST_FROM)]
            in_seconds = rng.random() < 0.25 and newest_in_seconds and split == "test"
            line = f"{user},{item},{rating},{time // 1000 if in_seconds else time},{' '.join(history)}".encode()
            written[split] += [line] * (2 if rng.random() < 0.03 else 1)
            history.append(item)
    for lines in written.values():
        rng.shuffle(lines)
    return written


def _times(rng: random.Random) -> list[int]:
    """Of a user's rows, in order; some equal, some at a boundary of the split."""
    begin = rng.choice([_FIRST, _FIRST, VALID_FROM]) + rng.randint(0, 10**10)
    times = [rng.randint(begin, _LAST) for _ in range(rng.randint(1, 24))]
    times += rng.sample([VALID_FROM - 1, VALID_FROM, TEST_FROM - 1, TEST_FROM], k=rng.randint(0, 1))
    times += [rng.choice(times) for _ in range(rng.randint(0, 2))]
    return sorted(times)


def _meta(rng: random.Random, category: str, asins: Sequence[str]) -> list[bytes]:
    popular = set(asins[: len(asins) // 4])
    described = [asin for asin in asins if asin in popular or rng.random() < 0.95]
    described += [f"B0{token(rng, 8)}" for _ in range(5)]
    lines = [_item(rng, category, asin, titled=asin in popular or rng.random() < 0.9) for asin in described]
    lines += [_item(rng, category, rng.choice(described), titled=True) for _ in range(3)]
    rng.shuffle(lines)
    return lines


def _item(rng: random.Random, category: str, asin: str, *, titled: bool) -> bytes:
    name = f"Thing {token(rng, 4)}"
    titles = [name, f"{name}, “blue” – 2nd", f'{name} "big"', f" {name}\t"] if titled else [None, None, "", " "]
    descriptions: list[Any] = [[], ["Good."], ["Line one.\nLine two.", "", "And three."], ["Größe: 5"]]
    entry = {
        "main_category": category.replace("_", " "),
        "title": rng.choice(titles),
        "features": rng.choice([[], ["sturdy", "light"]]),
        "description": rng.choice(descriptions),
        "price": rng.choice([None, None, 9.99, 20, 19.5, "from 14.99", "—", "$5"]),
        "images": [{"thumb": f"https://example.com/{asin}.jpg", "variant": "MAIN"}],
        "details": {"Language": "English", "Item Weight": "3 ounces"},
        "parent_asin": asin,
    }
    return json.dumps(entry, ensure_ascii=rng.random() < 0.5).encode()
