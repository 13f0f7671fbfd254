"""The five data sets of the paper, prepared slowly and plainly: the oracle of the recipes.

Dicts, lists and the standard library only. Written from the account of the authors' notebooks, not from the package.
What that account leaves open is stated here: a title of white space is no title; where an item is described twice, the
first description counts; reviews of one user at the same time stand in the order of a hash of the user's and the
business's name; dates are UTC.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Row:
    """A target with everything its user had before."""

    user: str
    target: str
    history: tuple[str, ...]
    time: int
    rating: float = 5.0


@dataclass
class Prepared:
    """What must come out; `unreadable` is file -> (lines, first), `steps` are (step, rows left by split)."""

    rows: dict[str, list[Row]]
    users: list[str] = field(default_factory=list)
    catalogue: list[str] = field(default_factory=list)
    interactions: list[tuple[str, int]] = field(default_factory=list)
    steps: list[tuple[str, dict[str, int]]] = field(default_factory=list)
    unreadable: dict[str, tuple[int, int]] = field(default_factory=dict)
    boundaries: tuple[Fraction, Fraction] | None = None
    texts: dict[str, str] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)

    def keep(self, step: str, rule: Callable[[Row], object], splits: Sequence[str] = SPLITS) -> None:
        """Go on with the rows that a rule accepts, and note what is left."""
        for split in splits:
            self.rows[split] = [row for row in self.rows[split] if rule(row)]
        self.steps.append((step, {split: len(self.rows[split]) for split in SPLITS}))


def prepare_amazon(folder: Path, category: str, *, least_train: int, least_later: int) -> Prepared:
    """An Amazon category from the publisher's splits; the smallest histories are those of training and of later."""
    made = Prepared({split: [] for split in SPLITS})
    for split in SPLITS:
        made.rows[split] = _read_split(_find(folder, f"{category}.{split}.csv"), made)
    described = _read_json(_find(folder, f"meta_{category}.jsonl"), "parent_asin", made)
    title = {item: _spaced(entry.get("title")) for item, entry in described.items()}

    made.keep("source", lambda row: True)
    made.keep("rating", lambda row: row.rating > 3)
    made.keep("title of the target", lambda row: title.get(row.target), ["train"])
    made.keep("some history", lambda row: row.history)
    made.keep("titles of the history", lambda row: all(title.get(item) for item in row.history), ["train"])
    _finish(made, {"train": least_train, "valid": least_later, "test": least_later})
    for item in made.catalogue:
        entry = described.get(item, {})
        told = {key: _spaced(entry.get(key)) for key in ("title", "description", "price")}
        made.titles[item], made.texts[item] = told["title"], _text(told)
    return made


def prepare_yelp(folder: Path) -> Prepared:
    """Yelp from its reviews and businesses, plain or gzipped."""
    made = Prepared({split: [] for split in SPLITS})
    reviews = _read_reviews(_find(folder, "yelp_academic_dataset_review.json"), made)
    described = _read_json(_find(folder, "yelp_academic_dataset_business.json"), "business_id", made)
    made.interactions.append(("source", len(reviews)))
    reviews = [review for review in reviews if review.rating > 3]
    made.interactions.append(("rating", len(reviews)))
    reviews = _core(reviews, 20)
    made.interactions.append(("core", len(reviews)))

    first, last = min(review.time for review in reviews), max(review.time for review in reviews)
    end_of_train = first + Fraction(80, 100) * (last - first)
    end_of_valid = first + Fraction(90, 100) * (last - first)
    made.boundaries = end_of_train, end_of_valid
    by_user: dict[str, list[Row]] = {}
    for review in reviews:
        by_user.setdefault(review.user, []).append(review)
    for user in sorted(by_user):
        before: list[str] = []
        for review in sorted(by_user[user], key=lambda review: (review.time, tie(review.user, review.target))):
            part = "train" if review.time <= end_of_train else "valid" if review.time <= end_of_valid else "test"
            made.rows[part].append(Row(user, review.target, tuple(before), review.time))
            before.append(review.target)
    made.keep("source", lambda row: True)
    made.keep("some history", lambda row: row.history)
    _finish(made, dict.fromkeys(SPLITS, 5))
    for item in made.catalogue:
        entry = described.get(item, {})
        places = [_spaced(entry.get("city")), _spaced(entry.get("state"))]
        told = {
            "name": _spaced(entry.get("name")),
            "city and state": ", ".join(place for place in places if place),
            "categories": _spaced(entry.get("categories")),
        }
        made.titles[item], made.texts[item] = told["name"], _text(told)
    return made


def _finish(made: Prepared, least: Mapping[str, int]) -> None:
    """The steps that all share: long enough histories, then nothing that training does not know."""
    for split in SPLITS:
        made.rows[split] = [row for row in made.rows[split] if len(row.history) >= least[split]]
    made.keep("long enough", lambda row: True)
    known: set[str] = set()
    for row in made.rows["train"]:
        known.update([row.target, *row.history])
    made.keep("target known", lambda row: row.target in known, ["valid", "test"])
    made.keep("history known", lambda row: known.issuperset(row.history), ["valid", "test"])
    made.catalogue = sorted(known)
    made.users = sorted({row.user for split in SPLITS for row in made.rows[split]})


def _core(reviews: list[Row], least: int) -> list[Row]:
    while True:
        of_user = Counter(review.user for review in reviews)
        of_item = Counter(review.target for review in reviews)
        left = [review for review in reviews if of_user[review.user] >= least and of_item[review.target] >= least]
        if len(left) == len(reviews):
            return left
        reviews = left


# Files


def _find(folder: Path, name: str) -> Path:
    return next(path for path in (folder / name, folder / f"{name}.gz") if path.is_file())


def _lines(path: Path, made: Prepared, *, header: bool = False) -> Iterator[tuple[int, str]]:
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    for number, line in enumerate(content.split(b"\n"), start=1):
        if (header and number == 1) or not line:
            continue
        try:
            yield number, line.decode("utf-8")
        except UnicodeDecodeError:
            _unreadable(path, number, made)


def _unreadable(path: Path, number: int, made: Prepared) -> None:
    count, first = made.unreadable.get(path.name, (0, number))
    made.unreadable[path.name] = count + 1, min(first, number)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _read_split(path: Path, made: Prepared) -> list[Row]:
    rows = []
    for number, line in _lines(path, made, header=True):
        fields = next(csv.reader([line]))
        user, item, rating, time, history = fields if len(fields) == 5 else ("", "", "", "", "")
        stars, moment = _number(rating), _number(time)
        if not user or not item or stars is None or moment is None:
            _unreadable(path, number, made)
            continue
        rows.append(Row(user, item, tuple(history.split()), int(moment), stars))
    return rows


def _read_reviews(path: Path, made: Prepared) -> list[Row]:
    reviews = []
    for number, line in _lines(path, made):
        entry = _entry(line)
        stars, time = _number(entry.get("stars")), _seconds(entry.get("date"))
        if not entry.get("user_id") or not entry.get("business_id") or stars is None or time is None:
            _unreadable(path, number, made)
            continue
        reviews.append(Row(entry["user_id"], entry["business_id"], (), time, stars))
    return reviews


def _read_json(path: Path, key: str, made: Prepared) -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = {}
    for number, line in _lines(path, made):
        entry = _entry(line)
        if not entry.get(key):
            _unreadable(path, number, made)
            continue
        entries.setdefault(entry[key], entry)
    return entries


def _entry(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _seconds(date: Any) -> int | None:
    try:
        return int(datetime.strptime(date, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp())
    except (TypeError, ValueError):
        return None


# Texts


def _spaced(value: Any) -> str:
    parts = value if isinstance(value, list) else [] if value is None else [value]
    return " ".join(" ".join(map(str, parts)).split())


def _text(told: Mapping[str, str]) -> str:
    lines = [f"{key}: {value}" for key, value in told.items() if value]
    return "\n".join(["The item information is as follows:", *lines]) if lines else ""


# The order of equal times


def tie(user: str, item: str) -> int:
    """The first 8 bytes of each name's SHA-256, mixed as splitmix64 ends: mix(mix(user) xor item)."""
    return _mix(_mix(_digest(user)) ^ _digest(item))


def _digest(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")


def _mix(value: int) -> int:
    size = 2**64
    value = (value + 0x9E3779B97F4A7C15) % size
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) % size
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) % size
    return value ^ (value >> 31)
