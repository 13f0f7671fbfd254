"""The search of each cell as an Optuna study in SQLite, for optuna-dashboard and Optuna's own plots."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..analysis.resultset import CellResults, load_results
from ..records.results import TrialSummary
from ..records.spec import TrialSpec
from ..store.archive import refuse_existing
from ..store.store import Store
from ..utils import files as atomic
from ..utils.errors import InputError, StoreError
from .labels import steps_label
from .trial import all_settings

if TYPE_CHECKING:
    from ..suite.model import Space


def write_studies(suites: Sequence[str], store: Store, target: Path) -> tuple[int, int]:
    """Write a study for each cell that was searched to a new SQLite file; the number of studies and of trials.

    Each trial has its parameters, its value or state, the validation metric of each epoch, its times and its key.

    Raises:
        InputError: the target exists, or nothing was searched.
        StoreError: the target cannot be written.
    """
    refuse_existing(target)
    searched = [
        (suite, cell)
        for suite in suites
        for cell in load_results(suite, store=store).once().cells
        if cell.space and cell.searched
    ]
    if not searched:
        raise InputError(f"no search trial of {', '.join(suites)} is stored, so there is no study to export.")
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with atomic.new_file(target) as temporary:
            storage = optuna.storages.RDBStorage(f"sqlite:///{temporary}")
            for suite, cell in searched:
                _write(suite, cell, storage)
            storage.engine.dispose()
    except (OSError, SQLAlchemyError) as error:
        raise StoreError(f"{target} cannot be written: {error}.") from error
    return len(searched), sum(len(cell.searched) for _, cell in searched)


def _write(suite: str, cell: CellResults, storage: Any) -> None:
    import optuna

    metric = cell.searched[0].spec.metric
    place = {"suite": suite, "dataset": cell.dataset, "backbone": cell.backbone, "row": cell.strategy}
    steps = [steps_label(cell.steps)] if cell.steps != 0 else []
    study = optuna.create_study(study_name=" ".join([*place.values(), *steps]), storage=storage, direction="maximize")
    for name, value in {**place, "steps": cell.steps, "metric": f"validation {metric}"}.items():
        study.set_user_attr(name, value)
    study.add_trials([_trial(trial, cell.space, metric) for trial in cell.searched])


def _trial(trial: TrialSummary, space: Mapping[str, Space], metric: str) -> Any:
    from optuna.trial import TrialState, create_trial

    values = {name: _value(trial.spec, name, axis) for name, axis in space.items()}
    values = {name: value for name, value in values.items() if _is_of(space[name], value)}
    states = {"done": TrialState.COMPLETE, "pruned": TrialState.PRUNED}
    value = trial.validation[metric] if trial.status == "done" and trial.validation else None
    made = create_trial(
        state=states.get(trial.status, TrialState.FAIL),
        value=value,
        params=values,
        distributions={name: _distribution(space[name]) for name in values},
        intermediate_values={
            epoch.epoch: epoch.validation[metric]
            for epoch in trial.history
            if math.isfinite(epoch.validation.get(metric, math.nan))
        },
        user_attrs={"key": trial.key, "status": trial.status, "reason": trial.reason, "best_epoch": trial.best_epoch},
    )
    if began := trial.timings.get("started_at"):
        made.datetime_start = datetime.fromtimestamp(began)
        made.datetime_complete = made.datetime_start + timedelta(seconds=trial.timings.get("total_s", 0.0))
    return made


def _distribution(space: Space) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if space.choices:
        return CategoricalDistribution(tuple(map(_scalar, space.choices)))
    low, high = space.low or 0, space.high or 0
    if space.integer:
        return IntDistribution(int(low), int(high), log=space.log)
    return FloatDistribution(float(low), float(high), log=space.log)


def _value(spec: TrialSpec, name: str, space: Space) -> Any:
    """A hyper-parameter of a trial by its dotted name."""
    part, _, setting = name.partition(".")
    if not setting:
        return spec.steps
    settings = vars(spec.training) if part == "training" else all_settings(part, spec.components()[part])
    return _scalar(settings[setting]) if space.choices else settings[setting]


def _is_of(space: Space, value: Any) -> bool:
    """Whether a value is one that was searched; without steps, say, no dropout of steps has one."""
    return value in map(_scalar, space.choices) if space.choices else value is not None


def _scalar(value: Any) -> Any:
    """A choice as Optuna stores it: lists and the like as text."""
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
