"""Differences between two results of one trial; times, memory, machine and source do not count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from .results import Evidence, TrialResult

_RANKS = ("users", "items", "readout_ranks", "step_ranks", "top_items", "control_ranks")
_FACTS = ("reason", "parameters", "best_epoch")


def differences(
    first: TrialResult, second: TrialResult, *, sides: tuple[str, str] = ("here", "there"), ranks_only: bool = False
) -> tuple[str, ...]:
    """The differences between two results of one trial, one line each, worded with the names of the two `sides`.

    `ranks_only` compares only ranks and the best ten of each row, instead of everything that is stored.
    """
    return tuple(_differences(first, second, sides, ranks_only))


def _differences(first: TrialResult, second: TrialResult, sides: tuple[str, str], ranks_only: bool) -> Iterator[str]:
    here, there = sides
    if first.status != second.status:
        reason = f" ({second.reason})" if second.reason else ""
        yield f"status: {first.status} {here}, {second.status} {there}{reason}"
        return
    for before, after in zip(first.history, second.history, strict=False):
        if not (_same(before.losses, after.losses) and _same(before.validation, after.validation)):
            metric = first.spec.metric
            yield (
                f"epoch {before.epoch} is the first that differs: loss {before.losses['total']:.6g} {here}, "
                f"{after.losses['total']:.6g} {there}; {metric} {before.validation[metric]:.6f} {here}, "
                f"{after.validation[metric]:.6f} {there}"
            )
            break
    facts = [("epochs", len(first.history), len(second.history))]
    facts += [(name.replace("_", " "), getattr(first, name), getattr(second, name)) for name in _FACTS]
    yield from (f"{what}: {left} {here}, {right} {there}" for what, left, right in facts if left != right)
    for split, left, right in (
        ("validation", first.validation, second.validation),
        ("test", first.test, second.test),
    ):
        if left is not None and right is not None:
            yield from (f"{split}: {line}" for line in _evidence(left, right, sides, ranks_only))
        elif left is not right:
            yield f"{split}: {'stored' if left else 'none'} {here}, {'stored' if right else 'none'} {there}"


def _evidence(first: Evidence, second: Evidence, sides: tuple[str, str], ranks_only: bool) -> Iterator[str]:
    for name in _RANKS if ranks_only else vars(first.rows):
        before, after = getattr(first.rows, name), getattr(second.rows, name)
        if before is None or after is None:  # an earlier version has not stored it
            continue
        if before.shape != after.shape:
            yield f"{name} of shape {before.shape} {sides[0]}, {after.shape} {sides[1]}"
        elif before.tobytes() != after.tobytes():
            rows = int((before != after).reshape(len(before), -1).any(axis=1).sum())
            yield f"{name} differ in {rows:,} of {len(before):,} rows"
    if ranks_only:
        return
    if not _same(first.readout, second.readout):
        yield "the metrics differ"
    if first.traces is not None and second.traces is not None:
        for name, states in vars(first.traces).items():
            if not np.array_equal(states, getattr(second.traces, name), equal_nan=states.dtype.kind == "f"):
                yield f"{name} of the rows whose states are kept differ"
    elif first.traces is not second.traces:
        yield "states are kept by one of them alone"


def _same(first: Mapping[str, float], second: Mapping[str, float]) -> bool:
    """Whether all values have the same digits; NaN is NaN."""
    return {name: repr(value) for name, value in first.items()} == {name: repr(value) for name, value in second.items()}
