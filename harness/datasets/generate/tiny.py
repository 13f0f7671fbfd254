"""`tiny`, the embedded data set: generated, always the same, with something to find at three depths.

Items belong to topics; popularity is long-tailed within and across topics. A user has a few interests, strays from
one to another, and now and then swaps an interest for a new one. Within a topic the next item mostly follows the
user's last item *of that topic* on the topic's ring. So popularity beats chance, counts of what follows what beat
popularity, and a model that reads the whole history can do better still, since the last item of a topic is often
some steps back.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..data.events import Events
from ..data.interactions import from_tokens
from ..data.item_attributes import ItemAttributes
from ..data.made import Made
from ..recipe.recipe import Recipe, SplitRule, Text
from ..rules.build import build

NAME = "tiny"
SEED = 20250322
NUM_USERS = 320
SHORTEST, LONGEST = 6, 20
STAY = 0.6  # with the topic of the item before
SWAP = 0.03  # an interest for a new one
FOLLOW = 0.7  # the ring of the topic; otherwise its popularity
STEPS_ON_RING = (0.5, 0.3, 0.2)  # one, two or three places on
DAYS = 200
LONGEST_PAUSE_DAYS = 8
START = 1_600_000_000

TOPICS: dict[str, tuple[str, str]] = {
    "Baking": ("Rye Oat Honey Walnut Plum", "Loaf Tart Rolls Crumble"),
    "Sailing": ("Harbour Storm Northern Silent Coral", "Passage Regatta Compass Crew"),
    "Chess": ("Queen's Bishop's Hidden Endless Royal", "Gambit Endgame Sacrifice Opening"),
    "Astronomy": ("Crimson Distant Frozen Binary Dark", "Nebula Comet Orbit Eclipse"),
    "Gardening": ("Cottage Winter Walled Wild Kitchen", "Roses Orchard Hedges Seedlings"),
    "Detectives": ("Midnight Vanished Borrowed Velvet Broken", "Alibi Witness Ledger Cipher"),
    "Trains": ("Alpine Coastal Narrow Steam Mountain", "Express Junction Viaduct Timetable"),
    "Jazz": ("Blue Smoky Late Uptown Lazy", "Quartet Saxophone Serenade Session"),
    "Dinosaurs": ("Feathered Giant Armoured Running Young", "Raptor Fossil Nest Herd"),
    "Pottery": ("Glazed Cracked Porcelain Painted Ancient", "Bowl Kiln Vase Teapot"),
}


@lru_cache(maxsize=1)
def make() -> Made:
    """Generate the data set.

    Returns:
        What the card needs; nothing is read from or written to disk.
    """
    draw = _Draws(SEED)
    titles = _titles()
    users, items, times = _interactions(draw, titles)
    events = Events(from_tokens(users, items, times), ratings=None, sources=(), time_unit="seconds")
    told = {str(number): _told(title) for number, title in enumerate(titles)}
    made = build(_RULES, events, lambda wanted: ItemAttributes({item: told[item] for item in wanted}, sources=()))
    notes = {name: note for name, note in made.notes.items() if not name.startswith("recipe_")}
    return replace(
        made,
        titles=np.array([titles[int(token)] for token in made.assembled.item_tokens], dtype=object),
        protocol={**made.protocol, "filters": "none: generated"},
        notes={**notes, "generator_seed": SEED},
    )


class _Draws:
    """Uniform numbers from the raw words of PCG64, whose stream numpy promises to keep."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def uniform(self) -> float:
        return (int(self._bits.random_raw()) >> 11) * 2.0**-53

    def below(self, bound: int) -> int:
        return int(self.uniform() * bound)

    def choice(self, weights: NDArray[np.float64]) -> int:
        cumulative = np.cumsum(weights)
        return int(np.searchsorted(cumulative, self.uniform() * cumulative[-1], side="right"))

    def shuffled(self, count: int) -> list[int]:
        order = list(range(count))
        for last in range(count - 1, 0, -1):
            other = self.below(last + 1)
            order[last], order[other] = order[other], order[last]
        return order


def _titles() -> list[str]:
    return [
        f"{first} {second} ({topic})"
        for topic, (firsts, seconds) in TOPICS.items()
        for first in firsts.split()
        for second in seconds.split()
    ]


def _told(title: str) -> dict[str, str]:
    name, _, topic = title.partition(" (")
    return {"title": name, "topic": topic.rstrip(")")}


def _interactions(
    draw: _Draws, titles: list[str]
) -> tuple[NDArray[np.object_], NDArray[np.object_], NDArray[np.float64]]:
    num_topics = len(TOPICS)
    size = len(titles) // num_topics
    rings = [draw.shuffled(size) for _ in range(num_topics)]  # place on the ring -> item of the topic
    popularity = [_long_tail(draw, size) for _ in range(num_topics)]  # by place on the ring
    topic_weights = _long_tail(draw, num_topics)
    step_weights = np.array(STEPS_ON_RING)
    users, items, times = [], [], []
    for user in range(NUM_USERS):
        interests = _interests(draw, topic_weights)
        last_place: dict[int, int] = {}
        topic = interests[0]
        clock = START + draw.below(DAYS * 86_400)
        for _ in range(SHORTEST + draw.below(LONGEST - SHORTEST + 1)):
            if draw.uniform() < SWAP:
                interests[draw.below(len(interests))] = draw.choice(topic_weights)
            if topic not in interests or draw.uniform() >= STAY:
                topic = interests[draw.below(len(interests))]
            if topic in last_place and draw.uniform() < FOLLOW:
                place = (last_place[topic] + 1 + draw.choice(step_weights)) % size
            else:
                place = draw.choice(popularity[topic])
            last_place[topic] = place
            clock += 600 + draw.below(LONGEST_PAUSE_DAYS * 86_400)
            users.append(str(user))
            items.append(str(topic * size + rings[topic][place]))
            times.append(float(clock))
    return np.array(users, dtype=object), np.array(items, dtype=object), np.array(times)


def _interests(draw: _Draws, weights: NDArray[np.float64]) -> list[int]:
    wanted = 2 + draw.below(2)
    interests: list[int] = []
    while len(interests) < wanted:
        topic = draw.choice(weights)
        if topic not in interests:
            interests.append(topic)
    return interests


def _long_tail(draw: _Draws, count: int) -> NDArray[np.float64]:
    """Zipf's weights, 1 / rank, in shuffled order."""
    return 1.0 / (1.0 + np.array(draw.shuffled(count)))


_RULES = Recipe(
    name=NAME,
    reader="csv",  # nothing is read: the rules want a recipe
    columns={"user": "user", "item": "item", "time": "time"},
    split=SplitRule(kind="quantiles", at=(Decimal("0.8"), Decimal("0.9"))),
    text=Text(fields={"title": ("title",), "topic": ("topic",)}),
)
