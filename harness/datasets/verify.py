"""Whether a prepared data set and its raw files still match its card."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..utils.errors import DatasetError
from . import catalog
from .data import files
from .generate import SYNTHETIC
from .parsing import raw
from .parsing.archives import as_folder
from .recipe.files import shipped_recipes
from .vectors import vectors as vector_files

_OTHER_SOURCE = "These are not the files that it was made from. Get those again, or prepare these under another --name."


@dataclass(frozen=True)
class Check:
    """One comparison; `wrong` is "" where nothing is, `remedy` is a command to type."""

    what: str
    detail: str = ""
    wrong: str = ""
    remedy: str = ""


def verify(name: str, *, data_dir: Path, source: Path | None = None) -> Iterator[Check | str]:
    """Compare a data set with its card; `source` is a folder (or file) with the raw files, None to skip them.

    Yields:
        Checks: size and checksum of each of its files, the fingerprint computed again from the arrays, the items, the
        item vectors if it has some, and size and checksum of each source. Then, as text, what was not checked.

    Raises:
        DatasetError: not prepared, or `source` does not exist.
    """
    folder, embedded = data_dir / name, name in catalog.EMBEDDED
    try:
        card = catalog.card(name, data_dir)
        missing = [key for key in ("recipe", "fingerprint", "sources", "statistics") if key not in card]
        if missing:
            raise DatasetError(f"has no {', '.join(missing)}")
    except DatasetError as error:
        if not catalog.is_prepared(name, data_dir):
            raise
        again = f"Prepare it again:  rearec-bench prepare --recipe FILE --source DIR --name {name}"
        yield Check(files.CARD, wrong=_reason(error), remedy=again)
        return
    command, sources = _command(name, card), ", ".join(entry["file"] for entry in card["sources"])
    if source is not None and not source.exists():
        raise DatasetError(f"{source} does not exist. It should hold {sources}.")
    again = f"Prepare it again:  {command}"
    for entry in card.get("outputs", ()):
        yield _check(entry["file"], partial(_compare, entry, folder / entry["file"]), again)
    yield _check("fingerprint", lambda: catalog.load_dataset(name, data_dir=data_dir).fingerprint, again)
    if not embedded:
        yield _check("items", partial(_count_items, name, card, data_dir), again)
        if catalog.has_vectors(name, data_dir):
            remedy = f"Make the item vectors again:  rearec-bench embed {name}"
            yield _check("item vectors", partial(_vectors, name, data_dir), remedy)
    if source is not None:
        with as_folder(source) as unpacked:
            for entry in card["sources"]:
                path = _find(entry["file"], unpacked)
                yield _check(f"source {entry['file']}", partial(_compare, entry, path), _OTHER_SOURCE)
    if "outputs" not in card and not embedded:
        yield (
            "Its card has no checksums of its files: it was prepared by an earlier version, and only the fingerprint "
            f"was checked. To have them, prepare it again:  {command}"
        )
    if source is None and sources:
        yield f"The files it was made from were not checked: {sources}. To check them, add --source DIR"


def _check(what: str, look: Callable[[], str], remedy: str) -> Check:
    try:
        return Check(what, detail=look())
    except DatasetError as error:
        return Check(what, wrong=_reason(error), remedy=remedy)


def _reason(error: DatasetError) -> str:
    return str(error).removesuffix(" Prepare the data set again.").rstrip(".")


def _compare(entry: Mapping[str, Any], path: Path) -> str:
    """Size and checksum of a file, if they match a card's entry."""
    if not path.is_file():
        raise DatasetError(f"{path} does not exist")
    file = raw.describe(path)
    if file.bytes != entry["bytes"]:
        raise DatasetError(f"has {file.bytes:,} bytes, {entry['bytes']:,} were written down")
    if file.sha256 != entry["sha256"]:
        raise DatasetError(f"has sha256 {file.sha256[:12]}, {entry['sha256'][:12]} was written down")
    return f"{file.bytes:,} bytes  sha256 {file.sha256[:12]}"


def _count_items(name: str, card: Mapping[str, Any], data_dir: Path) -> str:
    count, wanted = len(catalog.load_items(name, data_dir=data_dir).tokens), card["statistics"]["items"]
    if count != wanted:
        raise DatasetError(f"items.parquet has {count:,} items, the card names {wanted:,}")
    return f"{count:,}"


def _vectors(name: str, data_dir: Path) -> str:
    catalog.vectors_card(name, data_dir=data_dir)  # of this content
    vectors = vector_files.read_vectors(data_dir / name)
    return "" if vectors is None else vectors.fingerprint


def _find(file: str, source: Path) -> Path:
    """Where a source is: the file itself, in the folder, or the only one of its name below it."""
    if source.is_file():
        return source if source.name == file else source.parent / file
    below = sorted(source.rglob(glob.escape(file)))
    return below[0] if len(below) == 1 else source / file


def _command(name: str, card: Mapping[str, Any]) -> str:
    """The command that prepares a data set again."""
    recipe = shipped_recipes().get(card["recipe"])
    named = "" if name == card["recipe"] else f" --name {name}"
    if card["recipe"] == SYNTHETIC:
        numbers = {key.replace("_", "-"): card["generator"][key] for key in ("users", "items", "seed", "mean_length")}
        return f"rearec-bench prepare {SYNTHETIC} {' '.join(f'--{key} {n}' for key, n in numbers.items())}{named}"
    if recipe is None:
        return f"rearec-bench prepare --recipe FILE --source DIR --name {name}"
    return recipe.command(name.removeprefix(recipe.prefix)) if recipe.named else f"{recipe.command()}{named}"
