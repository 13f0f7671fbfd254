"""Runs stored trials once more and compares: are the ranks the same? An audit does so with a sample."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..records.comparison import differences
from ..records.results import EpochProgress, TrialResult
from ..records.source import same_source
from ..records.spec import TrialSpec, engine_version
from ..store.store import Store
from ..suite.model import Suite
from ..utils.errors import DatasetError
from ..utils.registry import TABLES

_ROUNDING = ("torch", "numpy", "platform", "cpu", "gpu", "cuda", "device")  # what can round another way
_MADE_WITH = ("rearec_bench", "git", "python", *_ROUNDING)


@dataclass(frozen=True)
class Comparison:
    """A stored trial, and its rerun.

    Attributes:
        differences: between their results, one line each; none where they are identical.
        circumstances: differences of software and machine, one line each.
    """

    stored: TrialResult
    again: TrialResult
    differences: tuple[str, ...]
    circumstances: tuple[str, ...]

    @property
    def identical(self) -> bool:
        """Whether status, every rank and the best ten of every row are the same."""
        return not self.differences

    @property
    def is_exact(self) -> bool:
        """Whether machine, libraries and source are those of then, so that every rank has to be the same."""
        return not any(_versions(self.stored)) and not any(_changes(self.stored, self.again, _ROUNDING))

    def beyond(self, tolerance: float) -> tuple[str, ...]:
        """What an audit objects to: any difference where `is_exact`, else another status or split, or a metric far off.

        Args:
            tolerance: relative, such as 0.05.
        """
        then, now = (_numbers(result) for result in (self.stored, self.again))
        if self.is_exact or self.stored.status != self.again.status or then.keys() != now.keys():
            return self.differences
        return tuple(
            f"{name}: {then[name]:.6f} then, {now[name]:.6f} now"
            for name in then
            if not math.isclose(then[name], now[name], rel_tol=tolerance)
        )


def sampled(store: Store, count: int, seed: int) -> list[str]:
    """Keys of so many trials, drawn by a seed; of all that did not fail, which may not fail again."""
    keys = [key for key in sorted(store.keys()) if store.summary(key).status != "failed"]
    return random.Random(seed).sample(keys, min(count, len(keys)))  # noqa: S311 - no secret


def rerun(
    key: str,
    *,
    store: Store,
    data_dir: Path,
    on_epoch: Callable[[EpochProgress], None] | None = None,
    suites: Sequence[Suite] | None = None,
) -> Comparison:
    """Run a stored trial in this process, from its stored spec; nothing is written.

    Args:
        suites: whose plug-ins and item vectors it may need; None for those of the store that have it.

    Raises:
        StoreError: not stored, or damaged.
        DatasetError: its data set is not prepared, or has another content or other item vectors now.
        InputError: its plug-in does not exist any more.
    """
    from ..datasets import catalog

    stored = store.read(key)
    spec = stored.spec
    if suites is None:
        suites = [Suite.from_json(store.read_suite(name)[0]) for name in store.used_by(key)]
    for suite in suites:
        suite.load_plugins()
    given = {suite.vectors[spec.dataset]: None for suite in suites if spec.dataset in suite.vectors}
    vectors = _vectors(spec, [*map(Path, given)], data_dir) if spec.vectors else False
    dataset = catalog.load_dataset(spec.dataset, data_dir=data_dir, vectors=vectors)
    if dataset.fingerprint != spec.dataset_fingerprint:
        raise DatasetError(
            f"{spec.dataset} is not what trial {key[:8]} ran on: its fingerprint was {spec.dataset_fingerprint[:12]} "
            f"and is {dataset.fingerprint[:12]}. Give the right folder with --data-dir."
        )
    versions = tuple(_versions(stored))
    from ..trial.start import Cut, run_trial

    cut = Cut(len(stored.history), stored.reason) if stored.status == "pruned" else None
    again = run_trial(spec, dataset, on_epoch, cut=cut)
    return Comparison(
        stored,
        again,
        differences(stored, again, sides=("then", "now"), ranks_only=True),
        (*versions, *_changes(stored, again, _MADE_WITH)),
    )


def _vectors(spec: TrialSpec, files: list[Path], data_dir: Path) -> bool | Path:
    """Where the item vectors of a trial are: in a file that one of its suites names, or with the data set."""
    from ..plan.vectors import vectors_fingerprint

    fingerprints: list[str] = []
    places: list[bool | Path] = [*files, True]
    for given in places:
        try:
            fingerprints.append(vectors_fingerprint(spec.dataset, given, data_dir=data_dir))
        except DatasetError:
            if not fingerprints and given is True:
                raise
            continue
        if fingerprints[-1] == spec.vectors:
            return given
    raise DatasetError(
        f"the item vectors of {spec.dataset} are not those of the trial: their fingerprint was {spec.vectors[:12]} and "
        f"is {' or '.join(each[:12] for each in fingerprints)}. Make them as they were made then (rearec-bench embed "
        f"{spec.dataset}), or give the right folder with --data-dir."
    )


def _versions(stored: TrialResult) -> Iterator[str]:
    for kind, component in stored.spec.components().items():
        today = TABLES[kind].settings(component.kind).version
        if today != component.version:
            yield f"{component.kind}: version {component.version} then, {today} now"
    if not same_source(stored.source_digest, stored.spec.backbone.kind, stored.spec.strategy.kind):
        yield "the source of the components has changed since"
    engine = engine_version(stored.spec.training, stored.spec.evaluation, stored.spec.device)
    if stored.spec.engine != engine and (stored.spec.hidden == "window" or not stored.spec.is_baseline):
        yield f"engine: {stored.spec.engine} then, {engine} now; numbers differ as between two seeds"


def _changes(stored: TrialResult, again: TrialResult, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        then, now = stored.environment.get(name, ""), again.environment.get(name, "")
        if then != now:
            yield f"{name}: {then or 'none'} then, {now or 'none'} now"


def _numbers(result: TrialResult) -> Mapping[str, float]:
    """The metrics of a trial's readout by split; of one that its pruner ended, those of its last epoch."""
    splits = {"validation": result.validation, "test": result.test}
    numbers = {
        f"{name} of {split}": value
        for split, evidence in splits.items()
        if evidence is not None
        for name, value in evidence.readout.items()
    }
    return numbers or (result.history[-1].validation if result.history else {})
