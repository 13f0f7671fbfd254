"""The results on disk: one folder per trial, one per suite; the only place that reads or writes them.

    ROOT/trials/KEY/   manifest.json, result.json, valid.parquet, test.parquet, traces_*.safetensors
    ROOT/suites/NAME/  suite.json, index.json, run.jsonl

A trial is written to a temporary name beside its own, synced and renamed: it is there whole or not at all. Two stores
are merged by copying folders. Any number of processes may read; one writes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from . import atomic
from .errors import StoreError
from .results import Rows, TrialResult, TrialSummary
from .store_format import RESULT, SCHEMA, SPLITS, json_bytes, pack, rows_of, summary_of, unpack

_KEY = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MANIFEST = "manifest.json"


class Store:
    """A folder of results.

    Args:
        root: the folder; it need not exist before something is written.
        clean: remove what killed writers left behind (for the one process that writes).
    """

    def __init__(self, root: Path, *, clean: bool = False) -> None:
        self.root = Path(root)
        self._trials = self.root / "trials"
        self._suites = self.root / "suites"
        if clean:
            for folder in (self._trials, *(self._suites / name for name in atomic.names(self._suites))):
                atomic.clean(folder)

    def has(self, key: str) -> bool:
        """Whether a trial is stored, whatever its status."""
        return self._folder(key).is_dir()

    def keys(self) -> set[str]:
        """The keys of all stored trials."""
        return {name for name in atomic.names(self._trials) if _KEY.fullmatch(name)}

    def write(self, result: TrialResult, *, replace: bool = False) -> None:
        """Store a trial; it is on disk when this returns.

        Args:
            result: the trial.
            replace: overwrite a trial that is there; otherwise the first one stays and this does nothing.

        Raises:
            StoreError: the folder cannot be written.
        """
        folder = self._folder(result.key)
        if folder.exists() and not replace:
            return
        files = pack(result)
        checksums = {name: _sha256(content) for name, content in sorted(files.items())}
        files[_MANIFEST] = json_bytes({"schema": SCHEMA, "key": result.key, "files": checksums})
        with _writing(folder):
            atomic.write_folder(folder, files, replace=replace)

    def summary(self, key: str) -> TrialSummary:
        """A trial without its arrays; reads its JSON alone.

        Raises:
            StoreError: not stored, damaged, or of another schema version.
        """
        with self._reading(key) as folder:
            content = _checked(folder, RESULT, _manifest(folder))
            return summary_of(json.loads(content))

    def read(self, key: str) -> TrialResult:
        """A trial with everything; the checksum of every file is verified.

        Raises:
            StoreError: not stored, damaged, or of another schema version.
        """
        with self._reading(key) as folder:
            manifest = _manifest(folder)
            return unpack({name: _checked(folder, name, manifest) for name in manifest["files"]})

    def rows(self, key: str, split: str) -> Rows:
        """The rows of one split.

        Args:
            key: the trial.
            split: "valid" or "test".

        Raises:
            StoreError: not stored, damaged, or without that split (test is for final runs alone).
        """
        if split not in SPLITS:
            raise StoreError(f"there is no split '{split}'. Allowed: {', '.join(SPLITS)}.")
        with self._reading(key) as folder:
            manifest = _manifest(folder)
            name = f"{split}.parquet"
            if name not in manifest["files"]:
                raise StoreError(f"trial {key[:8]} holds no rows of '{split}'.")
            return rows_of(_checked(folder, name, manifest))

    def find(self, prefix: str) -> str:
        """The one key that starts with a prefix.

        Raises:
            StoreError: none or several do.
        """
        found = sorted(key for key in self.keys() if key.startswith(prefix.lower())) if prefix else []
        if len(found) == 1:
            return found[0]
        if not found:
            raise StoreError(f"no trial in {self.root} has a key that starts with '{prefix}'.")
        shown = ", ".join(key[: len(prefix) + 6] for key in found[:5])
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        raise StoreError(f"{len(found)} trials have keys that start with '{prefix}': {shown}{more}. Give more digits.")

    def delete(self, key: str) -> None:
        """Remove a trial; nothing happens where it is not stored."""
        folder = self._folder(key)
        if folder.exists():
            with _writing(folder):
                atomic.remove_folder(folder)

    def suite_folder(self, name: str) -> Path:
        """Where a suite's files are (its `run.jsonl` is written by the driver).

        Raises:
            StoreError: a name that cannot be a folder's.
        """
        if not _NAME.fullmatch(name):
            raise StoreError(f"'{name}' cannot be the name of a suite: letters, digits, '.', '_' and '-' can.")
        return self._suites / name

    def write_suite(self, name: str, suite_json: Mapping[str, Any], index: Mapping[str, Any]) -> None:
        """Store a resolved suite and its index, each whole or not at all.

        Args:
            name: the suite's name.
            suite_json: `Suite.to_json()`.
            index: which trials stand behind which cell.

        Raises:
            StoreError: a name that cannot be a folder's.
        """
        folder = self.suite_folder(name)
        for file, value in (("suite.json", suite_json), ("index.json", {"schema": SCHEMA, **index})):
            content = json_bytes(value)
            target = folder / file
            if not target.exists() or target.read_bytes() != content:
                with _writing(target):
                    atomic.write_file(target, content)

    def read_suite(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """The resolved suite and its index.

        Raises:
            StoreError: not stored, damaged, or of another schema version.
        """
        folder = self.suite_folder(name)
        if not (folder / "suite.json").is_file():
            known = ", ".join(self.suites()) or "none"
            raise StoreError(f"there is no suite '{name}' in {self.root}. Stored: {known}.")
        parts: list[dict[str, Any]] = []
        for file in ("suite.json", "index.json"):
            try:
                parts.append(json.loads((folder / file).read_bytes()))
            except (OSError, ValueError) as error:
                raise StoreError(f"{folder / file} is damaged ({error}). Run the suite again to mend it.") from error
        _check_schema(parts[1], folder)
        return parts[0], parts[1]

    def suites(self) -> list[str]:
        """Names of the stored suites, sorted."""
        return sorted(name for name in atomic.names(self._suites) if (self._suites / name / "suite.json").is_file())

    def used_by(self, key: str) -> list[str]:
        """Names of the suites whose index names a trial."""
        return [name for name in self.suites() if key in index_keys(self.read_suite(name)[1])]

    def _folder(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise StoreError(f"'{key}' is not the key of a trial: 32 hexadecimal digits.")
        return self._trials / key

    @contextlib.contextmanager
    def _reading(self, key: str) -> Iterator[Path]:
        folder = self._folder(key)
        if not folder.is_dir():
            raise StoreError(f"trial {key} is not stored in {self.root}.")
        try:
            yield folder
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise _damaged(folder, f"{type(error).__name__}: {error}") from error


def index_keys(index: Mapping[str, Any]) -> set[str]:
    """All trials that a suite's index names."""
    keys: set[str] = set()
    for cell in index.get("cells", {}).values():
        keys |= {key for key in (*cell.get("search", ()), cell.get("best"), *cell.get("final", {}).values()) if key}
    return keys


def _manifest(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / _MANIFEST).read_bytes())
    _check_schema(manifest, folder)
    if manifest["key"] != folder.name:
        raise _damaged(folder, f"its manifest is that of trial {manifest['key']}")
    return manifest


def _checked(folder: Path, name: str, manifest: Mapping[str, Any]) -> bytes:
    content = (folder / name).read_bytes()
    if _sha256(content) != manifest["files"][name]:
        raise _damaged(folder, f"the checksum of {name} is not that of the manifest")
    return content


def _check_schema(held: Mapping[str, Any], folder: Path) -> None:
    if held.get("schema") != SCHEMA:
        raise StoreError(
            f"{folder} has schema version {held.get('schema')}; this version of rearec-bench reads version {SCHEMA}."
        )


def _damaged(folder: Path, why: str) -> StoreError:
    return StoreError(f"{folder} is damaged ({why}). Delete the folder; the next run repeats the trial.")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextlib.contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror or error}.") from error
