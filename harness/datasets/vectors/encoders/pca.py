"""Principal components of item vectors: centred, in float64, on one thread, with signs that are always the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....utils.errors import DatasetError

_ROWS = 4096  # at once in float64
_RANK_TOLERANCE = 1e-12  # of the largest variance; what is below is rounding


@dataclass(frozen=True)
class Projected:
    """Vectors on their leading principal components.

    Attributes:
        values: (n, m) float32.
        explained: share of the items' variance that the m components hold.
    """

    values: NDArray[np.float32]
    explained: float


def project(vectors: NDArray[np.float32], counts: NDArray[np.int64], width: int) -> Projected:
    """Project vectors onto their leading principal components.

    The components are eigenvectors of the (h, h) covariance, so that memory does not grow with the items. One thread
    gives the same last digits on any number of cores. Of each component the entry that is largest in magnitude is
    positive.

    Args:
        vectors: (n, h), all different.
        counts: (n,) how many items have each; a vector counts for the components as often.
        width: m, or more than n - 1, h or the rank allow.

    Returns:
        The n projected vectors.

    Raises:
        DatasetError: the vectors do not differ.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        mean = _mean(vectors, counts)
        variances, axes = np.linalg.eigh(_covariance(vectors, counts, mean))  # ascending; (h,), (h, h)
        variances, axes = variances[::-1], axes[:, ::-1]
        rank = int((variances > _RANK_TOLERANCE * variances[0]).sum()) if variances[0] > 0 else 0
        kept = min(width, rank, len(vectors) - 1)
        if kept < 1:
            raise DatasetError(f"all {int(counts.sum()):,} items have the same vector: their texts tell none apart.")
        axes = axes[:, :kept]
        signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(kept)])
        values = np.concatenate([((chunk - mean) @ (axes * signs)).astype(np.float32) for chunk in _chunks(vectors)])
    return Projected(values, float(variances[:kept].sum() / variances.clip(min=0).sum()))


def _mean(vectors: NDArray[np.float32], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    total = np.zeros(vectors.shape[1])
    for chunk, weights in zip(_chunks(vectors), _chunks(counts), strict=True):
        total += weights @ chunk
    return total / counts.sum()


def _covariance(
    vectors: NDArray[np.float32], counts: NDArray[np.int64], mean: NDArray[np.float64]
) -> NDArray[np.float64]:
    total = np.zeros((len(mean), len(mean)))
    for chunk, weights in zip(_chunks(vectors), _chunks(counts), strict=True):
        centred = (chunk - mean) * np.sqrt(weights)[:, None]
        total += centred.T @ centred
    return total / counts.sum()


def _chunks(rows: NDArray[np.float32] | NDArray[np.int64]) -> Iterator[NDArray[np.float64]]:
    for first in range(0, len(rows), _ROWS):
        yield rows[first : first + _ROWS].astype(np.float64)
