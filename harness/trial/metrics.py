"""Ranking metrics from the rank of the one relevant item; a tie counts against it (rank = 1 + others scored >= it)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

METRICS = ("ndcg@10", "ndcg@20", "recall@10", "recall@20", "mrr")
"""What every trial reports; the first four are the paper's."""


def row_gains(ranks: NDArray[np.int32], name: str) -> NDArray[np.float64]:
    """What each row adds to a metric, which is their mean.

    NDCG: 1 / log2(rank + 1) within the cut-off, 0 behind it (one relevant item: the ideal DCG is 1). Recall: 1 within
    the cut-off. MRR: 1 / rank, without cut-off.

    Args:
        ranks: 1-based, of any shape.
        name: one of `METRICS`.

    Returns:
        As `ranks`, between 0 and 1.
    """
    places = ranks.astype(np.float64)
    if name == "mrr":
        return 1.0 / places
    kind, _, cut = name.partition("@")
    return np.where(ranks <= int(cut), 1.0 / np.log2(places + 1.0) if kind == "ndcg" else 1.0, 0.0)


def metric_of(ranks: NDArray[np.int32], name: str) -> float:
    """One metric of (R,) ranks, unrounded."""
    return float(row_gains(ranks, name).mean())


def metrics_of(ranks: NDArray[np.int32]) -> dict[str, float]:
    """All of `METRICS`, unrounded."""
    return {name: metric_of(ranks, name) for name in METRICS}
