"""What other programs read: TREC's tools find our metrics, Optuna our searches, MLflow our trials."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from rearec_bench.harness.records.results import Rows
from rearec_bench.harness.report.studies import _trial
from rearec_bench.harness.report.trec import _lines
from rearec_bench.harness.store.shown import shown_early
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.store.suites import without_trials
from rearec_bench.harness.suite.model import Space

from ..typed import typed

TRAINED = Path(__file__).resolve().parents[1] / "trained_store"
STORE = Store(TRAINED)
SERVER = """
import sys
from optuna_dashboard import run_server
run_server(sys.argv[1], host="127.0.0.1", port=int(sys.argv[2]))
"""


def test_the_tools_of_trec_find_the_metrics_of_the_tables(tmp_path: Path) -> None:
    ir_measures = pytest.importorskip("ir_measures")
    done = typed("results", "export", tmp_path / "runs", "--to", "trec", "--results", TRAINED)
    assert (done.exit_code, done.output) == (0, f"{tmp_path / 'runs'}: 3 run files, 1 qrels.\n")
    (truth,) = (tmp_path / "runs" / "before").glob("*.qrels")
    names = {"ndcg@10": "nDCG@10", "ndcg@20": "nDCG@20", "recall@10": "R@10", "recall@20": "R@20"}
    measures = {name: ir_measures.parse_measure(theirs) for name, theirs in names.items()}
    for run in (tmp_path / "runs" / "before").glob("*.run"):
        found = ir_measures.calc_aggregate(
            measures.values(), ir_measures.read_trec_qrels(str(truth)), ir_measures.read_trec_run(str(run))
        )
        test = STORE.summary(STORE.find(run.stem[-8:])).test
        assert test is not None
        assert {name: found[measure] for name, measure in measures.items()} == pytest.approx(
            {name: test[name] for name in names}, abs=1e-9
        )


@pytest.mark.parametrize(
    ("rank", "top", "wanted"),
    [
        (1, [7, 1, 2], ["7", "1", "2"]),
        (3, [1, 2, 7], ["1", "2", "7"]),
        (5, [1, 2, 3], ["1", "2", "3", "other-4", "7"]),
        (3, [7, 1, 2], ["1", "2", "7"]),  # it ties, which counts against it
        (5, [7, 1, 2], ["1", "2", "other-3", "other-4", "7"]),
        (21, [1, 2, 3], ["1", "2", "3"]),
        (99, [7, 1, 2], ["1", "2"]),
        (2, [1, 7, -1], ["1", "7"]),
    ],
)
def test_the_target_stands_at_its_rank(rank: int, top: list[int], wanted: list[str]) -> None:
    one = np.array([rank], np.int32)
    rows = Rows(one, np.array([7], np.int32), one, one, one, np.array([top], np.int32), one, one, one)  # type: ignore[arg-type]
    lines = [line.split() for line in _lines(rows, "tag")]
    assert [line[2] for line in lines] == wanted
    assert [int(line[3]) for line in lines] == [21 - int(line[4]) for line in lines] == [*range(1, len(wanted) + 1)]


@pytest.fixture
def studies(tmp_path: Path) -> str:
    done = typed("results", "export", tmp_path / "studies.db", "--to", "optuna", "--results", TRAINED)
    assert done.exit_code == 0 and "studies.db: 1 study, 2 trials." in done.output, done.output
    return f"sqlite:///{tmp_path / 'studies.db'}"


def test_a_study_has_the_trials_of_its_cell(studies: str) -> None:
    (name,) = optuna.get_all_study_names(studies)
    study = optuna.load_study(study_name=name, storage=studies)
    assert name == "before tiny sasrec prl K=1"
    for trial in study.trials:
        stored = STORE.summary(trial.user_attrs["key"])
        assert stored.validation is not None and trial.value == stored.validation["ndcg@20"]
        assert trial.params == {"strategy.temperature": stored.spec.strategy.settings["temperature"]}
        assert trial.intermediate_values == {epoch.epoch: epoch.validation["ndcg@20"] for epoch in stored.history}
        assert trial.duration is not None
        assert trial.duration.total_seconds() == pytest.approx(stored.timings["total_s"], abs=1e-3)
    assert study.best_trial.user_attrs["key"] == best_of_the_index()


@pytest.mark.parametrize(
    ("choices", "wanted"),
    [((0, None), {"backbone.step_dropout": None}), ((0, 0.2), {}), ((None, 0.2), {"backbone.step_dropout": None})],
)
def test_a_setting_that_a_trial_leaves_out_has_its_default(choices: tuple[Any, ...], wanted: dict[str, Any]) -> None:
    searched = STORE.summary(best_of_the_index())
    assert "step_dropout" not in searched.spec.backbone.settings
    assert _trial(searched, {"backbone.step_dropout": Space(choices=choices)}, "ndcg@20").params == wanted


def best_of_the_index() -> str:
    cells = STORE.read_suite("before")[1]["cells"].values()
    return next(cell["best"] for cell in cells if cell["best"])


def test_the_dashboard_of_optuna_opens_the_studies(studies: str) -> None:
    pytest.importorskip("optuna_dashboard")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen([sys.executable, "-c", SERVER, studies, str(port)], stderr=subprocess.DEVNULL) as server:
        try:
            shown = _asked(f"http://127.0.0.1:{port}/api/studies")
        finally:
            server.kill()
    assert [study["study_name"] for study in shown["study_summaries"]] == ["before tiny sasrec prl K=1"]


def _asked(url: str) -> Any:
    """What a server that is starting answers."""
    until = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - of this machine
                return json.load(answer)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


@pytest.fixture(scope="module")
def halfway(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The trained store with a final run to come and a search trial that was pruned; and the same suite as Default."""
    folder = tmp_path_factory.mktemp("halfway") / "results"
    shutil.copytree(TRAINED, folder)
    store = Store(folder)
    suite, index = store.read_suite("before")
    store.write_suite("before", suite, without_trials(index, {store.find("7684d4d4")}))
    store.write_suite("Default", suite, index)
    made = store.read(store.find("92dadaaa"))
    first = dataclasses.replace(made.history[0], losses={"total": math.inf, "rest": 1.0})
    ended = dataclasses.replace(
        made, status="pruned", validation=None, reason="at epoch 2", history=(first, *made.history[1:])
    )
    store.write(ended, replace=True)
    return store


@pytest.fixture(scope="module")
def client(halfway: Store, tmp_path_factory: pytest.TempPathFactory) -> Any:
    mlflow = pytest.importorskip("mlflow")
    target = tmp_path_factory.mktemp("mlflow") / "runs.db"
    done = typed("results", "export", target, "--to", "mlflow", "--results", halfway.root)
    assert (done.exit_code, done.stdout.splitlines()[0]) == (
        0,
        f"{target}: 2 experiments, 9 runs. To look at them, where the package mlflow is installed:",
    ), done.output
    assert str(Path.cwd()).encode() not in target.read_bytes(), "it says nothing about this machine"
    return mlflow.MlflowClient(f"sqlite:///{target}")


def runs_of(client: Any, suite: str) -> dict[str, Any]:
    return {
        run.data.tags["key"]: run for run in client.search_runs([client.get_experiment_by_name(suite).experiment_id])
    }


def test_mlflow_finds_what_is_stored_of_each_trial(client: Any, halfway: Store) -> None:
    runs = runs_of(client, "Default")
    assert runs.keys() == halfway.keys()
    for key, run in runs.items():
        stored = halfway.summary(key)
        whole = {f"best_validation_{name}": value for name, value in (stored.validation or {}).items()}
        whole |= {f"test_{name}": value for name, value in (stored.test or {}).items()}
        found = {name: value for name, value in run.data.metrics.items() if not name.startswith(("validation", "loss"))}
        assert found == {"best_epoch": stored.best_epoch} | {
            name.replace("@", "_"): value for name, value in whole.items()
        }
        for name, values in {
            "validation_ndcg_20": {epoch.epoch: epoch.validation["ndcg@20"] for epoch in stored.history},
            "loss_total": {epoch.epoch: epoch.losses["total"] for epoch in stored.history},
        }.items():
            history = {one.step: one.value for one in client.get_metric_history(run.info.run_id, name)}
            assert history == {epoch: value for epoch, value in values.items() if math.isfinite(value)}
        assert (run.info.end_time - run.info.start_time) / 1000 == pytest.approx(stored.timings["total_s"], abs=2e-3)


def test_a_run_says_in_words_what_it_is(client: Any) -> None:
    runs = {run.info.run_name: run for run in runs_of(client, "Default").values()}
    assert {name: run.info.status for name, run in runs.items()} == {
        "prl K=1 search 1 (sasrec, tiny)": "FINISHED",
        "prl K=1 search 2 (sasrec, tiny)": "KILLED",
        "prl K=1 final seed 1 (sasrec, tiny)": "FINISHED",
        "base final seed 1 (sasrec, tiny)": "FINISHED",
        "reference final seed 1 (popularity, tiny)": "FINISHED",
    }
    pruned = runs["prl K=1 search 2 (sasrec, tiny)"].data
    assert (
        pruned.tags.items()
        >= {
            "dataset": "tiny",
            "backbone": "sasrec",
            "row": "prl",
            "purpose": "search",
            "seed": "0",
            "status": "pruned",
            "reason": "at epoch 2",
        }.items()
    )
    assert (
        pruned.params.items()
        >= {
            "strategy": "prl",
            "strategy.temperature": "1",
            "backbone.width": "8",
            "backbone.step_dropout": "null",
            "training.lr": "0.01",
            "training.batch_size": "512",
            "evaluation.mask_history": "false",
            "steps": "1",
            "metric": "ndcg@20",
        }.items()
    )
    assert runs["reference final seed 1 (popularity, tiny)"].data.params.keys() == {
        "reference",
        "evaluation.mask_history",
        "evaluation.trace_users",
    }


def test_an_unfinished_suite_has_the_runs_of_its_trials_and_remembers_that_they_were_shown(
    client: Any, halfway: Store
) -> None:
    assert len(runs_of(client, "before")) == 4
    (early,) = shown_early(halfway.suite_folder("before"))
    assert (early["shown"], early["done"], early["planned"]) == ("results export --to mlflow", 1, 2)
    assert shown_early(halfway.suite_folder("Default")) == []


def test_without_mlflow_a_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    done = typed("results", "export", tmp_path / "runs.db", "--to", "mlflow", "--results", TRAINED)
    assert (done.exit_code, [*tmp_path.iterdir()]) == (2, [])
    assert "needs MLflow, which is not installed. Type:  pip install 'rearec-bench[mlflow]'" in done.output
