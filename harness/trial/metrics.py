"""Ranking metrics from the rank of the one relevant item; a tie counts against it (rank = 1 + others scored >= it)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

METRICS = ("ndcg@10", "ndcg@20", "recall@10", "recall@20", "mrr")
"""What every trial reports; the first four are the paper's."""


def ndcg_at(ranks: NDArray[np.int32], k: int) -> float:
    """Mean of 1 / log2(rank + 1) over rows ranked within k, 0 for the others (one relevant item: ideal DCG is 1).

    Args:
        ranks: (R,) 1-based.
        k: cut-off.
    """
    return float(_discounted(ranks, k).mean())


def recall_at(ranks: NDArray[np.int32], k: int) -> float:
    """Share of rows ranked within k."""
    return float((ranks <= k).mean())


def mrr(ranks: NDArray[np.int32]) -> float:
    """Mean reciprocal rank, without cut-off."""
    return float((1.0 / ranks.astype(np.float64)).mean())


def row_gains(ranks: NDArray[np.int32], name: str) -> NDArray[np.float64]:
    """What each row adds to a metric, which is their mean.

    Args:
        ranks: 1-based, of any shape.
        name: one of `METRICS`.

    Returns:
        As `ranks`, between 0 and 1.
    """
    kind, _, cut = name.partition("@")
    if kind == "mrr":
        return 1.0 / ranks.astype(np.float64)
    return _discounted(ranks, int(cut)) if kind == "ndcg" else (ranks <= int(cut)).astype(np.float64)


def metrics_of(ranks: NDArray[np.int32]) -> dict[str, float]:
    """All of `METRICS`, unrounded."""
    values = {}
    for name in METRICS:
        kind, _, cut = name.partition("@")
        values[name] = mrr(ranks) if kind == "mrr" else (ndcg_at if kind == "ndcg" else recall_at)(ranks, int(cut))
    return values


def _discounted(ranks: NDArray[np.int32], k: int) -> NDArray[np.float64]:
    return np.where(ranks <= k, 1.0 / np.log2(ranks.astype(np.float64) + 1.0), 0.0)
