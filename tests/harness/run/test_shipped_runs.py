"""Every suite that ships, run to its end: on the generated data set, with small models and one epoch.

The trials of all of them go through one Ray first, which takes a fraction of the time of a Ray each; every suite's own
run then finds its trials in the store, and must find all of them.
"""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest

from rearec_bench.harness.monitor.terminal import LineReporter
from rearec_bench.harness.plan import cells as plan
from rearec_bench.harness.plan.cells import expand
from rearec_bench.harness.report.report import render_report
from rearec_bench.harness.run.outcome import RunOutcome
from rearec_bench.harness.run.runner import RunOptions, run_suite
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.suite.bundled import shipped_suites
from rearec_bench.harness.suite.load import Suite, load_suite
from rearec_bench.harness.trial.precision import multiplies_bfloat16

pytestmark = pytest.mark.slow

SMALL = (
    "datasets=[tiny]",
    "backbone_defaults={width: 8, layers: 1, feed_forward: 8}",
    "search.trials=1",
    "seeds=[1]",
    "training.batch_size=512",
    "training.max_len=8",
    "training.max_epochs=1",
    "training.lr=0.01",
    "resources={gpu: 0, cpu: 1}",
)
OF_ROWS = dict.fromkeys(
    ("compute_matched", "compute_matched_ml100k"),
    ("strategies.base_inference.backbone.width=10", "strategies.base_training.backbone.width=16"),
)
OF_ROWS["verdict_beauty_dense"] = ("backbones.sasrec.width=8",)
if not multiplies_bfloat16():
    OF_ROWS["precision_industrial"] = ("training.precision=fp32",)
SUITES = [name for name in shipped_suites() if not name.endswith("_defaults")]


def small(name: str) -> Suite:
    file = shipped_suites()[name]
    pruned = load_suite(file).search.pruner == "asha"
    rungs = ("training.max_epochs=2", "search.grace=1") if pruned else ()  # a rung before the last epoch
    return load_suite(file, overrides=(*SMALL, *rungs, *OF_ROWS.get(name, ())))


def run(suite: Suite, folder: Path) -> RunOutcome:
    return run_suite(
        suite,
        store=Store(folder / "results"),
        data_dir=folder / "data",
        options=RunOptions(cpus=2),
        reporter=LineReporter(StringIO()),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the trials of all suites, run as the cells of one."""
    folder = tmp_path_factory.mktemp("shipped")
    cells = {cell.id: cell for name in SUITES for cell in expand(small(name))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "expand", lambda suite: tuple(cells.values()))
        outcome = run(small("backbones_ml100k").model_copy(update={"name": "all"}), folder)
    assert (outcome.left, outcome.failed, outcome.diverged) == (0, (), 0)
    assert outcome.started > len(cells), "searches and final runs"
    return folder


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_that_ships_runs_to_its_end(name: str, folder: Path) -> None:
    suite, store = small(name), Store(folder / "results")
    outcome = run(suite, folder)
    assert (outcome.left, outcome.failed, outcome.diverged, outcome.started) == (0, (), 0, 0)
    cells = store.read_suite(name)[1]["cells"]
    for cell in expand(suite):
        assert cell.unsupported is None
        assert list(cells[cell.id]["final"]) == ["1"], cell.row
        assert len(cells[cell.id]["search"]) == (1 if cell.space else 0)
    for table in ("overall", "ceiling", "steps"):
        assert render_report([name], store=store, table=table)
