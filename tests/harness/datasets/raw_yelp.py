"""Made-up files of the Yelp open dataset: reviews and businesses as JSON lines.

A dense middle, so that a 20-core is left, and chains around it that fall only when others have fallen. Always there:
low stars, equal times, repeated visits, businesses without name, city, state, categories or description.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from .raw_files import scatter, token, write_lines

REVIEWS, BUSINESSES = "yelp_academic_dataset_review.json", "yelp_academic_dataset_business.json"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_FIRST, _LAST = 1_108_500_000, 1_642_600_000  # 2005 to 2022
_LATE = 1_575_000_000  # when the last businesses open: after 80% of the time

_GOOD_REVIEW = b'{"user_id": "u1", "business_id": "b1", "stars": 5.0, "date": "2018-07-07 22:09:11"}'
BROKEN_REVIEWS = (
    b'{"review_id": "r1", "user_id": "u1", "business_id": "b1", "stars": 5.0, "date": "2018-0',
    *(
        _GOOD_REVIEW.replace(good, bad)
        for good, bad in (
            (b"5.0", b"NaN"),
            (b"5.0", b"null"),
            (b"5.0", b'"many"'),
            (b'"u1"', b"null"),
            (b'"business_id": "b1", ', b""),
            (b"b1", b""),
            (b"2018-07-07 22:09:11", b"last week"),
            (b'"2018-07-07 22:09:11"', b"null"),
            (b"07-07", b"02-30"),
            (b"b1", b"b\xff1"),
        )
    ),
    b"[1, 2]",
)
BROKEN_BUSINESSES = (
    b'{"business_id": "cut", "name": "Ca',
    b'{"name": "no id"}',
    b'{"business_id": "latin", "name": "Caf\xe9", "city": "Tampa", "state": "FL", "categories": null}',
)


def write(folder: Path, *, seed: int, zipped: bool = False, broken: bool = False) -> None:
    """Write both files; `broken` adds lines that are to be skipped."""
    rng = random.Random(f"yelp {seed}")  # noqa: S311
    people = [token(rng, 22, _LETTERS) for _ in range(45)]
    places = [token(rng, 22, _LETTERS) for _ in range(40)]
    pairs = _visits(rng, people, places)
    reviews = [_review(rng, user, place, time) for user, place, time in pairs]
    strange = scatter([b"", *reviews], BROKEN_REVIEWS, rng)[1:] if broken else reviews
    write_lines(folder / REVIEWS, strange, zipped=zipped)
    known = sorted({place for _, place, _ in pairs})
    lines = [_business(rng, place) for place in known if rng.random() < 0.97]
    lines += [_business(rng, token(rng, 22, _LETTERS)) for _ in range(4)]
    rng.shuffle(lines)
    write_lines(folder / BUSINESSES, scatter(lines, BROKEN_BUSINESSES, rng) if broken else lines, zipped=zipped)


def _visits(rng: random.Random, people: Sequence[str], places: Sequence[str]) -> list[tuple[str, str, int]]:
    late = set(places[:2])
    visits = []
    for user in people:
        begin = rng.choice([_FIRST, rng.randint(_FIRST, _LAST - 40_000_000)])
        for place in rng.sample(places, k=int(len(places) * rng.uniform(0.55, 1))):
            time = rng.randint(max(begin, _LATE) if place in late else begin, _LAST)
            visits.append((user, place, time))
        mine = [visit for visit in visits if visit[0] == user]
        again = rng.choice(mine)
        visits.append(again)  # the same user, place and time
        visits.append((user, rng.choice(places[2:]), rng.randint(begin, _LAST)))
        visits.append((user, rng.choice(places[2:]), rng.choice(mine)[2]))  # two places at one time
    visits += _fringe(rng, people, places)
    visits += [(people[0], places[-2], _FIRST), (people[0], places[-1], _LAST)]
    rng.shuffle(visits)
    return visits


def _fringe(rng: random.Random, people: Sequence[str], places: Sequence[str]) -> list[tuple[str, str, int]]:
    """Users and businesses outside the core: each hangs on the one before it."""
    visits = []
    place = token(rng, 22, _LETTERS)
    for _ in range(6):
        user = token(rng, 22, _LETTERS)
        taken = [place, *rng.sample(places[2:], k=min(len(places) - 2, 18))]
        next_place = token(rng, 22, _LETTERS)
        visits += [(user, one, rng.randint(_FIRST, _LAST)) for one in [*taken, next_place]]
        visits += [(one, next_place, rng.randint(_FIRST, _LAST)) for one in rng.sample(people, k=min(len(people), 24))]
        place = next_place
    visits += [(token(rng, 22, _LETTERS), rng.choice(places[2:]), rng.randint(_FIRST, _LAST)) for _ in range(20)]
    return visits


def _review(rng: random.Random, user: str, place: str, time: int) -> bytes:
    entry = {
        "review_id": token(rng, 22, _LETTERS),
        "user_id": user,
        "business_id": place,
        "stars": rng.choice([5.0, 5.0, 5.0, 5.0, 4.0, 4.0, 4.0, 4.0, 3.0, 1.0]),
        "text": rng.choice(["Nice.", 'He said "wow",\nand left.', "Größe \\ ü – 😀", '{"user_id": "x"}']),
        "date": f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M:%S}",
    }
    return json.dumps(entry, ensure_ascii=rng.random() < 0.5).encode()


def _business(rng: random.Random, place: str) -> bytes:
    entry = {
        "business_id": place,
        "name": "" if rng.random() < 0.05 else f"Café {token(rng, 5)}",
        "address": "1 Main St",
        "city": rng.choice(["Tampa", "St. Louis", "", "  Reno "]),
        "state": rng.choice(["FL", "MO", "NV", ""]),
        "attributes": rng.choice([None, {"WiFi": "u'free'"}]),
        "categories": rng.choice([None, "Coffee & Tea, Food", "Bars"]),
    }
    return json.dumps(entry, ensure_ascii=rng.random() < 0.5).encode()
