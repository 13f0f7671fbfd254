"""The results on disk: one folder per trial, one per suite; only this package reads or writes them.

    ROOT/trials/KEY/       manifest.json, result.json, valid.parquet, test.parquet, traces_*.safetensors
    ROOT/suites/NAME/      suite.json, index.json, run.jsonl, shown.jsonl
    ROOT/export.json       the files of an export that nobody has written to since
    ROOT/quarantine/       damaged files, each with the reason beside it
    ROOT/run.lock          which process writes, during a run

A trial is written atomically: to a temporary name beside its own, synced and renamed. Any number of processes may read;
the one that writes has the lock (`shown.py` alone is added to without it). docs/results.md explains it to users.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..records.results import Ranks, Rows, TrialResult, TrialSummary
from ..utils import files as atomic
from ..utils import lock as store_lock
from ..utils.errors import DamagedError, InputError, StoreError
from .format import SPLITS, json_bytes
from .suites import INDEX, KEY, LOG, SUITE, index_keys, opened, sealed
from .trial_folder import files_of, read_origin, read_ranks, read_result, read_rows, read_summary

__all__ = ["Store", "check_is_results", "index_keys"]

LISTING = "export.json"
QUARANTINE = "quarantine"
_LISTED = b'{\n "schema": 1,\n "files": {'
"""How a list of ours begins: another file of that name is somebody's own."""
_REASON_SCHEMA = 1
_STEM = 120  # of a name in the quarantine
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Store:
    """A folder of results, created on the first write; `tell` gets a line per damage and per writer to wait for."""

    def __init__(self, root: Path, *, tell: Callable[[str], None] = lambda line: None) -> None:
        self.root = Path(root)
        self.trials = self.root / "trials"
        self.suites_folder = self.root / "suites"
        self._tell = tell
        self._lock: store_lock.Lock | None = None
        self._damaged: dict[str, str] = {}

    @contextlib.contextmanager
    def locked(self, doing: str, *, wait: bool = False) -> Iterator[None]:
        """The lock of the only process that writes; what killed writers left behind is removed first.

        So is the list of an export, which is a folder of results like others once somebody writes to it.

        `doing`, such as "suite 'smoke'", is shown to other processes. `wait` waits for another writer to end.

        Raises:
            StoreInUse: another process writes.
            StoreError: the folder cannot be written.
        """
        with store_lock.hold(self.root, doing, wait=wait, say=self._tell) as lock:
            self._lock = lock
            try:
                self._clean()
                yield
            finally:
                self._lock = None

    def has(self, key: str) -> bool:
        """Whether a trial is stored, whatever its status, damaged ones included."""
        folder = self.folder(key)
        return folder.exists() or folder.is_symlink()

    def keys(self) -> set[str]:
        """The keys of all stored trials."""
        return {name for name in atomic.names(self.trials) if KEY.fullmatch(name)}

    def write(self, result: TrialResult, *, replace: bool = False) -> None:
        """Store a trial; it is on disk when this returns. Without `replace` an existing one stays.

        Raises:
            StoreError: the folder cannot be written.
        """
        if replace or not self.has(result.key):
            self.write_files(result.key, files_of(result), replace=replace)

    def write_files(self, key: str, files: Mapping[str, bytes], *, replace: bool = False) -> None:
        """Store the files of a trial as they are; as `write`."""
        folder = self.folder(key)
        with atomic.writing(folder):
            atomic.write_folder(folder, files, replace=replace)

    def lookup(self, key: str) -> TrialSummary | None:
        """The summary of a trial; None if it is not stored or damaged, which is reported once.

        A process with the lock moves a damaged one to the quarantine, so that it can run again.

        Raises:
            StoreError: for another reason than damage, such as missing permissions.
        """
        if not self.has(key):
            return None
        try:
            return self.summary(key)
        except DamagedError as error:
            done = "it counts as not run"
            if self._lock is not None:
                done = f"it was moved to {self.quarantine(error.path, error.why)} and runs again"
            if self._lock is not None or key not in self._damaged:
                self._tell(f"trial {key[:8]} is damaged ({error.why}); {done}.")
            self._damaged[key] = error.why
            return None

    @property
    def damaged(self) -> Mapping[str, str]:
        """Key to reason of the damaged trials that `lookup` met."""
        return self._damaged

    def summary(self, key: str) -> TrialSummary:
        """A trial without its arrays; reads only its JSON.

        Raises:
            DamagedError: damaged, or of another schema version.
            StoreError: not stored.
        """
        return read_summary(self._stored(key))

    def read(self, key: str) -> TrialResult:
        """A whole trial; the checksum of every file is verified.

        Raises:
            DamagedError: damaged, or of another schema version.
            StoreError: not stored.
        """
        return read_result(self._stored(key))

    def origin(self, key: str) -> str:
        """Whom a trial was taken over from: the name of an archive or a folder; "" if it was run here.

        Raises:
            DamagedError: damaged, or of another schema version.
        """
        return (read_origin(self.folder(key)) or ("",))[-1]

    def rows(self, key: str, split: str) -> Rows:
        """The rows of the split "valid" or "test".

        Raises:
            DamagedError: damaged, or of another schema version.
            StoreError: not stored, or without that split (test is for final runs alone).
        """
        return read_rows(self._with_split(key, split), split)

    def ranks(self, key: str, split: str) -> Ranks:
        """The part of `rows` that most tables need, in a third of the time."""
        return read_ranks(self._with_split(key, split), split)

    def find(self, prefix: str) -> str:
        """The only key that starts with a prefix; a StoreError if none or several do."""
        matches = sorted(key for key in self.keys() if key.startswith(prefix.lower())) if prefix else []
        if len(matches) == 1:
            return matches[0]
        if not matches:
            raise StoreError(f"no trial in {self.root} has a key that starts with '{prefix}'.")
        shown = ", ".join(key[: len(prefix) + 6] for key in matches[:5])
        more = f" and {len(matches) - 5} more" if len(matches) > 5 else ""
        raise StoreError(f"{len(matches)} trials have keys that start with '{prefix}': {shown}{more}. Add digits.")

    def delete(self, key: str) -> None:
        """Remove a trial, if it is stored."""
        folder = self.folder(key)
        if folder.exists():
            with atomic.writing(folder):
                atomic.remove_folder(folder)

    def suite_folder(self, name: str) -> Path:
        """Where a suite's files are; a StoreError if its name is not a valid folder name."""
        if not _NAME.fullmatch(name):
            raise StoreError(f"'{name}' is not a valid suite name. Allowed: letters, digits, '.', '_' and '-'.")
        return self.suites_folder / name

    def write_suite(self, name: str, suite_json: Mapping[str, Any], index: Mapping[str, Any]) -> None:
        """Store a resolved suite (`Suite.to_json()`) and its index (trials by cell), each atomically.

        Raises:
            StoreError: not a valid folder name, or the folder cannot be written or is not the one that was locked.
        """
        if self._lock is not None:
            self._lock.check()
        self._write_sealed(name, SUITE, suite_json)
        self.write_index(name, index)

    def write_index(self, name: str, index: Mapping[str, Any]) -> None:
        """Store the index of a suite; as `write_suite`."""
        self._write_sealed(name, INDEX, index)

    def write_log(self, name: str, lines: Iterable[str]) -> None:
        """Replace all events of a suite's log; as `write_suite`."""
        target = self.suite_folder(name) / LOG
        with atomic.writing(target):
            atomic.write_file(target, "".join(f"{line}\n" for line in lines).encode())

    def read_suite(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """The resolved suite and its index.

        Raises:
            DamagedError: damaged, or of another schema version.
            StoreError: not stored.
        """
        folder = self.suite_folder(name)
        if not (folder / SUITE).is_file():
            known = ", ".join(self.suites()) or "none"
            raise StoreError(f"there is no suite '{name}' in {self.root}. Stored: {known}.")
        return opened(folder / SUITE), opened(folder / INDEX)

    def index_before(self, name: str) -> dict[str, Any]:
        """The index that a run of a suite goes on from; {} without one, or for a damaged one, which is reported."""
        path = self.suite_folder(name) / INDEX
        try:
            return opened(path) if path.exists() else {}
        except DamagedError as error:
            self._tell(f"{error.path} is damaged ({error.why}); it is written anew.")
            return {}

    def suites(self) -> list[str]:
        """Names of the stored suites, sorted."""
        names = (name for name in atomic.names(self.suites_folder) if _NAME.fullmatch(name))
        return sorted(name for name in names if (self.suites_folder / name / SUITE).is_file())

    def used_by(self, key: str) -> list[str]:
        """Names of the suites whose index contains a trial; suites with damaged files are left out."""
        users = []
        for name in self.suites():
            with contextlib.suppress(DamagedError):
                users += [name] if key in index_keys(self.read_suite(name)[1]) else []
        return users

    def quarantine(self, path: Path, why: str) -> Path:
        """Move a damaged file or folder to the quarantine, and return its new path.

        The reason is in a file of the same name plus `.json`.

        Raises:
            StoreError: the folder cannot be written.
        """
        place = self.root / QUARANTINE
        parts = path.relative_to(self.root).parts
        stem = f"{'.'.join(parts[1:])[:_STEM]}-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}"
        taken = {name.removesuffix(".json") for name in atomic.names(place)}
        names = (stem, *(f"{stem}-{number}" for number in range(2, len(taken) + 3)))
        target = place / next(name for name in names if name not in taken)
        reason = {"schema": _REASON_SCHEMA, "was": "/".join(parts), "why": why, "moved_at": round(time.time(), 3)}
        with atomic.writing(target):
            atomic.write_file(target.with_name(f"{target.name}.json"), json_bytes(reason))
            path.rename(target)
        return target

    def folder(self, key: str) -> Path:
        """Where a trial is, or would be; a StoreError if the key is not valid."""
        if not KEY.fullmatch(key):
            raise StoreError(f"'{key}' is not a valid trial key: 32 hexadecimal digits.")
        return self.trials / key

    def _with_split(self, key: str, split: str) -> Path:
        if split not in SPLITS:
            raise StoreError(f"there is no split '{split}'. Allowed: {', '.join(SPLITS)}.")
        return self._stored(key)

    def _stored(self, key: str) -> Path:
        folder = self.folder(key)
        if not self.has(key):
            if self._lock is not None:
                self._lock.check()
            raise StoreError(f"trial {key} is not stored in {self.root}.")
        return folder

    def _write_sealed(self, name: str, file: str, value: Mapping[str, Any]) -> None:
        target = self.suite_folder(name) / file
        content = sealed(value, folder=name, file=file)
        with atomic.writing(target):
            if not target.exists() or target.read_bytes() != content:
                atomic.write_file(target, content)

    def _clean(self) -> None:
        places = (
            self.root,
            self.trials,
            self.root / QUARANTINE,
            *(self.suites_folder / name for name in atomic.names(self.suites_folder)),
        )
        with atomic.writing(self.root):
            for folder in places:
                atomic.clean(folder)
            if _begins(self.root / LISTING, _LISTED):
                (self.root / LISTING).unlink()


def check_is_results(folder: Path) -> None:
    """Raise `InputError` for a folder that no run has written to, such as one above or below that."""
    if not (folder / "trials").is_dir():
        raise InputError(f"{folder} is no folder of results: it has no folder trials. Name one that a run wrote to.")


def _begins(path: Path, start: bytes) -> bool:
    with contextlib.suppress(OSError), path.open("rb") as file:
        return file.read(len(start)) == start
    return False
