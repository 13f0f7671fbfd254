from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from rearec_bench.harness.datasets.data.dataset import Dataset
from rearec_bench.harness.plan.cells import check_precision, expand
from rearec_bench.harness.records.spec import TrialSpec
from rearec_bench.harness.suite.load import load_suite
from rearec_bench.harness.trial import precision
from rearec_bench.harness.trial.model_trial import ModelTrial
from rearec_bench.harness.trial.start import run_trial
from rearec_bench.harness.utils.errors import InputError

SUITE = """
name: precise
datasets: [tiny]
backbones: [sasrec: {width: 8, layers: 1, feed_forward: 8}]
strategies: [base, erl, prl]
steps: [2]
seeds: [1]
training: {max_epochs: 2, batch_size: 512, max_len: 20}
"""


def specs(folder: Path, tiny: Dataset, text: str = SUITE) -> dict[str, TrialSpec]:
    file = folder / "precise.yaml"
    file.write_text(text)
    return {
        cell.strategy: cell.spec({}, seed=1, purpose="final", fingerprint=tiny.fingerprint, device="cpu")
        for cell in expand(load_suite(file))
    }


def with_precision(spec: TrialSpec, name: str) -> TrialSpec:
    return dataclasses.replace(spec, training=spec.training.model_copy(update={"precision": name}))


@pytest.mark.parametrize("strategy", ["base", *(pytest.param(name, marks=pytest.mark.slow) for name in ("erl", "prl"))])
def test_mixed_precision_trains_another_model_close_to_the_first(strategy: str, tiny: Dataset, tmp_path: Path) -> None:
    full = specs(tmp_path, tiny)[strategy]
    mixed = with_precision(full, "bf16")
    assert mixed.key != full.key
    losses = {}
    for spec in (full, mixed):
        result = run_trial(spec, tiny)
        assert result.status == "done", result.traceback
        losses[spec.training.precision] = [epoch.losses["total"] for epoch in result.history]
    assert losses["bf16"] != losses["fp32"]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.02)


def test_full_precision_is_in_no_key_and_in_no_cell(tiny: Dataset, tmp_path: Path) -> None:
    spec = specs(tmp_path, tiny)["base"]
    assert "precision" not in spec.identity()["training"]
    assert with_precision(spec, "tf32").identity()["training"]["precision"] == "tf32"
    plain = expand(load_suite(tmp_path / "precise.yaml"))
    said = SUITE.replace("max_len: 20", "max_len: 20, precision: fp32")
    other = SUITE.replace("max_len: 20", "max_len: 20, precision: bf16")
    for text, same in ((said, True), (other, False)):
        (tmp_path / "precise.yaml").write_text(text)
        assert ([cell.id for cell in expand(load_suite(tmp_path / "precise.yaml"))] == [c.id for c in plain]) is same


@pytest.mark.parametrize("name", ["fp32", "tf32"])
def test_products_are_rounded_in_training_alone(name: str, tiny: Dataset, tmp_path: Path, monkeypatch) -> None:
    seen: dict[str, set[bool]] = {"training": set(), "ranking": set()}
    run = ModelTrial(with_precision(specs(tmp_path, tiny)["erl"], name), tiny)

    def noting(what: str, call):
        def noted(*arguments: object, **named: object) -> object:
            seen[what].add(torch.backends.cuda.matmul.allow_tf32)
            return call(*arguments, **named)

        return noted

    monkeypatch.setattr(run.strategy, "loss", noting("training", run.strategy.loss))
    monkeypatch.setattr(run.scorer.backbone, "queries", noting("ranking", run.scorer.backbone.queries))
    with precision.products("fp32"):
        run.trainer.epoch(1, max_batches=1)
        seen["ranking"].clear()
        run._evidence("test")
    assert seen == {"training": {name == "tf32"}, "ranking": {False}}


def test_what_the_device_lacks_is_refused_before_anything_starts(tmp_path: Path) -> None:
    file = tmp_path / "precise.yaml"
    file.write_text(SUITE.replace("max_len: 20", "max_len: 20, precision: tf32"))
    cells = expand(load_suite(file))
    check_precision(cells, "cuda")
    with pytest.raises(InputError, match=r"training\.precision: .*--gpu 1"):
        check_precision(cells, "cpu")
