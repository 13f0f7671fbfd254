"""Synthetic data of any size: `tiny`, with as many users and items as are asked for.

Items belong to topics of about twenty; popularity is long-tailed within and across topics. A user has two or three
interests, strays from one to another, and now and then swaps an interest for a new one. Within an interest the next
item mostly follows the user's last item of it on the topic's ring. All users take their next step at once, so that a
million of them take seconds. The same numbers give the same data set on every machine; see `draws.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...utils.errors import InputError
from ..data.interactions import Interactions
from ..data.recipe_result import RecipeResult
from . import SYNTHETIC, SYNTHETIC_COMMAND, tiny
from .draws import Draws, generated

VERSION = 1  # of the generator: raised when the same numbers make other data
MAX_ID = 2**31 - 1  # ids are kept in 32 bits
INTERESTS = 3  # at most
LONGEST = 10  # times the mean
DAY_S = 86_400


@dataclass(frozen=True)
class Size:
    """Size and seed of a data set; an InputError if a number is out of range.

    Of the N items, those that no training row has are not in the final catalogue. `mean_length` is interactions per
    user.
    """

    users: int
    items: int
    seed: int = 1
    mean_length: int = 12

    def __post_init__(self) -> None:
        bounds = (
            ("users", self.users, 20, MAX_ID),
            ("items", self.items, 20, MAX_ID),
            ("mean-length", self.mean_length, 4, 10_000),
            ("seed", self.seed, 0, 2**63 - 1),
        )
        for label, value, low, high in bounds:
            if not low <= value <= high:
                raise InputError(
                    f"--{label} {value:,}: from {low:,} to {high:,} is allowed. Such as:  {SYNTHETIC_COMMAND}"
                )

    @property
    def num_topics(self) -> int:
        """One topic per 20 items, at least three."""
        return max(3, self.items // 20)


def size_of(recipe: str | None, numbers: Mapping[str, int], *, source: Path | None) -> Size | None:
    """The size of the synthetic data set that is asked for, None for another recipe.

    Raises:
        InputError: numbers for another recipe, a source, too few numbers, or one out of range.
    """
    missing = " and ".join(f"--{name}" for name in ("users", "items") if name not in numbers)
    problem = ""
    if recipe != SYNTHETIC:
        given = ", ".join(f"--{name.replace('_', '-')}" for name in numbers)
        problem = f"{given}: for synthetic data only." if numbers else ""
    elif source is not None:
        problem = f"--source: {SYNTHETIC} data is generated and has no source."
    elif missing:
        problem = f"{SYNTHETIC} data needs {missing}."
    if problem:
        raise InputError(f"{problem} Such as:  {SYNTHETIC_COMMAND}")
    return Size(**numbers) if recipe == SYNTHETIC else None


def make(size: Size) -> RecipeResult:
    """Generate a data set in memory, split by time at 80/90% like `tiny`."""
    settings = {**asdict(size), "topics": size.num_topics, "version": VERSION}
    return generated(SYNTHETIC, generate(size), lambda wanted: _names(wanted, size), generator=settings)


def generate(size: Size) -> Interactions:
    """About `users * mean_length` interactions, by user and time; no user has two at the same time."""
    draw = Draws(size.seed)
    shelf = _Shelf(draw, size)
    lengths = _lengths(draw, size)
    order = np.argsort(-lengths, kind="stable")  # long ones first: those with a next step stand in front
    first = np.cumsum(lengths) - lengths
    users = _Users(draw, shelf, size.users)
    items = np.empty(int(lengths.sum()), dtype=np.int64)
    times = np.empty(len(items), dtype=np.float64)
    of_rank, begin = lengths[order], first[order]
    for step in range(int(lengths.max())):
        going = int(np.searchsorted(-of_rank, -step, side="left"))
        here = begin[:going] + step
        items[here], times[here] = users.step(going)
    return Interactions(
        users=np.repeat(np.arange(size.users, dtype=np.int64), lengths),
        items=items,
        times=times,
        user_tokens=_tokens(size.users),
        item_tokens=_tokens(size.items),
    )


class _Shelf:
    """The items by topic, and within a topic by place on its ring; `start` and `size` are (T,)."""

    def __init__(self, draw: Draws, size: Size) -> None:
        topics = size.num_topics
        self.start = _topic_starts(size)
        self.size = np.diff(np.append(self.start, size.items))
        topic_of = np.repeat(np.arange(topics), self.size)
        self._ring = np.lexsort((draw.words(size.items), topic_of))  # place -> item
        self._popular = np.lexsort((draw.words(size.items), topic_of))  # rank of popularity -> place
        self._topics = np.argsort(draw.words(topics), kind="stable")  # rank of popularity -> topic
        self._topic_odds = _long_tail(topics)
        self._item_odds = _long_tail(int(self.size[0]))
        self._steps = np.cumsum(tiny.STEPS_ON_RING)

    def topic(self, draw: Draws, count: int) -> NDArray[np.int64]:
        return self._topics[draw.choice(self._topic_odds, count)]

    def popular(self, draw: Draws, topic: NDArray[np.int64]) -> NDArray[np.int64]:
        """A place on the ring of each topic, by popularity."""
        rank = draw.choice(self._item_odds, len(topic)) % self.size[topic]
        return self._popular[self.start[topic] + rank] - self.start[topic]

    def onward(self, draw: Draws, topic: NDArray[np.int64], place: NDArray[np.int64]) -> NDArray[np.int64]:
        """One, two or three places on."""
        return (place + 1 + draw.choice(self._steps, len(place))) % self.size[topic]

    def item(self, topic: NDArray[np.int64], place: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._ring[self.start[topic] + place]


class _Users:
    """The state of all users: their interests, and where they are in each."""

    def __init__(self, draw: Draws, shelf: _Shelf, count: int) -> None:
        self._draw, self._shelf = draw, shelf
        self._interests = _distinct_topics(draw, shelf, count)  # (U, 3)
        self._many = 2 + draw.below(INTERESTS - 1, count)
        self._place = np.full((count, INTERESTS), -1, dtype=np.int64)  # on the interest's ring; -1: none yet
        self._slot = np.zeros(count, dtype=np.int64)
        self._clock = tiny.START + draw.below(tiny.DAYS * DAY_S, count)

    def step(self, going: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The next item and its time, in seconds, of the first `going` users."""
        draw, shelf = self._draw, self._shelf
        every = np.arange(going)
        self._swap(every)
        strays = draw.uniform(going) >= tiny.STAY
        self._slot[:going] = np.where(strays, self._any_slot(every), self._slot[:going])
        slot = self._slot[:going]
        topic, last = self._interests[every, slot], self._place[every, slot]
        follows = (draw.uniform(going) < tiny.FOLLOW) & (last >= 0)
        place = np.where(follows, shelf.onward(draw, topic, last), shelf.popular(draw, topic))
        self._place[every, slot] = place
        self._clock[:going] += 600 + draw.below(tiny.LONGEST_PAUSE_DAYS * DAY_S, going)
        return shelf.item(topic, place), self._clock[:going]

    def _swap(self, every: NDArray[np.int64]) -> None:
        """Some users replace an interest with a new one."""
        swapping = np.flatnonzero(self._draw.uniform(len(every)) < tiny.SWAP)
        slot = self._any_slot(swapping)
        self._interests[swapping, slot] = self._shelf.topic(self._draw, len(swapping))
        self._place[swapping, slot] = -1

    def _any_slot(self, users: NDArray[np.int64]) -> NDArray[np.int64]:
        return (self._draw.uniform(len(users)) * self._many[users]).astype(np.int64)


def _distinct_topics(draw: Draws, shelf: _Shelf, count: int) -> NDArray[np.int64]:
    """(U, 3) topics by popularity, no user with one twice."""
    topics = np.empty((count, INTERESTS), dtype=np.int64)
    left = np.arange(count)
    while len(left):
        drawn = np.stack([shelf.topic(draw, len(left)) for _ in range(INTERESTS)], axis=1)
        topics[left] = drawn
        twice = (drawn[:, 0] == drawn[:, 1]) | (drawn[:, 0] == drawn[:, 2]) | (drawn[:, 1] == drawn[:, 2])
        left = left[twice]
    return topics


def _lengths(draw: Draws, size: Size) -> NDArray[np.int64]:
    """(U,) at least half the mean, geometric beyond it, at most ten times the mean."""
    shortest = size.mean_length // 2
    beyond = size.mean_length - shortest
    weights = np.full(LONGEST * size.mean_length - shortest + 1, beyond / (1 + beyond))
    weights[0] = 1.0
    return shortest + draw.choice(np.cumsum(np.cumprod(weights)), size.users)


def _long_tail(count: int) -> NDArray[np.float64]:
    """Running sum of Zipf's weights, 1 / rank."""
    return np.cumsum(1.0 / np.arange(1, count + 1))


def _tokens(count: int) -> NDArray[np.object_]:
    return np.arange(count).astype(str).astype(object)


def _names(items: Collection[str], size: Size) -> dict[str, dict[str, str]]:
    """Title and topic of items: words of one of tiny's topics, with numbers that keep them distinct."""
    starts = _topic_starts(size)
    numbers = np.fromiter(map(int, items), dtype=np.int64, count=len(items))
    topics = np.searchsorted(starts, numbers, side="right") - 1
    places = numbers - starts[topics]
    return {
        item: {"title": _title(topic, place), "topic": f"{_THEMES[topic % len(_THEMES)]} {topic // len(_THEMES) + 1}"}
        for item, topic, place in zip(items, topics.tolist(), places.tolist(), strict=True)
    }


def _title(topic: int, place: int) -> str:
    firsts, seconds = _WORDS[topic % len(_WORDS)]
    return f"{firsts[place % len(firsts)]} {seconds[place // len(firsts) % len(seconds)]} {place + 1}"


def _topic_starts(size: Size) -> NDArray[np.int64]:
    """(T,) first item of each topic; topics differ in size by one at most, larger ones first."""
    topics = np.arange(size.num_topics, dtype=np.int64)
    small, larger = divmod(size.items, size.num_topics)
    return topics * small + np.minimum(topics, larger)


_THEMES = tuple(tiny.TOPICS)
_WORDS = tuple((firsts.split(), seconds.split()) for firsts, seconds in tiny.TOPICS.values())
