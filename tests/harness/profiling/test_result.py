"""What follows from a profile's numbers, reckoned by hand; and what makes two profiles the same."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from rearec_bench.harness.records.profile import Machine, Profile, step_name
from rearec_bench.harness.records.spec import EvaluationSettings, TrainingSettings

from . import made


def test_the_cost_is_the_medians_increase_over_no_steps() -> None:
    profile = made.profile()
    base, one, two = profile.lines
    assert profile.cost_percent(base) is None
    assert profile.cost_percent(one) == pytest.approx(25.0)  # 2.5 s over 2 s
    assert profile.cost_percent(two) == pytest.approx(100.0)  # 4 s over 2 s
    assert profile.step_s(base) is None
    assert profile.step_s(two) == pytest.approx(1.0)  # (4 - 2) / 2
    assert profile.rows_per_s(two) == pytest.approx(10.0)  # 40 rows in 4 s


def test_a_line_stands_beside_its_bound() -> None:
    assert made.profile().lines[2].over_bound == pytest.approx(8.0)  # 4 s over 0.5 s
    assert dataclasses.replace(made.profile().lines[2], bound_s=None).over_bound is None


def test_the_bound_is_the_larger_of_operations_and_traffic() -> None:
    machine = Machine(flops_per_s=1_000.0, bytes_per_s=100.0)
    assert machine.bound_s(flops=2_000, traffic_bytes=100) == pytest.approx(2.0)
    assert machine.bound_s(flops=2_000, traffic_bytes=500) == pytest.approx(5.0)


def test_training_counts_all_rows_and_all_seconds() -> None:
    training = made.profile().lines[0].training
    assert training.rows_per_s == pytest.approx(50.0)  # 250 rows in 5 s
    # 4 operations a row, 50 rows a second: 200 of the 1,000 that the machine reaches
    assert training.share_of_peak(Machine(1_000.0, 1.0)) == pytest.approx(0.2)


def test_a_profile_is_the_same_after_a_trip_through_json() -> None:
    profile = made.profile()
    assert Profile.from_json(json.dumps(profile.to_json()).encode()) == profile


def test_repeats_and_time_do_not_make_another_subject() -> None:
    assert made.profile(taken_at=2.0, repeats=7).subject.id == made.profile().subject.id


@pytest.mark.parametrize(
    "changed",
    [
        {"suite": "other"},
        {"dataset_fingerprint": "e" * 8},
        {"training": TrainingSettings(batch_size=100, threads=2)},
        {"training": TrainingSettings(batch_size=100, packing="users")},
        {"evaluation": EvaluationSettings(mask_history=True)},
        {"vectors": "v" * 8},
        {"device": "cuda"},
        {"machine": "Curta"},
        {"rows": 20},
        {"steps": (0, 1)},
        {"row": "prl[decay=2]"},
        {"backbone": "sasrec_deep"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_whatever_was_measured_makes_another_subject(changed: dict[str, Any]) -> None:
    other = made.subject(**changed)
    assert other.id != made.subject().id
    assert len(other.id) == 12


def test_steps_are_called_as_in_the_paper() -> None:
    assert [step_name(steps) for steps in (0, 1, 5)] == ["Base", "Step-1", "Step-5"]
