from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from rearec_bench.harness.datasets.data.dataset import Dataset
from rearec_bench.harness.plan.cells import check_precision, expand
from rearec_bench.harness.records.spec import ENGINE_VERSION, TrialSpec
from rearec_bench.harness.trial import precision
from rearec_bench.harness.trial.model_trial import ModelTrial
from rearec_bench.harness.trial.start import run_trial
from rearec_bench.harness.utils.errors import InputError, RearecError

from ..suites import suite_in

SUITE = {
    "backbones": "[sasrec: {width: 8, layers: 1, feed_forward: 8}]",
    "strategies": "[base, erl, prl]",
    "steps": "[2]",
    "training": "{max_epochs: 2, batch_size: 512, max_len: 20}",
}


BF16 = "training.precision=bf16"
CPU = torch.device("cpu")
needs_units = pytest.mark.skipif(not precision.multiplies_bfloat16(), reason="a processor without units for bf16")


def specs(folder: Path, tiny: Dataset, *overrides: str) -> dict[str, TrialSpec]:
    return {
        cell.strategy: cell.spec({}, seed=1, purpose="final", fingerprint=tiny.fingerprint, device="cpu")
        for cell in expand(suite_in(folder, *overrides, **SUITE))
    }


def with_precision(spec: TrialSpec, name: str) -> TrialSpec:
    return dataclasses.replace(spec, training=spec.training.model_copy(update={"precision": name}))


@needs_units
@pytest.mark.parametrize("strategy", ["base", *(pytest.param(name, marks=pytest.mark.slow) for name in ("erl", "prl"))])
def test_bf16_trains_another_model_close_to_the_first_and_leaves_those_after_it_alone(
    strategy: str, tiny: Dataset, tmp_path: Path
) -> None:
    full, rounded = (specs(tmp_path, tiny, *more)[strategy] for more in ((), (BF16,)))
    assert rounded.key != full.key
    losses = []
    for spec in (full, rounded, full):
        result = run_trial(spec, tiny)
        assert result.status == "done", result.traceback
        losses.append([epoch.losses["total"] for epoch in result.history])
    assert losses[1] != losses[0]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    assert losses[2] == losses[0], "to the last bit"


def test_bf16_on_a_cpu_is_no_trial_of_before_and_everything_else_is(tiny: Dataset, tmp_path: Path) -> None:
    """Stored trials of bf16 on a CPU were computed by torch.autocast: they keep their key, and none asks for them."""
    (cell, *_) = expand(suite_in(tmp_path, BF16, **SUITE))
    of = {"seed": 1, "purpose": "final", "fingerprint": tiny.fingerprint}
    today = cell.spec({}, **of, device="cpu")
    earlier = dataclasses.replace(today, engine=2)
    assert (today.engine, cell.spec({}, **of, device="cuda").engine) == (3, ENGINE_VERSION)
    assert specs(tmp_path, tiny)["base"].engine == ENGINE_VERSION == 2
    assert earlier.key != today.key
    for spec in (earlier, today):
        assert TrialSpec.from_json(spec.to_json()).key == spec.key


def test_full_precision_is_in_no_key_and_in_no_cell(tiny: Dataset, tmp_path: Path) -> None:
    spec = specs(tmp_path, tiny)["base"]
    assert "precision" not in spec.identity()["training"]
    assert with_precision(spec, "tf32").identity()["training"]["precision"] == "tf32"
    plain, said, other = (
        [cell.id for cell in expand(suite_in(tmp_path, *override, **SUITE))]
        for override in ((), ("training.precision=fp32",), (BF16,))
    )
    assert said == plain != other


@pytest.mark.parametrize("name", ["fp32", "tf32", pytest.param("bf16", marks=needs_units)])
def test_products_are_rounded_in_training_alone(name: str, tiny: Dataset, tmp_path: Path, monkeypatch) -> None:
    run = ModelTrial(with_precision(specs(tmp_path, tiny)["erl"], name), tiny)
    factors = torch.randn(2, 64, 64, generator=torch.Generator().manual_seed(0))
    exact = factors[0] @ factors[1]
    seen: dict[str, set[tuple[bool, bool]]] = {}

    def note(whole: object, method: str) -> None:
        call = getattr(whole, method)

        def noted(*arguments: object, **named: object) -> object:
            rounded = not torch.equal(factors[0] @ factors[1], exact)
            seen.setdefault(method, set()).add((torch.backends.cuda.matmul.allow_tf32, rounded))
            return call(*arguments, **named)

        monkeypatch.setattr(whole, method, noted)

    note(run.trainer._model, "reason_twice")
    note(run.strategy, "loss")
    note(run.trainer._optimiser, "step")
    note(run.scorer.backbone, "queries")
    run.trainer.epoch(1, max_batches=1)
    assert seen == {key: {(name == "tf32", name == "bf16")} for key in ("reason_twice", "loss", "step", "queries")}
    seen.clear()
    run._evidence("test")
    assert seen == {key: {(False, False)} for key in ("reason_twice", "queries")}


@needs_units
@pytest.mark.parametrize("before", ["none", "ieee", "bf16"])
def test_the_switch_is_put_back_after_a_training_step_that_fails(before: str) -> None:
    switch = torch.backends.mkldnn.matmul
    usual, switch.fp32_precision = switch.fp32_precision, before
    try:
        was = switch.fp32_precision
        for name, inside in (("bf16", "bf16"), ("fp32", "ieee")):
            with pytest.raises(RuntimeError, match="diverged"), precision.products(name, CPU):
                assert switch.fp32_precision == inside
                raise RuntimeError("diverged")
            assert switch.fp32_precision == was
    finally:
        switch.fp32_precision = usual


def test_what_the_device_lacks_is_refused_before_anything_starts(tmp_path: Path) -> None:
    cells = expand(suite_in(tmp_path, "training.precision=tf32", **SUITE))
    check_precision(cells, "cuda")
    with pytest.raises(InputError, match=r"training\.precision: .*--gpu 1"):
        check_precision(cells, "cpu")


@pytest.mark.parametrize("chosen", ["bf16", "{search: [fp32, bf16]}"])
def test_bf16_is_refused_where_the_processor_has_no_units_for_it(chosen: str, tmp_path: Path, monkeypatch) -> None:
    cells = expand(suite_in(tmp_path, f"training.precision={chosen}", **SUITE))
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: True)
    check_precision(cells, "cpu")
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: False)
    check_precision(cells, "cuda")
    with pytest.raises(InputError, match=r"training\.precision: .*cannot multiply bf16.*fp32.*--gpu 1"):
        check_precision(cells, "cpu")
    with pytest.raises(RearecError, match="no units for bf16"), precision.products("bf16", CPU):
        raise AssertionError("a worker on another machine would train")
