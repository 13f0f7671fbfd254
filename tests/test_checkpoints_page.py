"""docs/checkpoints.md: its code loads a kept checkpoint, and ranks as the trial did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rearec_bench.harness.datasets.catalog import load_dataset
from rearec_bench.harness.run.supervisor import TrialLimits, TrialSupervisor
from rearec_bench.harness.store.checkpoints import Checkpoints
from rearec_bench.harness.trial.model_trial import ModelTrial
from rearec_bench.models.backbones.contract import Histories

from .harness.specs import spec_of
from .pages import blocks, page

(CODE,) = blocks(page("checkpoints"), "python")


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["prl", "plr", "mancar", "lares", "base"])
def test_the_pages_lines_load_a_kept_checkpoint_that_ranks_as_the_trial_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    data = load_dataset("tiny", data_dir=tmp_path / "data")
    steps = 0 if strategy == "base" else 2
    spec = spec_of(data, strategy, steps=steps, max_len=10, max_epochs=3, lr=0.05, patience=1)
    checkpoints, limits = Checkpoints(tmp_path / "results"), TrialLimits("s", None, keep="best")
    supervisor = TrialSupervisor(lambda: ModelTrial(spec, data), spec, limits=limits, channel=checkpoints, resume=False)
    while not supervisor.run.done:
        supervisor.run.epoch()
    assert supervisor.save_last()
    result = supervisor.run.result()
    checkpoints.finish(spec.key, keep=True)

    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    code = CODE.replace("strategies.prl", f"strategies.{strategy}").replace(
        "PRL", {"base": "Base", "mancar": "ManCAR"}.get(strategy, strategy.upper())
    )
    exec(code.replace("KEY", spec.key), names)  # noqa: S102 - the page's own lines
    assert names["scores"].shape == (2, data.num_items)
    assert names["readout"].shape == (2, names["model"].backbone.width)
    assert names["about"]["best_epoch"] == result.best_epoch
    assert result.validation is not None and result.test is not None
    assert names["about"]["validation"] == dict(result.validation.readout)

    model, ranks = names["model"], []
    for start, end, target in zip(data.test.starts, data.test.ends, data.test.targets, strict=True):
        items = torch.from_numpy(data.flat[max(start, end - 10) : end].astype(np.int64))[None]
        state = names["strategy"].readout(model.reason(Histories(items, torch.tensor([items.shape[1]])))[:, 0])
        scores = (model.backbone.queries(state) @ model.backbone.item_vectors().T)[0]
        ranks.append(int((scores >= scores[int(target)]).sum()))
    same = np.array(ranks) == result.test.rows.readout_ranks
    assert same.mean() > 0.99  # two nearly equal scores may change places where batches are others


def test_loading_takes_five_lines() -> None:
    loading = CODE.partition('folder = Path("')[2].partition("\n\n")[0].splitlines()[1:]
    assert len(loading) == 5 and not any(line.startswith(" ") for line in loading)
