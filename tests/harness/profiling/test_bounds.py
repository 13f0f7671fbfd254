"""Operations and traffic of a pass, row by row and number by number; and what the machine reaches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rearec_bench.harness.cost.operations import Shape, inference
from rearec_bench.harness.profile import bounds
from rearec_bench.harness.profile.bounds import Workload

SHAPE = Shape(width=8, layers=2, feed_forward=12)
LENGTHS = (1, 5, 5, 9)
ITEMS = 37
PASSES = 2


@pytest.fixture
def load() -> Workload:
    return Workload(SHAPE, np.array(LENGTHS), ITEMS, PASSES)


def weights() -> int:
    """Numbers in the matrices of all layers: query, key, value, output, and two of the feed-forward."""
    d, f = SHAPE.width, SHAPE.feed_forward
    return SHAPE.layers * (d * d + d * d + d * d + d * d + d * f + f * d)


def test_the_parts_operations_are_those_of_each_row(load: Workload) -> None:
    for steps in (0, 1, 3):
        naive = sum(inference(SHAPE, length=length, steps=steps, items=ITEMS) for length in LENGTHS)
        assert sum(part.flops for part in load.parts(steps).values()) == load.inference(steps) == naive


def test_each_part_reads_the_weights_in_each_pass_and_moves_what_its_rows_need(load: Workload) -> None:
    d, layers = SHAPE.width, SHAPE.layers
    expected = dict.fromkeys(("encode", "step 1", "step 2", "step 3"), PASSES * weights())
    for length in LENGTHS:
        expected["encode"] += length * d + layers * 2 * length * d + d  # item vectors, keys and values, r_0
        for step in (1, 2, 3):
            expected[f"step {step}"] += layers * 2 * (length + step - 1) * d  # keys and values that are read
            expected[f"step {step}"] += layers * 2 * d + 2 * d  # its own, and the states before and after
    expected["score"] = PASSES * ITEMS * d + len(LENGTHS) * (d + 1)
    assert {name: part.traffic_bytes for name, part in load.parts(3).items()} == {
        name: 4 * numbers for name, numbers in expected.items()
    }


def test_the_machine_is_measured_and_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bounds._SIZES, "cpu", (64, 1 << 16))
    threads, tf32 = torch.get_num_threads(), torch.backends.cuda.matmul.allow_tf32
    machine = bounds.reach(torch.device("cpu"))
    assert 1e6 < machine.flops_per_s < 1e16
    assert 1e6 < machine.bytes_per_s < 1e14
    assert (torch.get_num_threads(), torch.backends.cuda.matmul.allow_tf32) == (threads, tf32)
