"""A pass over the test rows: what is ranked, counted, and told of its parts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rearec_bench.harness.profile.bounds import Workload
from rearec_bench.harness.profile.inference import Inference, TestReader, bound_s, parts_of, workload
from rearec_bench.harness.records.profile import Machine
from rearec_bench.harness.trial.batches import SplitReader
from rearec_bench.harness.trial.evaluate import readout_ranks
from rearec_bench.harness.trial.model_trial import ModelTrial

from . import models

CPU = torch.device("cpu")
ROWS = 128


def reader_of(data: object, rows: int | None = None) -> TestReader:
    return TestReader(data, rows=rows, max_len=9, device=CPU)  # type: ignore[arg-type]


def own_attention(steps: int) -> int:
    """Operations of a row on its own earlier states: products of vectors, which torch's counter does not see."""
    return sum(4 * number * models.WIDTH * models.LAYERS for number in range(1, steps + 1))


@pytest.mark.parametrize("steps", [0, 1, 3])
@pytest.mark.parametrize("backbone", ["sasrec", "bert4rec"])
def test_rows_without_padding_cost_what_the_formula_says(backbone: str, steps: int) -> None:
    data = models.dataset([9] * ROWS)
    spec, reader = models.spec(backbone, steps=steps), reader_of(data)
    counted = Inference(ModelTrial(spec, data), reader).flops()
    load = workload(spec, reader, items=models.ITEMS)
    assert load is not None
    assert counted == load.inference(steps) - ROWS * own_attention(steps)


def test_padding_is_counted_and_not_part_of_the_formula() -> None:
    data = models.dataset([1, 9] * (ROWS // 2))
    spec, reader = models.spec(steps=1), reader_of(data)
    load = workload(spec, reader, items=models.ITEMS)
    assert load is not None
    even = Workload(load.shape, np.full(ROWS, 9), load.items, load.passes)
    counted = Inference(ModelTrial(spec, data), reader).flops() + ROWS * own_attention(1)
    assert load.inference(1) < counted <= even.inference(1)


def test_a_pass_ranks_as_the_evaluation_does() -> None:
    data, spec = models.dataset([3, 9, 5, 4]), models.spec(steps=2)
    run = ModelTrial(spec, data)
    plain = SplitReader(data, data.test, max_len=9, device=CPU)
    expected = readout_ranks(run.model, run.strategy, plain, run.scorer)
    assert Inference(run, reader_of(data)).once().tolist() == expected.tolist()


def test_fewer_rows_are_evenly_spaced() -> None:
    data = models.dataset(list(range(1, 10)))
    assert reader_of(data, rows=3).lengths.tolist() == [1, 5, 9]
    assert len(reader_of(data, rows=99)) == len(reader_of(data)) == 9


def test_every_phase_of_a_pass_is_told_and_the_model_is_left_as_it_was() -> None:
    data, spec = models.dataset([9] * 4), models.spec(steps=2)
    run, reader = ModelTrial(spec, data), reader_of(data)
    passes, clock = Inference(run, reader), models.TickingClock()
    before = clock()
    seconds = passes.phases(clock)
    after = clock()
    assert set(seconds) == {"items", "data", "encode", "step 1", "step 2", "score"}
    assert sum(seconds.values()) == after - before - 2  # nothing is left out between the first and the last look
    assert seconds["encode"] == seconds["step 1"] == seconds["step 2"] == 1  # one chunk: from its call to its end
    assert not {"encode", "advance"} & set(vars(run.model.backbone))
    assert passes.once().tolist() == passes.once().tolist()


@pytest.mark.parametrize("rows", [8, 600, 6_000])
def test_the_number_of_forward_passes_is_that_of_the_evaluation(rows: int) -> None:
    data = models.dataset([9] * rows)
    reader = reader_of(data)
    seconds = Inference(ModelTrial(models.spec(steps=1), data), reader).phases(models.TickingClock())
    assert seconds["encode"] == seconds["step 1"] == reader.passes


def test_a_text_based_backbone_adapts_its_items_once_a_pass() -> None:
    encoder = {"experts": 3}
    data, spec = models.dataset([9] * ROWS, text=True), models.spec("unisrec", steps=1, encoder=encoder)
    run, reader = ModelTrial(spec, data), reader_of(data)
    passes = Inference(run, reader)
    items, text, width, experts = models.ITEMS, models.TEXT_WIDTH, models.WIDTH, 3
    projected = 2 * items * text * width * experts
    assert projected <= passes.item_flops() <= 2 * projected
    load = workload(spec, reader, items=items)
    assert load is not None
    assert passes.flops() == load.inference(1) - ROWS * own_attention(1) + passes.item_flops()


def test_items_that_are_only_looked_up_cost_no_operations() -> None:
    data = models.dataset([9] * 4)
    assert Inference(ModelTrial(models.spec(), data), reader_of(data)).item_flops() == 0


def test_parts_stand_in_their_order_beside_their_bounds() -> None:
    data, spec = models.dataset([9] * 4), models.spec(steps=2)
    load, machine = workload(spec, reader_of(data), items=models.ITEMS), Machine(1e3, 1e3)
    assert load is not None
    seconds = {"items": 1.0, "data": 2.0, "score": 3.0, "encode": 4.0, "step 2": 5.0, "step 1": 6.0}
    parts = parts_of([seconds, {**seconds, "data": 4.0}], load, machine, item_flops=0)
    assert [part.name for part in parts] == ["data", "encode", "step 1", "step 2", "score"]
    by_name = {part.name: part for part in parts}
    assert by_name["data"].times.median == 3.0
    assert by_name["data"].bound_s is None
    step = load.step(2)
    least = max(step.flops / 1e3, step.traffic_bytes / 1e3)
    assert by_name["step 2"].over_bound == pytest.approx(5.0 / least)
    bounds = [part.bound_s for part in parts if part.bound_s is not None]
    assert bound_s(load, machine, steps=2, item_flops=0) == pytest.approx(sum(bounds))
    with_items = parts_of([seconds], load, machine, item_flops=500)
    assert (with_items[0].name, with_items[0].bound_s) == ("items", 0.5)


def test_a_backbone_of_another_kind_has_no_formula_and_no_bound() -> None:
    parts = parts_of([{"items": 1.0, "data": 1.0, "encode": 1.0, "score": 1.0}], None, Machine(1, 1), item_flops=0)
    assert [(part.name, part.flops, part.bound_s) for part in parts] == [
        ("data", None, None),
        ("encode", None, None),
        ("score", None, None),
    ]
    assert bound_s(None, Machine(1, 1), steps=1, item_flops=0) is None
