"""The files of a source, by the roles that a reader gives them."""

from __future__ import annotations

import glob
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from ...utils.errors import DatasetError
from ...utils.messages import hint
from ..recipe.recipe import Recipe
from .archives import is_archive
from .bad_lines import OnBadLine
from .raw import MissingFileError, ReadProgress


@dataclass(frozen=True)
class RawFiles:
    """The raw files of a source, and how to read them.

    Attributes:
        source: the folder with the files, or a file that is the interactions.
        recipe: may name the files, by name or glob, with {name} filled in already; names columns, and the time format.
        on_bad_line: see `OnBadLine`.
    """

    source: Path
    recipe: Recipe
    progress: ReadProgress
    on_bad_line: OnBadLine

    def find(self, role: str, defaults: Mapping[str, tuple[str, ...]]) -> tuple[Path, ...]:
        """The files of a role, at least one; those of a glob sorted by name.

        `defaults` are the names by role, if the recipe has none; the first that exists is taken. A file with `.gz`
        after its name counts if the plain one does not exist.

        Raises:
            DatasetError: the recipe names no file where it must.
            MissingFileError: a file is missing.
        """
        source = self.source
        if source.is_file():
            if role == "interactions":
                return (source,)
            source = source.parent
        names = self.recipe.files.get(role, ())
        tables = (defaults, self.recipe.files)
        others = {name for table in tables for given, listed in table.items() if given != role for name in listed}
        if names:
            found = {name: _named(source, name) for name in names}
            lacking = [name for name, paths in found.items() if not paths]
            if lacking:
                raise _missing(source, (lacking[0],), others)
            return tuple(dict.fromkeys(path for paths in found.values() for path in paths))
        if role not in defaults:
            raise DatasetError(f"the recipe does not name the files of {role}. Add  files: {{{role}: NAME}}.")
        for name in defaults[role]:
            if paths := _named(source, name):
                return paths
        raise _missing(source, defaults[role], others)


def _named(source: Path, names: str) -> tuple[Path, ...]:
    """The files of a name or glob; with "A | B" those of the first that there are."""
    return next(filter(None, (_of_name(source, name.strip()) for name in names.split("|"))), ())


def _of_name(source: Path, name: str) -> tuple[Path, ...]:
    patterns = (name, f"{name}.gz")
    for path in (source / pattern for pattern in patterns):
        if path.is_file():
            return (path,)
    found = (glob.iglob(pattern, root_dir=source, recursive=True, include_hidden=True) for pattern in patterns)
    paths = {path for path in map(source.joinpath, chain.from_iterable(found)) if path.is_file()}
    twice = {path for path in paths if path.suffix == ".gz" and path.with_suffix("") in paths}
    return tuple(sorted(paths - twice))


def _missing(source: Path, names: tuple[str, ...], others: Collection[str]) -> MissingFileError:
    """The error for a missing file: where it may be, and never one of another role."""
    names = tuple(name.strip() for one in names for name in one.split("|"))
    wanted = " or ".join(f"{name} (or {name}.gz)" if not name.endswith(".gz") else name for name in names)
    said = f"{source} holds no {wanted}."
    within = sorted(path for path in source.iterdir() if path.is_dir() and any(_named(path, name) for name in names))
    if within:
        return MissingFileError(f"{said} {within[0]} does: is that the source?")
    packed = sorted(path for path in source.iterdir() if is_archive(path))
    if packed:
        return MissingFileError(f"{said} Is it in {packed[0]}? That may be the source.")
    here = [path.name for path in source.iterdir() if path.is_file() and path.name.removesuffix(".gz") not in others]
    return MissingFileError(f"{said}{hint(names[0], here)}")
