"""Made-up files of the Yelp open dataset in the publisher's format: reviews and businesses as JSON lines.

A dense middle of users and businesses with dozens of reviews each, so that a 20-core is left, and chains around it
that fall only when others have fallen. In every data set there are low stars, equal times of a user, the same user and
business twice at different times and at the same one, businesses without name, city, state or categories, and
businesses that no line describes. What cannot be read at all comes with `broken`.
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

BROKEN_REVIEWS = (
    b'{"review_id": "r1", "user_id": "u1", "business_id": "b1", "stars": 5.0, "date": "2018-0',
    b'{"review_id": "r2", "user_id": "u1", "business_id": "b1", "stars": NaN, "date": "2018-07-07 22:09:11"}',
    b'{"review_id": "r3", "user_id": "u1", "business_id": "b1", "stars": null, "date": "2018-07-07 22:09:11"}',
    b'{"review_id": "r4", "user_id": "u1", "business_id": "b1", "stars": "many", "date": "2018-07-07 22:09:11"}',
    b'{"review_id": "r5", "user_id": null, "business_id": "b1", "stars": 5.0, "date": "2018-07-07 22:09:11"}',
    b'{"review_id": "r6", "user_id": "u1", "stars": 5.0, "date": "2018-07-07 22:09:11"}',
    b'{"review_id": "r7", "user_id": "u1", "business_id": "", "stars": 5.0, "date": "2018-07-07 22:09:11"}',
    b'{"review_id": "r8", "user_id": "u1", "business_id": "b1", "stars": 5.0, "date": "last week"}',
    b'{"review_id": "r9", "user_id": "u1", "business_id": "b1", "stars": 5.0, "date": null}',
    b'{"review_id": "r0", "user_id": "u1", "business_id": "b1", "stars": 5.0, "date": "2018-02-30 22:09:11"}',
    b'{"review_id": "ra", "user_id": "u1", "business_id": "b\xff1", "stars": 5.0, "date": "2018-07-07 22:09:11"}',
    b"[1, 2]",
)
BROKEN_BUSINESSES = (
    b'{"business_id": "cut", "name": "Ca',
    b'{"name": "no id"}',
    b'{"business_id": "latin", "name": "Caf\xe9", "city": "Tampa", "state": "FL", "categories": null}',
)


def write(
    folder: Path,
    *,
    seed: int,
    users: int = 45,
    businesses: int = 40,
    zipped: bool = False,
    broken: bool = False,
) -> None:
    """Write both files.

    Args:
        folder: where to.
        seed: of everything.
        users: of the dense middle.
        businesses: of the dense middle.
        zipped: gzipped; the publisher's are plain.
        broken: put `BROKEN_REVIEWS` and `BROKEN_BUSINESSES` between the others.
    """
    rng = random.Random(f"yelp {seed}")  # noqa: S311
    people = [token(rng, 22, _LETTERS) for _ in range(users)]
    places = [token(rng, 22, _LETTERS) for _ in range(businesses)]
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
        "useful": rng.randint(0, 3),
        "funny": 0,
        "cool": 0,
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
        "postal_code": "33602",
        "latitude": 27.9,
        "longitude": -82.4,
        "stars": rng.choice([3.5, 4.0]),
        "review_count": rng.randint(5, 500),
        "is_open": 1,
        "attributes": rng.choice([None, {"WiFi": "u'free'"}]),
        "categories": rng.choice([None, "Coffee & Tea, Food", "Bars"]),
        "hours": rng.choice([None, {"Monday": "8:0-17:0"}]),
    }
    return json.dumps(entry, ensure_ascii=rng.random() < 0.5).encode()
