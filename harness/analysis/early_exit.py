"""How deep to reason on a row, decided without its target: rules that stop, and a router that decides beforehand.

A rule is chosen on validation, where its metric is known, and then given `Signals` of other rows, which contain neither
target nor rank: a depth cannot depend on what it is scored with.

- *entropy*: stop at the first step whose entropy is at most a threshold;
- *margin*: at the first step whose margin is at least a threshold;
- *convergence*: at the first step k >= 1 whose cosine to the step before is at least a threshold;
- *divergence*: at the first step k >= 1 whose KL(p_(k-1) || p_k) is at most a threshold, as ManCAR stops;
- *router*: one depth per row from the entropy and margin of step 0, so that only the chosen steps are computed.

A threshold comes with a cap, the deepest step that the rule may take: it stops there at the latest. Thresholds are
quantiles of the validation values, and every fixed depth is among the candidates (a cap without threshold), so that on
validation no fixed depth is better than the choice. Of equally good candidates the one with the fewest steps is taken.
With K = 1 convergence and divergence cannot decide, since the first cosine is known after step 1; they fall back on the
better of the two depths.

Besides the steps, rules cost this: entropy, margin and divergence need the scores of all items at each step that they
check, the router at step 0, convergence none.

The router is a ridge regression of each step's gain (less the mean of all steps', which all rows share) on the two
signals, standardised; it leaves the fixed depth that is best on validation only if another one's predicted
advantage is above a threshold, chosen on out-of-fold predictions with all rows of a user in one fold, among quantiles
of the advantages and "never". Why regression of gains: the loss from a wrong depth differs by row (most rows rank
the target below 20 at every step and lose nothing), and the depth with the largest expected gain is what maximises
the metric. Why linear: the signal is weak, and more freedom fits noise. Of 33 models on ml-100k (ERL, PRL, Naive and
RPE, K of 1 and 2), out of fold on validation and without threshold, the share captured of the ceiling above the best
fixed step was -0.9% (standard error 0.5) for it, -1.9% with squares, -2.2% for boosted trees (fifty times slower),
-3.2% and -4.8% for trees of depth 2 and 3, and -10% for a weighted logistic regression on the best step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..records.results import Rows

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

Floats = NDArray[np.float64]
Depths = NDArray[np.int64]
_Rule = TypeVar("_Rule")

_PARTS = 20  # thresholds are the smallest value, the largest, and those between as many equal parts
_FOLDS = 5
_LARGEST = float(np.finfo(np.float16).max)  # what signals are stored with


@dataclass(frozen=True)
class Signals:
    """The inputs of a rule: R rows, K steps; values may be infinite or NaN.

    Attributes:
        entropy: (R, K + 1), in nats.
        margin: (R, K + 1).
        cosine: (R, K), to the step before.
        divergence: (R, K), from the step before; NaN for all, which stops nothing, where a trial is stored without it.
    """

    entropy: Floats
    margin: Floats
    cosine: Floats
    divergence: Floats

    @property
    def steps(self) -> int:
        """K."""
        return self.entropy.shape[1] - 1


class DepthRule(Protocol):
    """Chooses a depth for each row."""

    def depths(self, signals: Signals) -> Depths:
        """(R,), each 0 to K."""
        ...


@dataclass(frozen=True)
class FixedDepth:
    """The same depth, 0 to K, for all rows."""

    depth: int

    def depths(self, signals: Signals) -> Depths:
        """(R,), all equal."""
        return np.full(len(signals.entropy), self.depth, np.int64)


@dataclass(frozen=True)
class StopRule:
    """Stops at the first step whose evidence reaches a threshold.

    Attributes:
        evidence: name in `EVIDENCE`.
        threshold: on the evidence; infinite for never.
        cap: where it stops at the latest, 0 to K.
    """

    evidence: str
    threshold: float
    cap: int

    def depths(self, signals: Signals) -> Depths:
        """(R,), each 0 to the cap; NaN never stops."""
        return _stops(EVIDENCE[self.evidence](signals), self.threshold, self.cap)


@dataclass(frozen=True)
class Router:
    """Leaves a fixed depth if the predicted advantage of another one is above a threshold.

    Attributes:
        regression: predicts each step's gain.
        depth: the fixed one.
        threshold: at least 0; infinite for never.
    """

    regression: Pipeline
    depth: int
    threshold: float

    def depths(self, signals: Signals) -> Depths:
        """(R,), each 0 to K."""
        predicted = self.regression.predict(_features(signals))
        return _routed(_advantages(predicted, self.depth), self.depth, self.threshold)


def signals_of(rows: Rows) -> Signals:
    """The signals of stored rows."""
    divergence = np.full_like(rows.cosine, np.nan) if rows.divergence is None else rows.divergence
    signals = (rows.entropy, rows.margin, rows.cosine, divergence)
    return Signals(*(signal.astype(np.float64) for signal in signals))


def choose_fixed(gains: Floats) -> FixedDepth:
    """The depth that is best for all rows together; `gains` (R, K + 1) is each row's gain at each depth."""
    return FixedDepth(int(gains.mean(axis=0).argmax()))


def choose_stop(evidence: str, signals: Signals, gains: Floats) -> StopRule:
    """The threshold and cap of `EVIDENCE[evidence]` that are best on validation rows; `gains` as in `choose_fixed`."""
    values = EVIDENCE[evidence](signals)
    rules = [StopRule(evidence, threshold, cap) for cap, threshold in _candidates(values)]
    return _best(((rule, _stops(values, rule.threshold, rule.cap)) for rule in rules), gains)


def choose_router(signals: Signals, gains: Floats, users: NDArray[np.int32]) -> DepthRule:
    """A router trained on validation rows; `gains` as in `choose_fixed`.

    A fold keeps all rows of a user, `users` (R,), together. A single user gives no fold to choose a threshold on, and
    so the best fixed depth.
    """
    fixed = choose_fixed(gains)
    if len(np.unique(users)) < 2:
        return fixed
    features = _features(signals)
    advantages = _advantages(_out_of_fold(features, gains, users), fixed.depth)
    largest = advantages.max(axis=1)
    thresholds = [np.inf, *_quantiles(largest[largest > 0]), 0.0]
    regression = _fit(features, gains)
    rules = [Router(regression, fixed.depth, threshold) for threshold in thresholds]
    return _best(((rule, _routed(advantages, rule.depth, rule.threshold)) for rule in rules), gains)


def _from_step_1(evidence: Floats) -> Floats:
    """(R, K) evidence of steps 1 to K, and none at step 0."""
    return np.concatenate([np.full((len(evidence), 1), -np.inf), evidence], axis=1)


EVIDENCE: Mapping[str, Callable[[Signals], Floats]] = {
    "entropy": lambda signals: -signals.entropy,
    "margin": lambda signals: signals.margin,
    "convergence": lambda signals: _from_step_1(signals.cosine),
    "divergence": lambda signals: _from_step_1(-signals.divergence),
}
"""What speaks for stopping at each step, (R, K + 1), the more the larger."""


def _stops(evidence: Floats, threshold: float, cap: int) -> Depths:
    if cap == 0:
        return np.zeros(len(evidence), np.int64)
    reached = evidence[:, :cap] >= threshold
    return np.where(reached.any(axis=1), reached.argmax(axis=1), cap)


def _candidates(evidence: Floats) -> list[tuple[int, float]]:
    """(cap, threshold): each fixed depth, and each cap with each quantile of the values before it."""
    return [
        (cap, threshold) for cap in range(evidence.shape[1]) for threshold in (np.inf, *_quantiles(evidence[:, :cap]))
    ]


def _quantiles(values: Floats) -> list[float]:
    ordered = np.sort(values[np.isfinite(values)])
    places = np.arange(_PARTS + 1) * (len(ordered) - 1) // _PARTS
    return np.unique(ordered[places]).tolist() if ordered.size else []


def _best(candidates: Iterable[tuple[_Rule, Depths]], gains: Floats) -> _Rule:
    """The candidate with the largest mean gain (to twelve decimals); of equal ones that with the fewest steps."""
    rows = np.arange(len(gains))
    scored = [(round(float(gains[rows, depths].mean()), 12), -depths.mean(), rule) for rule, depths in candidates]
    return max(scored, key=lambda candidate: candidate[:2])[2]


def _features(signals: Signals) -> Floats:
    """(R, 2): entropy and log margin at step 0; infinite and NaN values become the extremes of the type."""
    features = np.stack([signals.entropy[:, 0], signals.margin[:, 0]], axis=1)
    features = np.nan_to_num(features, nan=0.0, posinf=_LARGEST, neginf=-_LARGEST)
    features[:, 1] = np.log1p(np.maximum(features[:, 1], 0.0))
    return features


def _fit(features: Floats, gains: Floats) -> Pipeline:
    """Gain of each step as a linear function of the standardised signals of step 0."""
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), Ridge(alpha=1.0)).fit(features, gains - gains.mean(axis=1, keepdims=True))


def _out_of_fold(features: Floats, gains: Floats, users: NDArray[np.int32]) -> Floats:
    """(R, K + 1): each row's gains as predicted by a regression that has seen no row of its user."""
    from sklearn.model_selection import GroupKFold

    predicted = np.empty_like(gains)
    folds = GroupKFold(min(_FOLDS, len(np.unique(users))))
    for seen, held_out in folds.split(gains, groups=users):
        predicted[held_out] = _fit(features[seen], gains[seen]).predict(features[held_out])
    return predicted


def _advantages(predicted: Floats, depth: int) -> Floats:
    return predicted - predicted[:, [depth]]


def _routed(advantages: Floats, depth: int, threshold: float) -> Depths:
    return np.where(advantages.max(axis=1) > threshold, advantages.argmax(axis=1), depth)
