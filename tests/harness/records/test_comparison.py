"""What tells two results of one trial apart."""

from __future__ import annotations

import dataclasses
from types import ModuleType
from typing import Any

import pytest

from rearec_bench.harness.records.comparison import differences
from rearec_bench.harness.records.results import TrialResult


@pytest.fixture
def result(synthetic: ModuleType) -> TrialResult:
    made: TrialResult = synthetic.trial(synthetic.spec())
    return made


def with_rows(result: TrialResult, **arrays: Any) -> TrialResult:
    assert result.test is not None
    rows = dataclasses.replace(result.test.rows, **arrays)
    return dataclasses.replace(result, test=dataclasses.replace(result.test, rows=rows))


def test_times_memory_machine_and_source_do_not_count(result: TrialResult) -> None:
    other = dataclasses.replace(result, timings={}, environment={}, peak_memory_bytes=0, source_digest="")
    assert differences(result, other) == ()
    assert differences(with_rows(other, divergence=None), result) == ()  # an earlier version's


def test_an_end_of_another_kind_is_all_that_is_said(result: TrialResult) -> None:
    failed = dataclasses.replace(result, status="failed", reason="no such layer", validation=None, test=None)
    assert differences(result, failed, sides=("then", "now")) == ("status: done then, failed now (no such layer)",)


def test_the_first_epoch_that_differs_and_other_facts_are_named(result: TrialResult) -> None:
    losses = {**result.history[0].losses, "total": float("nan")}
    changed = dataclasses.replace(result.history[0], losses=losses)
    other = dataclasses.replace(result, history=(changed, *result.history[1:], changed), best_epoch=99)
    first, epochs, best = differences(result, other)
    assert first.startswith("epoch 1 is the first that differs: loss ") and "nan there" in first
    assert epochs == f"epochs: {len(result.history)} here, {len(result.history) + 1} there"
    assert best == f"best epoch: {result.best_epoch} here, 99 there"
    assert differences(other, other) == ()


def test_ranks_always_count_and_their_margins_where_everything_does(result: TrialResult) -> None:
    assert result.test is not None
    rows = result.test.rows
    other = with_rows(result, readout_ranks=rows.readout_ranks + 1, margin=rows.margin + 1)
    count = f"{len(rows.users)} of {len(rows.users)} rows"
    assert differences(result, other) == (
        f"test: readout_ranks differ in {count}",
        f"test: margin differ in {count}",
    )
    assert differences(result, other, ranks_only=True) == (f"test: readout_ranks differ in {count}",)
    assert "users of shape" in differences(result, with_rows(result, users=rows.users[:1]))[0]
    (line,) = differences(result, dataclasses.replace(result, test=None))
    assert line == "test: stored here, none there"
