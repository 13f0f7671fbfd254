"""Names of ranking metrics as papers print them, and what one target at a rank contributes to each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from .numbers import ONE, Interval, log2, point

Family = Literal["Recall", "NDCG", "MRR"]
FAMILIES: tuple[Family, ...] = ("Recall", "NDCG", "MRR")

_WORDS: dict[str, Family] = {
    **dict.fromkeys(("recall", "rec", "hr", "hit", "hits", "hitrate", "hitratio"), "Recall"),
    "ndcg": "NDCG",
    "mrr": "MRR",
}
_LETTERS: dict[str, Family] = {"r": "Recall", "h": "Recall", "n": "NDCG", "m": "MRR"}
_NAME = re.compile(r"([a-z]+(?: (?:rate|ratio))?)( ?@ ?| ?at ?| ?)(?:k ?= ?)?(\d{1,4})")
_GAIN = re.compile(r"improv|impr\b|\bgains?\b|δ|\bdelta\b|^\(?over |\brel\b", re.IGNORECASE)
_STATISTIC = re.compile(
    r"^\W*p\W*$|\bp[\s_-]*val|\bt[\s_-]*test|\bstd\b|\bstdev\b|\b(?:std\.?|standard) dev|\bvariance\b|\bsignif",
    re.IGNORECASE,
)
_AVERAGE = re.compile(r"\W*(avg|average|mean)\W*", re.IGNORECASE)


@dataclass(frozen=True, order=True)
class Metric:
    """A metric at a cut-off; with one target a row, hit rate and recall are one."""

    family: Family
    cutoff: int

    def __str__(self) -> str:
        return f"{self.family}@{self.cutoff}"


def metric(name: str) -> Metric | None:
    """The metric of a name such as Recall@10, R@10, HR10, hit_rate@10 or N@10 (%); None for any other.

    A single letter needs its @: R1 and M2 are models, too.
    """
    words = re.sub(r"\(\s*%\s*\)|[%↑↓(){}\[\]]", " ", name.lower())
    found = _NAME.fullmatch(" ".join(re.split(r"[\s_\-:]+", words.strip())))
    if not found or not int(found[3]):
        return None
    word = found[1].replace(" ", "")
    known = _WORDS.get(word) or (_LETTERS.get(word) if "@" in found[2] else None)
    return Metric(known, int(found[3])) if known else None


def is_statistic(name: str) -> bool:
    """Whether numbers under this name are of a test, or say how values spread."""
    return bool(_STATISTIC.search(name))


def plain(name: str) -> str:
    """A name without what papers write differently: letters and digits in small."""
    return "".join(filter(str.isalnum, name.lower()))


def is_gain(name: str) -> bool:
    """Whether numbers under this name are improvements over another row."""
    return bool(_GAIN.search(name))


def is_average(name: str) -> bool:
    """Whether numbers under this name are averages of those beside them."""
    return bool(_AVERAGE.fullmatch(name)) or (is_gain(name) and bool(re.search(r"avg|average", name, re.IGNORECASE)))


@cache
def weight(family: Family, rank: int) -> Interval:
    """What a target at this rank adds to the sum behind the metric."""
    if family == "NDCG":
        return (ONE / log2(rank + 1)).outward()
    return ONE if family == "Recall" else ONE / point(rank)
