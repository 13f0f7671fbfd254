"""Intervals: Student's t over seeds, a bootstrap over users, and the smallest difference that seeds can show.

Over seeds: would other runs of the same training give the same result on these users? Over users: would other users
give the same result for these runs? Rows of one user are not independent, so users are resampled, each with all its
rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
POWER = 0.8
RESAMPLES = 2000
SEED = 0
"""Of the resamples: the same report twice prints the same interval."""

ROUNDING = 1e-13
"""Values that vary by less, as metrics do by their rounding, do not vary."""

_COUNTS = 1_000_000  # counts in memory at once; many small products would wait for threads


@dataclass(frozen=True)
class Interval:
    """A two-sided interval, in the unit of its values."""

    low: float
    high: float


def t_interval(values: Sequence[float]) -> Interval | None:
    """Student's t interval of a mean; None for fewer than two values, where they do not vary, or one is not finite."""
    error = _error_of_mean(values)
    if error is None:
        return None
    from scipy.special import stdtrit

    mean = math.fsum(values) / len(values)
    half = float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2)) * error
    return Interval(mean - half, mean + half)


def share_interval(shares: Sequence[float]) -> Interval | None:
    """Wilson's interval of a mean of shares from 0 to 1, and within them; None for fewer than two.

    A mean of n shares varies at most as that of n draws of 0 and 1 does.
    """
    if len(shares) < 2:
        return None
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(math.fsum(shares), len(shares), alpha=1 - CONFIDENCE, method="wilson")
    return Interval(float(low), float(high))


def cluster_means(
    values: NDArray[np.float64], clusters: NDArray[np.int32], *, resamples: int = RESAMPLES, seed: int = SEED
) -> NDArray[np.float64]:
    """Means over rows in bootstrap resamples of clusters, (B, M) for `values` (R, M) and `clusters` (R,).

    A resampled cluster (user) comes with all its rows. All columns see the same resamples, so that differences between
    them are paired. A mean weighs rows alike, as the metrics do: clusters with more rows weigh more.
    """
    sums, sizes = cluster_sums(values, clusters)
    count = len(sizes)
    draw = np.random.default_rng(seed)
    means = np.empty((resamples, values.shape[1]))
    at_once = max(1, _COUNTS // count)
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        drawn = draw.integers(0, count, (size, count)) + count * np.arange(size)[:, None]  # (b, C)
        times = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count).astype(np.float64)
        means[start : start + size] = (times @ sums) / (times @ sizes)[:, None]
    return means


def cluster_sums(
    values: NDArray[np.float64], clusters: NDArray[np.int32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums over each cluster's rows, (C, M), and their number, (C,), clusters in the order of their numbers."""
    _, places = np.unique(clusters, return_inverse=True)
    sums = np.stack([np.bincount(places, weights=column) for column in values.T], axis=1, dtype=np.float64)
    return sums, np.bincount(places).astype(np.float64)


def percentile_interval(samples: NDArray[np.float64]) -> Interval | None:
    """The middle part of bootstrap samples (B,); None if one is infinite or NaN."""
    if samples.size == 0 or not np.isfinite(samples).all():
        return None
    outside = (1 - CONFIDENCE) / 2
    low, high = np.quantile(samples, [outside, 1 - outside])
    return Interval(float(low), float(high))


def difference_interval(samples: NDArray[np.float64]) -> Interval | None:
    """The same of differences; None also where they do not vary, which is no evidence."""
    return None if samples.size and np.ptp(samples) <= ROUNDING else percentile_interval(samples)


def detectable_difference(differences: Sequence[float]) -> float | None:
    """The smallest true mean of paired differences that a t-test finds, with its sign, with the probability `POWER`.

    The spread of the differences is taken for the true one; the power is that of the noncentral t distribution.

    Returns:
        In the unit of the metric; None for fewer than two, if they do not vary, or if one is infinite or NaN.
    """
    error = _error_of_mean(differences)
    return None if error is None else detectable(error, len(differences) - 1)


def detectable(error: float, freedom: int) -> float:
    """The same from the error of the mean and its degrees of freedom."""
    from scipy.special import nctdtrinc, stdtrit

    return float(nctdtrinc(freedom, 1 - POWER, stdtrit(freedom, (1 + CONFIDENCE) / 2))) * error


def _error_of_mean(values: Sequence[float]) -> float | None:
    n = len(values)
    if n < 2 or not all(map(math.isfinite, values)) or max(values) - min(values) <= ROUNDING:
        return None
    mean = math.fsum(values) / n
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1) / n)
