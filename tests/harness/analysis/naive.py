"""The gain of one rank, written out from its definition."""

from __future__ import annotations

import math


def gain(rank: int, metric: str = "ndcg@20") -> float:
    """Of a target at this rank."""
    kind, cut = metric.split("@")
    if rank > int(cut):
        return 0.0
    return 1.0 if kind == "recall" else 1 / math.log2(rank + 1)
