"""Stored results as tidy pandas frames, for notebooks: `from rearec_bench import load_results`; docs/notebook.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..records.results import TrialSummary
from ..utils.errors import InputError
from .store import Store

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Frames:
    """A results folder as frames; docs/notebook.md has their columns.

    Attributes:
        trials: a line per trial and cell of each suite: its settings, status, validation and test metrics.
        steps: a line per done final run and step: test metrics of the step's state.
        epochs: a line per trial and epoch: losses, validation metrics, seconds.
        store: where the rows are.
    """

    trials: pd.DataFrame
    steps: pd.DataFrame
    epochs: pd.DataFrame
    store: Store

    def rows(self, key: str, split: str = "test", *, data_dir: str | Path | None = None) -> pd.DataFrame:
        """The rows of a trial, given by its key or the beginning of it: a line per prediction.

        Args:
            split: "test" (final runs alone) or "valid".
            data_dir: where the prepared data set is; with it the ids of users and items in the source are columns.

        Returns:
            Columns row, user and item (numbers; user_id and item_id with `data_dir`), rank (of the readout),
            rank_step_0 to rank_step_K, entropy_step_*, margin_step_*, and top_1 to top_10 (items, best first; -1 for
            none).

        Raises:
            InputError: no trial, or several, begin so.
            StoreError: it has no rows of that split, or is damaged.
            DatasetError: the data set is not prepared there, or its users' ids were not kept.
        """
        import pandas as pd

        rows = self.store.rows(self.store.find(key), split)
        columns: dict[str, Any] = {"row": range(len(rows.users)), "user": rows.users, "item": rows.items}
        if data_dir is not None:
            from ..datasets import catalog

            dataset = self.store.summary(self.store.find(key)).spec.dataset
            columns["user_id"] = catalog.load_users(dataset, data_dir=Path(data_dir))[rows.users]
            columns["item_id"] = catalog.load_items(dataset, data_dir=Path(data_dir)).tokens[rows.items]
        columns["rank"] = rows.readout_ranks
        for k in range(rows.step_ranks.shape[1]):
            columns[f"rank_step_{k}"] = rows.step_ranks[:, k]
            columns[f"entropy_step_{k}"] = rows.entropy[:, k]
            columns[f"margin_step_{k}"] = rows.margin[:, k]
        for place in range(rows.top_items.shape[1]):
            columns[f"top_{place + 1}"] = rows.top_items[:, place]
        return pd.DataFrame(columns)


def load_results(folder: str | Path = "results", suites: Sequence[str] | None = None) -> Frames:
    """A results folder of `rearec-bench run` as frames; `suites` are names, None for all.

    Lines are in the order of the suites, their cells and seeds. A trial that several cells share has a line in each.
    Trials that are damaged or not stored have none.

    Raises:
        InputError: there is no such folder or suite.
        StoreError: a suite's own files are damaged.
    """
    import pandas as pd

    if not Path(folder).is_dir():
        raise InputError(f"there is no results folder {folder}. Name the one that `rearec-bench run` wrote to.")
    store = Store(Path(folder))
    stored = store.suites()
    for name in suites or ():
        if name not in stored:
            raise InputError(f"unknown suite '{name}'. Stored: {', '.join(stored) or 'none'}.")
    trials: list[dict[str, Any]] = []
    steps: list[dict[str, Any]] = []
    epochs: dict[str, list[dict[str, Any]]] = {}
    for stored_trial in trials_of(store, suites or stored):
        summary = stored_trial.summary
        head = _head(stored_trial)
        trials.append(head | _trial(summary))
        if summary.spec.purpose == "final" and summary.test is not None:
            for k, metrics in enumerate(summary.test_steps):
                steps.append({name: head[name] for name in _CELL} | {"seed": head["seed"], "step": k} | dict(metrics))
        epochs.setdefault(summary.key, [_epoch(summary.key, epoch) for epoch in summary.history])
    lines = [line for of_trial in epochs.values() for line in of_trial]
    return Frames(
        trials=pd.DataFrame(trials, columns=None if trials else list(_CELL)),
        steps=pd.DataFrame(steps, columns=None if steps else [*_CELL, "seed", "step"]),
        epochs=pd.DataFrame(lines, columns=None if lines else ["key", "epoch"]),
        store=store,
    )


@dataclass(frozen=True)
class StoredTrial:
    """A stored trial in a cell of a suite.

    Attributes:
        backbone: label of the cell.
        row: name of the cell's row.
        against: name of the row that it is compared with.
        chosen: whether it is the search trial whose settings the final runs repeat.
    """

    suite: str
    dataset: str
    backbone: str
    row: str
    against: str
    chosen: bool
    summary: TrialSummary

    @property
    def key(self) -> str:
        """The trial's key."""
        return self.summary.key


def trials_of(store: Store, suites: Sequence[str]) -> Iterator[StoredTrial]:
    """The trials behind each cell of each suite: search trials, failed ones last, then final runs; no damaged ones.

    Raises:
        StoreError: a suite's own files are damaged.
    """
    from ..plan.cells import expand
    from ..suite.load import Suite

    summaries: dict[str, TrialSummary | None] = {}
    for name in suites:
        stored, index = store.read_suite(name)
        entries = index.get("cells", {})
        for cell in expand(Suite.from_json(stored)):
            entry = entries.get(cell.id, {})
            search = (*entry.get("search", ()), *entry.get("behind", ()), *entry.get("failed", ()))
            keys = dict.fromkeys(key for key in (*search, *entry.get("final", {}).values()) if key)
            for key in keys:
                if key not in summaries:
                    summaries[key] = store.lookup(key)
                summary = summaries[key]
                if summary is not None:
                    yield StoredTrial(
                        name, cell.dataset, cell.backbone, cell.row, cell.against, key == entry.get("best"), summary
                    )


_CELL = ("suite", "dataset", "backbone", "strategy", "steps", "against", "key")


def _head(stored: StoredTrial) -> dict[str, Any]:
    spec = stored.summary.spec
    return {
        "suite": stored.suite,
        "dataset": stored.dataset,
        "backbone": stored.backbone,
        "strategy": stored.row,
        "steps": spec.steps,
        "against": stored.against,
        "key": stored.key,
        "purpose": spec.purpose,
        "chosen": stored.chosen,
        "seed": spec.seed,
    }


def _trial(summary: TrialSummary) -> dict[str, Any]:
    return {
        "status": summary.status,
        "reason": summary.reason,
        "epochs": len(summary.history),
        "best_epoch": summary.best_epoch,
        "seconds": summary.timings.get("total_s"),
        "parameters": summary.parameters,
        "peak_memory_bytes": summary.peak_memory_bytes,
        "step_temperatures": " ".join(f"{each:g}" for each in summary.step_temperatures),
        **_prefixed("validation", summary.validation),
        **_prefixed("test", summary.test),
        **{f"strategy.{name}": _plain(value) for name, value in summary.spec.strategy.settings.items()},
        **{f"backbone.{name}": _plain(value) for name, value in summary.spec.backbone.settings.items()},
        "lr": summary.spec.training.lr,
    }


def _epoch(key: str, epoch: Any) -> dict[str, Any]:
    return {
        "key": key,
        "epoch": epoch.epoch,
        **{f"loss_{name}": value for name, value in epoch.losses.items()},
        **{f"gradient_{name}": value for name, value in epoch.gradients.items()},
        **_prefixed("validation", epoch.validation),
        "train_s": epoch.train_s,
        "evaluate_s": epoch.evaluate_s,
    }


def _prefixed(split: str, metrics: Mapping[str, float] | None) -> dict[str, float]:
    return {f"{split}_{name}": value for name, value in (metrics or {}).items()}


def _plain(value: Any) -> Any:
    """Settings that are lists or mappings, as text: a frame's cell contains one value."""
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)
