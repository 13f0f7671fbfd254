"""Raw files to a prepared data set on disk, by a recipe."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ..utils.errors import DatasetError
from . import catalog
from .data import files
from .data.assembled import dataset_of
from .data.card import make_card
from .data.dataset import Dataset
from .data.item_attributes import ItemAttributes
from .data.items import Items, items_of
from .data.made import Made
from .generate import SYNTHETIC, synthetic
from .parsing.bad_lines import OnBadLine
from .parsing.raw import MissingFileError, ReadProgress
from .readers import reader_of
from .recipe.files import read_recipe, shipped_recipes
from .recipe.recipe import Recipe
from .rules.build import build
from .vectors import vectors as vector_files


def find_recipe(name: str) -> Recipe:
    """The shipped recipe of a name.

    Args:
        name: what is typed after `prepare`.

    Raises:
        DatasetError: unknown, with the nearest known one.
    """
    if name in catalog.EMBEDDED:
        raise DatasetError(f"{name} is embedded: it needs no preparation.")
    known = [*shipped_recipes(), SYNTHETIC]
    if name not in shipped_recipes():
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        file = (
            f" For a recipe of your own type:  rearec-bench prepare --recipe {name} --source DIR" if "." in name else ""
        )
        raise DatasetError(f"unknown recipe '{name}'.{hint} Known: {', '.join(known)}.{file}")
    return shipped_recipes()[name]


def _quiet(done: int, total: int, what: str) -> None:
    """Tell nobody."""


def prepare(
    recipe: Recipe | str | Path,
    *,
    source: Path,
    data_dir: Path,
    name: str | None = None,
    on_bad_line: OnBadLine = "error",
    progress: ReadProgress = _quiet,
) -> Dataset:
    """Make a data set from its source and write it to the data folder.

    Args:
        recipe: a recipe, the name of a shipped one, or a recipe file.
        source: folder (of a sequence file: or the file) with the raw data; it is not changed.
        data_dir: where prepared data sets live.
        name: see `Recipe.named`.
        on_bad_line: what a line that cannot be read gets.
        progress: told while reading.

    Returns:
        The data set, as `load_dataset` will return it.

    Raises:
        DatasetError: anything wrong with the recipe, the source or the name, an empty split, or another content under
            this name. Nothing is written then.
    """
    if isinstance(recipe, Path):
        recipe = read_recipe(recipe)
    elif isinstance(recipe, str):
        recipe = find_recipe(recipe)
    label = _label(recipe, name)
    if not source.exists():
        raise DatasetError(f"{source} does not exist. {_what_to_type(recipe, name)}")
    named = recipe.model_copy(update={"files": recipe.file_names(name or recipe.name)})
    reader = reader_of(recipe.reader)
    try:
        held = reader.read(source, named, progress=progress, on_bad_line=on_bad_line)
    except MissingFileError as error:
        raise DatasetError(f"{error} {_what_to_type(recipe, name)}") from error

    def describe(wanted: Collection[str]) -> ItemAttributes | None:
        return reader.attributes(source, named, wanted, progress=progress, on_bad_line=on_bad_line)

    return keep(build(recipe, held, describe), label=label, data_dir=data_dir)


def prepare_synthetic(size: synthetic.Size, *, data_dir: Path, name: str | None = None) -> Dataset:
    """Generate a data set and write it to the data folder.

    Args:
        size: what is to be made.
        data_dir: where prepared data sets live.
        name: what suites will call it; "synthetic" where there is none.

    Returns:
        The data set, as `load_dataset` will return it.

    Raises:
        InputError: a number out of range, a name that is taken, or another content under this name.
    """
    synthetic.check(size)
    label = free_label(name or SYNTHETIC, own=SYNTHETIC)
    made = synthetic.make(size.users, size.items, seed=size.seed, mean_length=size.mean_length, topics=size.topics)
    return keep(made, label=label, data_dir=data_dir)


def _what_to_type(recipe: Recipe, name: str | None) -> str:
    given = name or "NAME"
    return f"Type:  {recipe.command(given)}\n  {recipe.contents(given)}"


def keep(made: Made, *, label: str, data_dir: Path) -> Dataset:
    """Write what a recipe made to the data folder.

    Args:
        made: arrays, and what the card says of them.
        label: what suites will call it; see `free_label`.
        data_dir: where prepared data sets live.

    Returns:
        The data set, as `load_dataset` will return it.

    Raises:
        DatasetError: an empty split, or another content under this name.
    """
    _refuse_empty(made, label)
    folder = data_dir / label
    new_card = make_card(made, label)
    _refuse_other_content(folder, new_card["fingerprint"])
    items = items_of(made)
    full_card = files.write(folder, made.assembled, items=items, card=new_card, keep=_still_right(folder, items))
    return dataset_of(made.assembled, name=label, card=full_card)


def _still_right(folder: Path, items: Items) -> tuple[str, ...]:
    """The files of a data set's vectors, where preparing it again changes nothing that they were made from."""
    try:
        made_of, held = vector_files.read_card(folder), files.read_items(folder)
    except DatasetError:
        return ()
    if made_of is None or held.tokens.tolist() != items.tokens.tolist():
        return ()
    imported = str(made_of["encoder"]).startswith(vector_files.FROM_FILE)
    same = _listed(held.texts) == _listed(items.texts)
    return (vector_files.FILE, vector_files.CARD) if imported or same else ()


def _listed(texts: Any) -> list[str] | None:
    return None if texts is None else texts.tolist()


def _label(recipe: Recipe, name: str | None) -> str:
    if recipe.named and name is None:
        raise DatasetError(f"the recipe {recipe.name} needs a name. Type:  {recipe.command()}\n  {recipe.contents()}")
    if name is not None and not catalog.is_safe(name):
        raise DatasetError(_unsafe(name))
    label = recipe.prefix + name if name is not None else recipe.name
    return free_label(label, own=recipe.name if not recipe.named else "", prefix=recipe.prefix)


def free_label(label: str, *, own: str = "", prefix: str = "") -> str:
    """A name for a data set that belongs to no other one.

    Args:
        label: the name.
        own: of the recipe that prepares it, where its data sets may be called like it.
        prefix: of the recipe that prepares it, "" where it has none.

    Returns:
        The name.

    Raises:
        DatasetError: it cannot be a folder's, or belongs to another recipe.
    """
    if not catalog.is_safe(label):
        raise DatasetError(_unsafe(label))
    taken = {*catalog.EMBEDDED, SYNTHETIC, *shipped_recipes()} - {own}
    prefixes = [other.prefix for other in shipped_recipes().values() if other.prefix not in ("", prefix)]
    if label in taken or any(label.startswith(other) for other in prefixes):
        raise DatasetError(f"the name '{label}' belongs to another data set or recipe. Choose another --name.")
    return label


def _unsafe(name: str) -> str:
    return (
        f"'{name}' cannot name a data set. Allowed: letters, digits, '.', '_', '-'; a letter or digit first; "
        "at most 64 characters."
    )


def _refuse_empty(made: Made, label: str) -> None:
    arrays = made.assembled
    empty = [split for split in ("train", "valid", "test") if len(getattr(arrays, split)) == 0]
    if empty:
        removed = [f"{why}: {count:,} interactions" for why, count in made.filtered if count]
        removed += [f"{why}: {sum(rows.values()):,} rows" for why, rows in arrays.dropped.items() if sum(rows.values())]
        reasons = f" Left out before: {'; '.join(removed)}." if removed else ""
        raise DatasetError(f"{label}: no row is left in {' and '.join(empty)}.{reasons} Nothing was written.")


def _refuse_other_content(folder: Path, new: str) -> None:
    if not folder.exists():
        return
    if not (folder / files.CARD).is_file():
        raise DatasetError(f"{folder} exists and is no prepared data set. Move it away, or choose another name.")
    try:
        held = files.read_card(folder).get("fingerprint")
    except DatasetError:
        return  # damaged, or of another version: this is the remedy
    if held != new:
        raise DatasetError(
            f"{folder} holds a data set with another content (fingerprint {str(held)[:12]}, the new one has "
            f"{new[:12]}). Remove that folder, or choose another --name."
        )
