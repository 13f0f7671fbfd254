"""What other programs read: TREC's tools find our metrics, Optuna finds our searches."""

from __future__ import annotations

import json
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
from rearec_bench.harness.report.trec import _lines
from rearec_bench.harness.store.store import Store

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
