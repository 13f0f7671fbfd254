"""Operations and traffic of a pass, row by row and number by number; and what the machine reaches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rearec_bench.harness.cost.operations import Shape, inference
from rearec_bench.harness.profile.bounds import Workload, reach

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
        parts = [load.encode(), *(load.step(k) for k in range(1, steps + 1)), load.score()]
        naive = sum(inference(SHAPE, length=length, steps=steps, items=ITEMS) for length in LENGTHS)
        assert sum(part.flops for part in parts) == load.inference(steps) == naive


def test_encoding_reads_items_and_weights_and_writes_keys_values_and_a_state(load: Workload) -> None:
    d = SHAPE.width
    numbers = PASSES * weights()
    for length in LENGTHS:
        numbers += length * d  # item vectors
        numbers += SHAPE.layers * 2 * length * d  # keys and values
        numbers += d  # r_0
    assert load.encode().traffic_bytes == 4 * numbers


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_step_reads_what_stands_in_the_cache_and_adds_its_own(load: Workload, step: int) -> None:
    d = SHAPE.width
    numbers = PASSES * weights()
    for length in LENGTHS:
        numbers += SHAPE.layers * 2 * (length + step - 1) * d  # read
        numbers += SHAPE.layers * 2 * d  # written
        numbers += 2 * d  # the state before, the state after
    assert load.step(step).traffic_bytes == 4 * numbers


def test_scoring_reads_all_items_in_each_pass_and_a_query_a_row(load: Workload) -> None:
    numbers = PASSES * ITEMS * SHAPE.width + len(LENGTHS) * (SHAPE.width + 1)
    assert load.score().traffic_bytes == 4 * numbers


def test_the_machine_is_measured_and_left_as_it_was() -> None:
    threads, tf32 = torch.get_num_threads(), torch.backends.cuda.matmul.allow_tf32
    machine = reach(torch.device("cpu"), product=64, copied_bytes=1 << 16)
    assert 1e6 < machine.flops_per_s < 1e16
    assert 1e6 < machine.bytes_per_s < 1e14
    assert (torch.get_num_threads(), torch.backends.cuda.matmul.allow_tf32) == (threads, tf32)
