"""Principal components of item vectors: centred, in float64, on one thread, with signs that are always the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ....utils.errors import DatasetError

_ROWS = 4096  # at once in float64
_RANK_TOLERANCE = 1e-12  # of the largest variance; what is below is rounding


def project(vectors: NDArray[np.float32], counts: NDArray[np.int64], width: int) -> tuple[NDArray[np.float32], float]:
    """Vectors (n, h) on their principal components, (n, m) float32, and the share of the items' variance kept.

    The components are eigenvectors of the (h, h) covariance, so that memory does not grow with the items. One thread
    gives the same last digits on any number of cores. Of each component the entry that is largest in magnitude is
    positive. (scikit-learn's PCA takes no counts and would need all rows in float64.)

    The vectors are all different; `counts` (n,) weighs each by its items. `width` is m, or more than n - 1, h or the
    rank allow.

    Raises:
        DatasetError: the vectors do not differ.
    """
    from threadpoolctl import threadpool_limits

    total = counts.sum()
    with threadpool_limits(1):
        mean = sum(weights @ chunk for chunk, weights in _chunks(vectors, counts)) / total
        scaled = ((chunk - mean) * np.sqrt(weights)[:, None] for chunk, weights in _chunks(vectors, counts))
        variances, axes = np.linalg.eigh(sum(rows.T @ rows for rows in scaled) / total)  # ascending; (h,), (h, h)
        variances, axes = variances[::-1], axes[:, ::-1]
        rank = int((variances > _RANK_TOLERANCE * variances[0]).sum()) if variances[0] > 0 else 0
        kept = min(width, rank, len(vectors) - 1)
        if kept < 1:
            raise DatasetError(f"all {int(total):,} items have the same vector: their texts tell none apart.")
        axes = axes[:, :kept]
        axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(kept)])
        values = [((chunk - mean) @ axes).astype(np.float32) for chunk, _ in _chunks(vectors, counts)]
    return np.concatenate(values), float(variances[:kept].sum() / variances.clip(min=0).sum())


def _chunks(
    vectors: NDArray[np.float32], counts: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    for first in range(0, len(vectors), _ROWS):
        rows = slice(first, first + _ROWS)
        yield vectors[rows].astype(np.float64), counts[rows].astype(np.float64)
