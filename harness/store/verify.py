"""Checks every byte of a results folder: what is damaged, and moves it to the quarantine on request.

It checks each trial (manifest, names, sizes, checksums, decoded content, and that its spec hashes to its key),
each suite's files (seal, schema, the trials in its index), its log and progress file, checkpoints, profiles,
and unknown files among trials and suites. Other files of the folder are ignored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ..records.results import TrialResult
from ..suite.model import Suite
from ..trial.metrics import metrics_of
from ..utils import files as atomic
from ..utils.errors import CheckpointError, DamagedError, StoreError
from . import progress_file
from .format import SPLITS, reason_of
from .shown import SHOWN
from .store import Store
from .suites import INDEX, KEY, LOG, SUITE, index_keys, log_lines, opened, without_trials
from .trial_folder import foreign_files, read_result

_ROUNDING = 1e-9  # between two versions of numpy

Kind = Literal["trial", "suite", "index", "progress", "checkpoint", "profile", "foreign", "missing"]


@dataclass(frozen=True)
class Finding:
    """A difference from what was written.

    Attributes:
        kind: its type; "foreign": an unknown file; "missing": trials in an index that do not exist.
        path: where it is, or was.
        why: what is wrong.
        moved: its new path; None if it was not moved.
    """

    kind: Kind
    path: Path
    why: str
    moved: Path | None = None


@dataclass(frozen=True)
class Verification:
    """The result of a verification.

    Attributes:
        trials: number checked.
        suites: number checked.
        findings: in the order of the folder.
        unreadable_lines: of logs, such as killed runs leave; not damage, since no result depends on a log.
    """

    trials: int
    suites: int
    findings: tuple[Finding, ...]
    unreadable_lines: int


def verify(
    store: Store,
    *,
    fix: bool = False,
    of_others: bool = False,
    reach: Callable[[int, int], None] = lambda done, total: None,
) -> Verification:
    """Check everything that is stored; `reach` gets the number of trials done and in all.

    `fix`, for which the caller locks the store, moves what is damaged to the quarantine and removes it from the
    indexes. `of_others` checks what may be taken over, trials and suites alone, and metrics against ranks.

    Raises:
        StoreError: the folder cannot be read, or with `fix` not be written.
    """
    if not store.root.is_dir():
        raise StoreError(f"there is no folder {store.root}. Name the folder of results with --results.")
    findings: list[Finding] = []

    def report(finding: Finding) -> None:
        moves = fix and finding.kind != "missing"
        moved = store.quarantine(finding.path, finding.why) if moves else None
        findings.append(Finding(finding.kind, finding.path, finding.why, moved))

    names = sorted(atomic.names(store.trials))
    for number, name in enumerate(names, 1):
        for finding in _trial(store.trials / name, metrics=of_others):
            report(finding)
        reach(number, len(names))
    gone = {finding.path.name for finding in findings if finding.kind == "trial"}
    suites = sorted(atomic.names(store.suites_folder))
    unreadable = 0
    for name in suites:
        for finding in _suite(store, name):
            report(finding)
        if not _is_suite(store, name):
            continue
        for finding in _progress(store.suite_folder(name)):
            report(finding)
        missing = _missing(store, name, gone)
        if missing is not None:
            report(missing)
            if fix:
                _forget(store, name)
        unreadable += sum(_unreadable_lines(store.suite_folder(name) / file) for file in (LOG, SHOWN))
    for finding in () if of_others else (*_checkpoints(store.root), *_profiles(store.root)):
        report(finding)
    return Verification(
        sum(KEY.fullmatch(name) is not None for name in names), len(suites), tuple(findings), unreadable
    )


def _trial(folder: Path, *, metrics: bool) -> Iterator[Finding]:
    if not KEY.fullmatch(folder.name):
        yield Finding("foreign", folder, "not the name of a trial")
        return
    try:
        result = read_result(folder)
    except DamagedError as error:
        yield Finding("trial", folder, error.why)
        return
    if metrics and (wrong := _unlike_ranks(result)):
        yield Finding("trial", folder, wrong)
    for name in foreign_files(folder):
        yield Finding("foreign", folder / name, "it is not in the trial's manifest")


def _unlike_ranks(result: TrialResult) -> str:
    """Which metrics of a trial are not those of its ranks, "" for none."""
    for split, evidence in zip(SPLITS, (result.validation, result.test), strict=True):
        if evidence is None:
            continue
        stored = [evidence.readout, *evidence.steps]
        ranks = np.column_stack([evidence.rows.readout_ranks, evidence.rows.step_ranks]).T
        if len(ranks) != len(stored) or not ranks.size or ranks.min() < 1:
            return f"{split} lacks ranks, or has one below 1"
        for metrics, of in zip(stored, ranks, strict=True):
            for name, value in metrics_of(of).items():
                if not math.isclose(metrics[name], value, abs_tol=_ROUNDING):
                    return f"{name} of {split} is {metrics[name]:.6f}, and {value:.6f} by its ranks"
    return ""


def _is_suite(store: Store, name: str) -> bool:
    try:
        return store.suite_folder(name).is_dir()
    except StoreError:
        return False


def _suite(store: Store, name: str) -> Iterator[Finding]:
    if not _is_suite(store, name):
        yield Finding("foreign", store.suites_folder / name, "not the name of a suite")
        return
    folder = store.suite_folder(name)
    wrong = _suite_damage(folder / SUITE)
    if wrong and (folder / SUITE).exists():
        yield Finding("suite", folder / SUITE, wrong)
    if not (folder / INDEX).exists():
        return
    if wrong:
        yield Finding("index", folder / INDEX, "its suite.json is damaged or missing")
        return
    try:
        opened(folder / INDEX)
    except DamagedError as error:
        yield Finding("index", error.path, error.why)


def _suite_damage(path: Path) -> str:
    """What is wrong with a suite.json, "" for nothing."""
    try:
        Suite.from_json(opened(path))
    except DamagedError as error:
        return error.why
    except StoreError as error:
        return str(error).partition(". `")[0]
    return ""


def _missing(store: Store, name: str, gone: set[str]) -> Finding | None:
    """Trials in an index that do not exist, damaged ones included."""
    path = store.suite_folder(name) / INDEX
    try:
        named = index_keys(opened(path))
    except DamagedError:
        return None
    lost = sorted(key for key in named if key in gone or not store.has(key))
    if not lost:
        return None
    shown = ", ".join(key[:8] for key in lost[:3]) + (", ..." if len(lost) > 3 else "")
    return Finding("missing", path, f"{len(lost)} of its {len(named)} trials are missing or damaged: {shown}")


def _forget(store: Store, name: str) -> None:
    index = opened(store.suite_folder(name) / INDEX)
    store.write_index(name, without_trials(index, {key for key in index_keys(index) if not store.has(key)}))


def _progress(folder: Path) -> Iterator[Finding]:
    try:
        progress_file.read(folder)
    except DamagedError as error:
        yield Finding("progress", error.path, error.why)


def _unreadable_lines(path: Path) -> int:
    try:
        return log_lines(path.read_bytes())[1]
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}.") from error


def _checkpoints(root: Path) -> Iterator[Finding]:
    from .checkpoints import Checkpoints

    checkpoints = Checkpoints(root)
    for key in sorted(checkpoints.keys()):
        try:
            checkpoints.read(key)
        except CheckpointError as error:
            yield Finding("checkpoint", checkpoints.folder(key), str(error))


def _profiles(root: Path) -> Iterator[Finding]:
    from ..records.profile import Profile

    for path in sorted((root / "profiles").glob("*/profile.json")):
        try:
            Profile.from_json(path.read_bytes())
        except (OSError, RecursionError, ValueError) as error:
            yield Finding("profile", path.parent, reason_of(error))
