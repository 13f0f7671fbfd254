"""`tiny`, the embedded data set: generated, always the same, with something to find at three depths.

Items belong to topics; popularity is long-tailed within and across topics. A user has a few interests, strays from
one to another, and now and then swaps an interest for a new one. Within a topic the next item mostly follows the
user's last item *of that topic* on the topic's ring. So popularity beats chance, counts of what follows what beat
popularity, and a model that reads the whole history can do better still, since the last item of a topic is often
some steps back.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..data.interactions import from_tokens
from ..data.recipe_result import RecipeResult
from .draws import Draws, generated

NAME = "tiny"
SEED = 20250322
NUM_USERS = 320
ITEMS_PER_TOPIC = 20
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
def make() -> RecipeResult:
    """Generate the data set in memory."""
    draw = Draws(SEED)
    titles = [
        f"{first} {second} ({topic})"
        for topic, (firsts, seconds) in TOPICS.items()
        for first in firsts.split()
        for second in seconds.split()
    ]

    def attributes(items: Collection[str]) -> dict[str, dict[str, str]]:
        parts = {item: titles[int(item)].removesuffix(")").partition(" (") for item in items}
        return {item: {"title": name, "topic": topic} for item, (name, _, topic) in parts.items()}

    users, items, times = _interactions(draw)
    result = generated(NAME, from_tokens(users, items, times), attributes, generator_seed=SEED)
    ordered = [titles[int(token)] for token in result.assembled.item_tokens]
    return replace(result, titles=np.array(ordered, dtype=object))


def _interactions(draw: Draws) -> tuple[NDArray[np.object_], NDArray[np.object_], NDArray[np.float64]]:
    num_topics = len(TOPICS)
    rings = [_shuffled(draw, ITEMS_PER_TOPIC) for _ in range(num_topics)]  # place on the ring -> item of the topic
    popularity = [_long_tail(draw, ITEMS_PER_TOPIC) for _ in range(num_topics)]  # by place on the ring
    topic_odds = _long_tail(draw, num_topics)
    step_odds = np.cumsum(STEPS_ON_RING)
    users, items, times = [], [], []
    for user in range(NUM_USERS):
        interests = _interests(draw, topic_odds)
        last_place: dict[int, int] = {}
        topic = interests[0]
        clock = START + _below(draw, DAYS * 86_400)
        for _ in range(SHORTEST + _below(draw, LONGEST - SHORTEST + 1)):
            if _uniform(draw) < SWAP:
                interests[_below(draw, len(interests))] = _choice(draw, topic_odds)  # the topic is drawn first
            if topic not in interests or _uniform(draw) >= STAY:
                topic = interests[_below(draw, len(interests))]
            if topic in last_place and _uniform(draw) < FOLLOW:
                place = (last_place[topic] + 1 + _choice(draw, step_odds)) % ITEMS_PER_TOPIC
            else:
                place = _choice(draw, popularity[topic])
            last_place[topic] = place
            clock += 600 + _below(draw, LONGEST_PAUSE_DAYS * 86_400)
            users.append(str(user))
            items.append(str(topic * ITEMS_PER_TOPIC + rings[topic][place]))
            times.append(float(clock))
    return np.array(users, dtype=object), np.array(items, dtype=object), np.array(times)


def _interests(draw: Draws, odds: NDArray[np.float64]) -> list[int]:
    wanted = 2 + _below(draw, 2)
    interests: list[int] = []
    while len(interests) < wanted:
        topic = _choice(draw, odds)
        if topic not in interests:
            interests.append(topic)
    return interests


def _long_tail(draw: Draws, count: int) -> NDArray[np.float64]:
    """Running sum of Zipf's weights, 1 / rank, in shuffled order."""
    return np.cumsum(1.0 / (1.0 + np.array(_shuffled(draw, count))))


def _shuffled(draw: Draws, count: int) -> list[int]:
    order = list(range(count))
    for last in range(count - 1, 0, -1):
        other = _below(draw, last + 1)
        order[last], order[other] = order[other], order[last]
    return order


def _uniform(draw: Draws) -> float:
    return float(draw.uniform(1)[0])


def _below(draw: Draws, bound: int) -> int:
    return int(draw.below(bound, 1)[0])


def _choice(draw: Draws, cumulative: NDArray[np.float64]) -> int:
    return int(draw.choice(cumulative, 1)[0])
