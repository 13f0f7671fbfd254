"""Merges one results folder into another: trials by their key, suites cell by cell.

For what both have, the first is kept. If they differ, which only different machines, library versions or damage
can cause, the first is kept and the difference is reported.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..plan.cells import expand
from ..plan.staged import LOOKS, SEEDS, together
from ..records.comparison import differences
from ..suite.model import Suite
from ..utils.errors import DamagedError
from .shown import add_lines, shown_lines
from .store import Store
from .suites import INDEX, LOG, SUITE, log_lines, opened
from .trial_folder import files_stored


@dataclass(frozen=True)
class Merged:
    """The result of a merge.

    Attributes:
        added: number of trials that the first lacked.
        same: number of trials in both, equal except for times and machine.
        suites: names of the suites that were added or completed.
        conflicts: where the two disagree or one is damaged, one line each; the first's is kept.
    """

    added: int
    same: int
    suites: tuple[str, ...]
    conflicts: tuple[str, ...]


def merge(target: Store, source: Store, *, reach: Callable[[int, int], None] = lambda done, total: None) -> Merged:
    """Add another store's trials and suites; the caller locks `target`. `reach` gets the trials done and in all.

    Raises:
        StoreError: one of them cannot be read, or the first cannot be written.
    """
    added = same = 0
    conflicts: list[str] = []
    keys = sorted(source.keys())
    for number, key in enumerate(keys, 1):
        disagreements = _trial(key, target, source)
        added += disagreements is None
        same += disagreements == ()
        conflicts += disagreements or ()
        reach(number, len(keys))
    changed = []
    for name in source.suites():
        differs, wrong = _suite(name, target, source)
        changed += [name] if differs else []
        conflicts += wrong
    return Merged(added, same, tuple(changed), tuple(conflicts))


def _trial(key: str, target: Store, source: Store) -> tuple[str, ...] | None:
    """Why a trial was not added; None if it was."""
    try:
        theirs = source.read(key)
    except DamagedError as error:
        return (f"trial {key[:8]} of {source.root} is damaged ({error.why}) and was not merged",)
    if target.has(key):
        try:
            lines = differences(target.read(key), theirs)
            return tuple(f"trial {key[:8]} is not the same in both: {line}" for line in lines[:1])
        except DamagedError as error:
            target.quarantine(error.path, error.why)
    target.write_files(key, files_stored(source.folder(key)))
    return None


def _suite(name: str, target: Store, source: Store) -> tuple[bool, list[str]]:
    """Whether a suite was changed, and where the two disagree."""
    try:
        suite, index = source.read_suite(name)
    except DamagedError as error:
        return False, [f"suite {name} of {source.root} is damaged ({error.why}) and was not merged"]
    wrong: list[str] = []
    present = (target.suite_folder(name) / SUITE).exists()
    kept_suite, kept_index = _kept(name, SUITE, suite, target), _kept(name, INDEX, index, target)
    if kept_suite != suite:
        fields = ", ".join(
            sorted(field for field in {*suite, *kept_suite} if suite.get(field) != kept_suite.get(field))
        )
        wrong.append(
            f"suite {name} is not the same in both ({fields}): the rows of {target.root} stay, with the trials of both"
        )
    merged = _merged_index(name, kept_index, _on_same_data(name, kept_suite, kept_index, index, wrong), wrong)
    target.write_suite(name, kept_suite, merged)
    logged = _merge_logs(name, target, source)
    ours, theirs = (shown_lines(store.suite_folder(name)) for store in (target, source))
    new = [line for line in theirs if line not in ours]
    add_lines(target.suite_folder(name), new)
    return not present or merged != kept_index or logged or bool(new), wrong


def _kept(name: str, file: str, theirs: dict[str, Any], target: Store) -> dict[str, Any]:
    """A file of the target's suite; theirs where it has none or a damaged one."""
    path = target.suite_folder(name) / file
    if not path.exists():
        return theirs
    try:
        return opened(path)
    except DamagedError as error:
        target.quarantine(path, error.why)
        return theirs


def _on_same_data(
    name: str, suite: Mapping[str, Any], first: Mapping[str, Any], second: Mapping[str, Any], wrong: list[str]
) -> dict[str, Any]:
    """The second index without its cells, seeds and looks on data sets that had other content in the first."""
    ours, theirs = (index.get("fingerprints", {}) for index in (first, second))
    differing = sorted(dataset for dataset in ours if theirs.get(dataset, ours[dataset]) != ours[dataset])
    if not differing:
        return dict(second)
    wrong.append(
        f"suite {name}: {', '.join(differing)} had other content when the other suite ran; there the first's runs stay"
    )
    apart = {cell.id for cell in expand(Suite.from_json(suite)) if cell.dataset in differing}
    parts = {
        part: second[part] for part in ("cells", SEEDS, LOOKS) if part in second
    }  # each by names that begin with ids
    kept = {
        part: {name: held for name, held in entries.items() if name.split()[0] not in apart}
        for part, entries in parts.items()
    }
    return {**second, **kept}


def _merged_index(name: str, first: Mapping[str, Any], second: Mapping[str, Any], wrong: list[str]) -> dict[str, Any]:
    merged = {**second, **first, **together(first, second)}
    for part in ("fingerprints", "dataset_facts"):
        ours, theirs = first.get(part, {}), second.get(part, {})
        merged[part] = {**theirs, **ours}
    cells = {**second.get("cells", {}), **first.get("cells", {})}
    for cell in first.get("cells", {}).keys() & second.get("cells", {}).keys():
        cells[cell] = _merged_cell(f"suite {name}, cell {cell}", first["cells"][cell], second["cells"][cell], wrong)
    return {**merged, "cells": cells}


def _merged_cell(where: str, first: Mapping[str, Any], second: Mapping[str, Any], wrong: list[str]) -> dict[str, Any]:
    """One cell of both: the longer search if it continues the other, and the final runs of both if they agree."""
    ours, theirs = list(first.get("search", ())), list(second.get("search", ()))
    together = min(len(ours), len(theirs))
    goes_on = _agree(ours[:together], theirs[:together])
    searched = [our_key or their_key for our_key, their_key in zip(ours, theirs, strict=False)]
    longer = (theirs if len(theirs) > len(ours) else ours)[together:]
    finals, their_finals = first.get("final", {}), second.get("final", {})
    split = [seed for seed, key in their_finals.items() if finals.get(seed, key) != key]
    best = [cell["best"] for cell in (first, second) if cell.get("best")]
    if not split and len(set(best)) < 2:  # runs of two configurations have no mean
        finals = {**their_finals, **finals}
    if not goes_on:
        wrong.append(f"{where}: other search trials; those of the first are kept")
    if split:
        wrong.append(f"{where}: other final runs under seed {', '.join(split)}; those of the first are kept")
    elif len(set(best)) > 1:
        wrong.append(f"{where}: another trial is the best of the search; the first's stays, with its final runs")
    merged = {
        **first,
        "search": [*searched, *longer] if goes_on else ours,
        "best": best[0] if best else None,
        "final": dict(sorted(finals.items(), key=lambda entry: int(entry[0]))),
    }
    notes = [cell["note"] for cell in (first, second) if cell.get("note")]
    merged.pop("note", None)
    for name in ("failed", "behind"):
        keys = dict.fromkeys([*first.get(name, ()), *(second.get(name, ()) if goes_on else ())])
        merged[name] = [key for key in keys if key not in merged["search"]]
        if not merged[name]:
            del merged[name]
    return merged if finals or not notes else {**merged, "note": notes[0]}


def _agree(first: list[str | None], second: list[str | None]) -> bool:
    return all(ours == theirs or None in (ours, theirs) for ours, theirs in zip(first, second, strict=True))


def _merge_logs(name: str, target: Store, source: Store) -> bool:
    """Merge the events of both, each once, in the order of their times; whether any was new."""
    ours, theirs = (_events(store, name) for store in (target, source))
    new = [line for line in theirs if line not in set(ours)]
    if new:
        lines = sorted([*ours, *new], key=lambda line: _time(json.loads(line)))
        target.write_log(name, lines)
    return bool(new)


def _events(store: Store, name: str) -> list[str]:
    try:
        return log_lines((store.suite_folder(name) / LOG).read_bytes())[0]
    except FileNotFoundError:
        return []


def _time(event: Mapping[str, Any]) -> float:
    return float(event["time"]) if isinstance(event.get("time"), int | float) else 0.0
