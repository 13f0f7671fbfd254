"""The numbers of a card: the statistics of the paper's Table 1, and the funnel from the source to the rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .card import SPLITS

_FIRST_YEARS_S = 10**8  # smaller numbers are not Unix times
_LARGEST_S = 10**11
UNSEEN_TARGET = "the target is in no training row"
UNSEEN_HISTORY = "an item of the history is in no training row"
"""Why the rule `unseen` leaves out rows, as cards have it."""
UNSEEN = "the target is in no training row, neither as target nor in the history"


@dataclass(frozen=True)
class Table1:
    """A row of the paper's Table 1.

    Attributes:
        users: with at least one row.
        items: of the catalogue.
        interactions: prediction rows of all splits, as the authors count them.
    """

    users: int
    items: int
    interactions: int

    @property
    def per_user(self) -> float:
        """Mean interactions per user."""
        return self.interactions / self.users

    @property
    def per_item(self) -> float:
        """Mean interactions per item."""
        return self.interactions / self.items

    @property
    def sparsity_percent(self) -> float:
        """Percentage of pairs of a user and an item without an interaction."""
        return 100 * (1 - self.interactions / (self.users * self.items))


@dataclass(frozen=True)
class Summary:
    """The numbers by which data sets are compared.

    Attributes:
        rows: by split.
        mean_rows_per_user: of test.
        max_rows_per_user: of test.
        unseen_percent: of the rows of test: their target is in no training row. None in cards without it.
        repeats_percent: of the rows of test: their target is in their history. None in cards without it.
        times: first and last time of the targets by split, in the source's unit, if known.
    """

    table1: Table1
    rows: Mapping[str, int]
    mean_rows_per_user: float
    max_rows_per_user: int
    unseen_percent: float | None
    repeats_percent: float | None
    times: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Step:
    """The interactions or rows left after a rule.

    Attributes:
        why: what the rule left out, or where the counting starts.
        interactions: left; None once there are rows.
        rows: left by split; None before there are rows.
        lost: how many the rule left out, by split; of interactions under "".
    """

    why: str
    interactions: int | None
    rows: Mapping[str, int] | None
    lost: Mapping[str, int] = field(default_factory=dict)


def summary_of(card: Mapping[str, Any]) -> Summary:
    """The numbers of a card of any version; what it lacks is None."""
    counts = card["statistics"]
    rows = counts["rows"]
    unseen = counts["unseen_targets"]["test"] if "unseen_targets" in counts else _said_unseen(card)
    repeats = counts["repeats"]["test"] if "repeats" in counts else None
    return Summary(
        table1=Table1(counts["users"], counts["items"], counts["interactions"]),
        rows=rows,
        mean_rows_per_user=counts["mean_rows_per_user"]["test"],
        max_rows_per_user=counts["max_rows_per_user"]["test"],
        unseen_percent=_percent(unseen, rows["test"]),
        repeats_percent=_percent(repeats, rows["test"]),
        times={name: (span[0], span[1]) for name, span in card.get("split_times", {}).items() if span},
    )


def funnel(card: Mapping[str, Any]) -> tuple[Step, ...]:
    """From the source to the rows: what is left after every rule, from a card of any version."""
    return (*_interactions(card), *_rows(card))


def dropped_unseen(card: Mapping[str, Any]) -> int:
    """How many rows of test the rule `unseen` left out."""
    rules = (UNSEEN_TARGET, UNSEEN_HISTORY)
    return sum(entry["rows"]["test"] for entry in card.get("dropped", ()) if entry["why"] in rules)


def moment(time: float, *, day: bool = False) -> str:
    """A source's time as text; a plain number if it is too small for a Unix time.

    `time` is in seconds or, if too large for that, in milliseconds or microseconds. `day` leaves out the time of day.
    """
    seconds = float(time)
    while seconds > _LARGEST_S:
        seconds /= 1000
    if seconds < _FIRST_YEARS_S:
        return f"{time:g}"
    return f"{datetime.fromtimestamp(seconds, UTC):{'%Y-%m-%d' if day else '%Y-%m-%d %H:%M:%S UTC'}}"


def _interactions(card: Mapping[str, Any]) -> Iterator[Step]:
    left = card["source"].get("interactions")
    if left is None:
        return
    yield Step("in the source", left, None)
    for entry in card["filtered"]:
        left -= entry["interactions"]
        yield Step(entry["why"], left, None, {"": entry["interactions"]})


def _rows(card: Mapping[str, Any]) -> Iterator[Step]:
    rows, dropped = card["statistics"]["rows"], card["dropped"]
    left = {name: rows[name] + sum(entry["rows"][name] for entry in dropped) for name in SPLITS}
    yield Step("as rows", None, left)
    for entry in dropped:
        left = {name: left[name] - entry["rows"][name] for name in SPLITS}
        yield Step(entry["why"], None, left, entry["rows"])


def _said_unseen(card: Mapping[str, Any]) -> int | None:
    return next((entry["rows"]["test"] for entry in card.get("unseen", ()) if entry["what"] == UNSEEN), None)


def _percent(count: int | None, total: int) -> float | None:
    return None if count is None or total == 0 else 100 * count / total
