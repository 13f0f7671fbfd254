"""Whether a prepared data set, and the files that it was made from, are still what its card says."""

from __future__ import annotations

import glob
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ..utils.errors import DatasetError
from . import catalog
from .data import files
from .generate import SYNTHETIC
from .parsing import raw
from .recipe.files import shipped_recipes
from .vectors import vectors as vector_files


@dataclass(frozen=True)
class Check:
    """One comparison.

    Attributes:
        what: was looked at.
        wrong: what is wrong, "" where nothing is.
        said: more of it, where nothing is wrong.
        kind: what it belongs to: the data set itself, its item vectors, or what it was made from.
    """

    what: str
    wrong: str = ""
    said: str = ""
    kind: Literal["data", "vectors", "source"] = "data"


def verify(name: str, *, data_dir: Path, source: Path | None = None) -> Iterator[Check]:
    """Compare a data set with its card, one thing after the other.

    Args:
        name: of an embedded or prepared data set.
        data_dir: where prepared data sets live.
        source: folder (or file) with the raw files; None leaves them out.

    Yields:
        Size and checksum of each of its files, the fingerprint computed anew from the arrays, the items, the item
        vectors where it has some, and size and checksum of each source.

    Raises:
        DatasetError: not prepared, or there is no such source.
    """
    card = _card(name, data_dir)
    if isinstance(card, Check):
        yield card
        return
    if source is not None and not source.exists():
        raise DatasetError(f"{source} does not exist. It should hold {_listed(card)}.")
    if name not in catalog.EMBEDDED:
        for entry in card.get("outputs", ()):
            yield _compared(entry, data_dir / name / entry["file"], entry["file"])
    yield _fingerprint(name, data_dir)
    if name not in catalog.EMBEDDED:
        yield _items(name, data_dir)
        yield from _vectors(name, data_dir)
    if source is not None:
        for entry in card["sources"]:
            path = _found(entry["file"], source)
            yield replace(_compared(entry, path, f"source {entry['file']}"), kind="source")


def advice(name: str, wrong: Collection[Check], *, data_dir: Path) -> Iterator[str]:
    """What to type where something is wrong.

    Args:
        name: of the data set.
        wrong: the checks that found something.
        data_dir: where it is.

    Yields:
        One line for each kind of check.
    """
    kinds = {check.kind for check in wrong}
    if "data" in kinds:
        yield f"Prepare it again:  {_command(name, data_dir)}"
    if "vectors" in kinds:
        yield f"Make the item vectors again:  rearec-bench embed {name}"
    if "source" in kinds:
        yield "These are not the files that it was made from. Get those again, or prepare these under another --name."


def _command(name: str, data_dir: Path) -> str:
    """What prepares a data set."""
    card = _card(name, data_dir)
    recipe = "" if isinstance(card, Check) else card["recipe"]
    if recipe == SYNTHETIC and not isinstance(card, Check):
        numbers = card["generator"]
        options = " ".join(f"--{key.replace('_', '-')} {numbers[key]}" for key in _TYPED)
        return f"rearec-bench prepare {recipe} {options}{_named(name, recipe)}"
    shipped = shipped_recipes().get(recipe)
    if shipped is None:
        return f"rearec-bench prepare --recipe FILE --source DIR --name {name}"
    if shipped.named:
        return shipped.command(name.removeprefix(shipped.prefix))
    return f"{shipped.command()}{_named(name, recipe)}"


_TYPED = ("users", "items", "seed", "mean_length")


def notes(name: str, *, data_dir: Path, source: Path | None) -> Iterator[str]:
    """What was not checked, and how it can be.

    Args:
        name: of an embedded or prepared data set.
        data_dir: where prepared data sets live.
        source: as of `verify`.
    """
    card = _card(name, data_dir)
    if isinstance(card, Check) or name in catalog.EMBEDDED:
        return
    if "outputs" not in card:
        yield (
            "Its card has no checksums of its files: it was prepared by an earlier version, and only the fingerprint "
            f"was checked. To have them, prepare it again:  {_command(name, data_dir)}"
        )
    if source is None and card["sources"]:
        yield f"The files it was made from were not checked: {_listed(card)}. Say where they are:  --source DIR"


def _card(name: str, data_dir: Path) -> Mapping[str, Any] | Check:
    if not catalog.is_prepared(name, data_dir):
        raise DatasetError(catalog.not_prepared_message(name))
    try:
        card = catalog.card(name, data_dir)
    except DatasetError as error:
        return Check(files.CARD, wrong=_words(error))
    missing = [key for key in ("recipe", "fingerprint", "sources", "statistics") if key not in card]
    return Check(files.CARD, wrong=f"has no {', '.join(missing)}") if missing else card


def _compared(entry: Mapping[str, Any], path: Path, what: str) -> Check:
    if not path.is_file():
        return Check(what, wrong=f"there is no {path}")
    held = raw.describe(path)
    if held.bytes != entry["bytes"]:
        return Check(what, wrong=f"has {held.bytes:,} bytes, {entry['bytes']:,} were written down")
    if held.sha256 != entry["sha256"]:
        return Check(what, wrong=f"has sha256 {held.sha256[:12]}, {entry['sha256'][:12]} was written down")
    return Check(what, said=f"{held.bytes:,} bytes  sha256 {held.sha256[:12]}")


def _fingerprint(name: str, data_dir: Path) -> Check:
    try:
        dataset = catalog.load_dataset(name, data_dir=data_dir)
    except DatasetError as error:
        return Check("fingerprint", wrong=_words(error))
    return Check("fingerprint", said=dataset.fingerprint)  # loading has computed it anew


def _items(name: str, data_dir: Path) -> Check:
    try:
        held = len(catalog.load_items(name, data_dir=data_dir).tokens)
    except DatasetError as error:
        return Check("items", wrong=_words(error))
    wanted = catalog.card(name, data_dir)["statistics"]["items"]
    if held != wanted:
        return Check("items", wrong=f"items.parquet has {held:,} items, the card names {wanted:,}")
    return Check("items", said=f"{held:,}")


def _vectors(name: str, data_dir: Path) -> Iterator[Check]:
    if not catalog.has_vectors(name, data_dir):
        return
    try:
        held = vector_files.read_vectors(data_dir / name)
        catalog.vectors_card(name, data_dir=data_dir)
    except DatasetError as error:
        yield Check("item vectors", wrong=_words(error), kind="vectors")
        return
    yield Check("item vectors", said="" if held is None else held.fingerprint)


def _found(file: str, source: Path) -> Path:
    """Where a source is: the file itself, in the folder, or the only one of its name below it."""
    if source.is_file():
        return source if source.name == file else source.parent / file
    if (source / file).is_file():
        return source / file
    below = sorted(source.rglob(glob.escape(file)))
    return below[0] if len(below) == 1 else source / file


def _listed(card: Mapping[str, Any]) -> str:
    return ", ".join(entry["file"] for entry in card["sources"])


def _named(name: str, recipe: str) -> str:
    return "" if name == recipe else f" --name {name}"


def _words(error: Exception) -> str:
    return str(error).removesuffix(" Prepare the data set again.").rstrip(".")
