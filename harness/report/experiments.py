"""The trials of each suite as an MLflow experiment in SQLite, for `mlflow ui` and `mlflow.search_runs`.

Not its folder of files, which MLflow refuses to open since 3.13 unless MLFLOW_ALLOW_FILE_STORE is set.
"""

from __future__ import annotations

import logging
import math
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from ..analysis.resultset import CellResults, load_results
from ..records.results import Metrics, TrialSummary
from ..records.spec import TrialSpec
from ..store.archive import Reach, refuse_existing
from ..store.store import Store
from ..suite.labels import value_text
from ..utils import files as atomic
from ..utils.errors import InputError, StoreError
from .trial import all_settings

INSTALL = "pip install 'rearec-bench[mlflow]'"
_ARTIFACTS = "mlflow-artifacts:/"  # there are none; a place of this machine would tell where it was written
_STATUS = {"done": "FINISHED", "pruned": "KILLED"}  # of the others: FAILED


def write_experiments(
    suites: Sequence[str], store: Store, target: Path, *, reach: Reach = lambda done, total: None
) -> tuple[int, int]:
    """Write an experiment for each suite to a new SQLite file; the number of experiments and of runs.

    A run is a trial of a cell: its settings, test and validation metrics, losses and validation metrics of each epoch,
    its times, and what it is in tags. `reach` gets the runs written and in all.

    Raises:
        InputError: the target exists, no trial is stored, or MLflow is not installed.
        StoreError: the target cannot be written.
    """
    refuse_existing(target)
    trials = {suite: [*_trials(load_results(suite, store=store).once().cells)] for suite in suites}
    found = {suite: ours for suite, ours in trials.items() if ours}
    total = sum(map(len, found.values()))
    if not total:
        raise InputError(f"no trial of {', '.join(suites)} is stored, so there is no run to export.")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when it is imported
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError as error:
        raise InputError(
            f"results export --to mlflow needs MLflow, which is not installed. Type:  {INSTALL}"
        ) from error
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # errors are raised as well
    done = 0
    try:
        with atomic.new_file(target) as temporary:
            client = MlflowClient(f"sqlite:///{temporary.absolute()}")
            with closing(sqlite3.connect(temporary)) as own, own:  # of MLflow's Default: the folder of this process
                own.execute("UPDATE experiments SET artifact_location = ?", [_ARTIFACTS])
            for suite, ours in found.items():
                there = client.get_experiment_by_name(suite)
                experiment = there.experiment_id if there else client.create_experiment(suite, _ARTIFACTS)
                for cell, name, trial in ours:
                    _write(client, experiment, cell, name, trial)
                    done += 1
                    reach(done, total)
    except (OSError, sqlite3.Error, SQLAlchemyError, MlflowException) as error:
        why = str(error).partition("\n")[0]
        raise StoreError(f"{target} cannot be written: {why}.") from error
    return len(found), total


def _trials(cells: Sequence[CellResults]) -> Iterator[tuple[CellResults, str, TrialSummary]]:
    """Each trial with its cell and its name there, such as "search 3" or "final seed 1"."""
    for cell in cells:
        for number, trial in enumerate(cell.searched, 1):
            yield cell, f"search {number}", trial
        for trial in cell.finals:
            yield cell, f"final seed {trial.spec.seed}", trial


def _write(client: Any, experiment: str, cell: CellResults, name: str, trial: TrialSummary) -> None:
    from mlflow.entities import Metric, Param

    spec = trial.spec
    steps = [f"K={spec.steps}"] if spec.steps else []
    began = trial.timings.get("started_at", 0.0)
    ended = began + trial.timings.get("total_s", 0.0)
    run = client.create_run(
        experiment,
        run_name=" ".join([cell.strategy, *steps, name, f"({cell.backbone}, {cell.dataset})"]),
        start_time=_milliseconds(began),
        tags={
            "dataset": cell.dataset,
            "backbone": cell.backbone,
            "row": cell.strategy,
            "purpose": spec.purpose,
            "seed": str(spec.seed),
            "key": trial.key,
            "status": trial.status,
            "reason": trial.reason,
        },
    ).info.run_id
    metrics = [
        Metric(name, value, _milliseconds(at), epoch)
        for name, value, at, epoch in _metrics(trial, began, ended)
        if math.isfinite(value)
    ]
    params = [Param(name, value_text(value)) for name, value in _settings(spec).items()]
    client.log_batch(run, metrics=metrics, params=params, synchronous=True)
    client.set_terminated(run, _STATUS.get(trial.status, "FAILED"), end_time=_milliseconds(ended))


def _metrics(trial: TrialSummary, began: float, ended: float) -> Iterator[tuple[str, float, float, int]]:
    """Name, value, time and epoch; 0 is the epoch of what is said of the whole trial."""
    at = began
    for epoch in trial.history:
        at += epoch.train_s + epoch.evaluate_s
        for name, value in (_named("loss", epoch.losses) | _named("validation", epoch.validation)).items():
            yield name, value, at, epoch.epoch
    whole = _named("best_validation", trial.validation) | _named("test", trial.test) | {"best_epoch": trial.best_epoch}
    for name, value in whole.items():
        yield name, value, ended, 0


def _named(split: str, metrics: Metrics | None) -> dict[str, float]:
    """Metrics by the names of `results sql`; MLflow refuses ndcg@20."""
    return {re.sub(r"\W", "_", f"{split}_{name}"): value for name, value in (metrics or {}).items()}


def _settings(spec: TrialSpec) -> dict[str, Any]:
    """All settings by their dotted names in a suite; a baseline has no training."""
    parts: dict[str, Mapping[str, Any]] = {"evaluation": spec.evaluation.model_dump(mode="json")}
    settings: dict[str, Any] = {}
    for part, component in spec.components().items():
        settings[part] = component.kind
        parts[part] = all_settings(part, component)
    if not spec.is_baseline:
        settings |= {"steps": spec.steps, "metric": spec.metric, "device": spec.device}
        parts["training"] = spec.training.model_dump(mode="json")
    return settings | {f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()}


def _milliseconds(seconds: float) -> int:
    """A time as MLflow writes it; 0 stands for now there."""
    return max(1, round(1000 * seconds))
