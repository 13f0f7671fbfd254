"""A store of trained trials and their checkpoints, written before the source was laid out anew, is today's.

`trained_store` was made by `run before.yaml` and an interrupted `run unfinished.yaml`; report.txt is what
`report before` printed then.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.records.source import same_source
from rearec_bench.harness.store.checkpoints import Checkpoints
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.trial.checkpoint import unpack
from rearec_bench.harness.trial.model_trial import ModelTrial
from rearec_bench.harness.trial.start import run_trial

from ..typed import typed

HERE = Path(__file__).resolve().parents[1] / "trained_store"
KEYS = sorted(path.name for path in (HERE / "trials").iterdir())
UNFINISHED = "f902d279a796f893d9116b749d29a1a4"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return Path(shutil.copytree(HERE, tmp_path / "results"))


def cli(*arguments: str) -> str:
    result = typed(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_nothing_of_it_is_run_again(root: Path) -> None:
    said = cli("plan", str(root / "before.yaml"), "--results", str(root))
    assert "5 trials: 5 stored, 0 to run." in said
    assert "another source" not in said


def test_its_report_is_what_it_was(root: Path) -> None:
    said = cli("report", "before", "--results", str(root))
    assert said.count(f"=auto --results {root}\n") == 1, "the command to type has the folder that was typed"
    assert said.replace(f" --results {root}\n", "\n") == (HERE / "report.txt").read_text()


def test_every_byte_of_it_is_as_it_was_written(root: Path) -> None:
    assert "5 trials, 2 suites" in cli("results", "verify", "--results", str(root))


@pytest.mark.parametrize("key", KEYS)
def test_its_trials_have_the_same_numbers_today(key: str) -> None:
    stored = Store(HERE).read(key)
    assert same_source(stored.source_digest, stored.spec.backbone.kind, stored.spec.strategy.kind)
    again = run_trial(stored.spec, catalog.load_dataset("tiny", data_dir=HERE))
    assert (again.status, again.best_epoch) == (stored.status, stored.best_epoch)
    for then, now in ((stored.validation, again.validation), (stored.test, again.test)):
        assert (then is None) == (now is None)
        if then is not None and now is not None:  # another processor may round otherwise, which moves few ranks
            assert np.mean(then.rows.step_ranks == now.rows.step_ranks) > 0.97
            assert now.readout == pytest.approx(then.readout, abs=0.01)


def test_an_interrupted_trial_goes_on_from_its_checkpoint(root: Path) -> None:
    checkpoint = unpack(Checkpoints(root).read(UNFINISHED))
    unfinished = Store(HERE).read(KEYS[0]).spec.__class__.from_json(checkpoint.about["spec"])
    run = ModelTrial(unfinished, catalog.load_dataset("tiny", data_dir=root))
    run.restore(checkpoint)
    assert run.epoch().epoch == checkpoint.about["epoch"] + 1 > 1
