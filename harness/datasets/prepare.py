"""Raw files to a prepared data set on disk, by a recipe."""

from __future__ import annotations

import contextlib
import shlex
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ..utils.errors import DatasetError
from ..utils.messages import hint
from . import catalog
from .data import files
from .data.card import SPLITS, make_card
from .data.dataset import Dataset
from .data.items import Items, items_of
from .data.recipe_result import RecipeResult, dataset_of
from .generate import SYNTHETIC, synthetic
from .parsing.archives import as_folder
from .parsing.bad_lines import OnBadLine
from .parsing.raw import MissingFileError, ReadProgress
from .parsing.source_files import RawFiles
from .readers import reader_of
from .recipe.files import DATASET_NAME, read_recipe, shipped_recipes
from .recipe.recipe import Recipe
from .rules.build import build
from .vectors import vectors as vector_files


def find_recipe(name: str) -> Recipe:
    """The shipped recipe of a name; for an unknown one a DatasetError with the nearest."""
    if name in catalog.EMBEDDED:
        raise DatasetError(f"{name} is embedded: it needs no preparation.")
    known = [*shipped_recipes(), SYNTHETIC]
    if name not in shipped_recipes():
        file = f"{name}.yaml" if Path(f"{name}.yaml").is_file() else name if "." in name else "FILE"
        own = f"For a recipe of your own:  rearec-bench prepare --recipe {shlex.quote(file)} --source DIR"
        raise DatasetError(f"unknown recipe '{name}'.{hint(name, known)} Known: {', '.join(known)}. {own}")
    return shipped_recipes()[name]


def prepare(
    recipe: Recipe | str | Path,
    *,
    source: Path,
    data_dir: Path,
    name: str | None = None,
    on_bad_line: OnBadLine = "error",
    progress: ReadProgress = lambda done, total, what: None,
) -> Dataset:
    """Prepare a data set from its source, write it to the data folder, and return it as `load_dataset` will.

    `recipe` is a recipe, the name of a shipped one, or a recipe file. `source` is a folder or an archive with the raw
    data (or the file of interactions itself) and is not changed. For `name` see `Recipe.named`.

    Raises:
        DatasetError: anything wrong with the recipe, the source or the name, an empty split, or other content under
            this name. Nothing is written then.
    """
    if isinstance(recipe, Path):
        recipe = read_recipe(recipe)
    elif isinstance(recipe, str):
        recipe = find_recipe(recipe)
    if recipe.named and name is None:
        raise DatasetError(f"the recipe {recipe.name} needs a name. Type:  {recipe.advice()}")
    label = _free_label(recipe.prefix + name if name is not None else recipe.name, recipe)
    advice = f"Type:  {recipe.advice(name or 'NAME')}"
    if not source.exists():
        raise DatasetError(f"{source} does not exist. {advice}")
    named = recipe.model_copy(update={"files": recipe.file_names(name or recipe.name)})
    reader = reader_of(recipe.reader)
    with as_folder(source) as folder:
        raw = RawFiles(folder, named, progress, on_bad_line)
        try:
            rows = reader.read(raw)
        except MissingFileError as error:
            meant, said = _meant(raw), str(error)
            said = said.partition(" Did you mean")[0] if meant else said  # one guess is enough
            raise DatasetError(f"{said} {meant or advice}") from error
        result = build(recipe, rows, partial(reader.attributes, raw))
    return keep(result, label=label, data_dir=data_dir)


def _meant(raw: RawFiles) -> str:
    """The shipped recipe whose files a source holds, as the end of an error; "" for none."""
    for name, recipe in shipped_recipes().items():
        with contextlib.suppress(DatasetError):
            other = replace(raw, recipe=recipe)
            if not recipe.named and all(other.find(role, {}) for role in recipe.files):
                return f"It holds the files of {name}. Type:  rearec-bench prepare {name} --source DIR"
    return ""


def prepare_synthetic(size: synthetic.Size, *, data_dir: Path, name: str | None = None) -> Dataset:
    """Generate a data set, write it to the data folder, and return it as `load_dataset` will.

    Raises:
        DatasetError: a name that is taken, or other content under this name.
    """
    label = _free_label(name or SYNTHETIC, None)
    return keep(synthetic.make(size), label=label, data_dir=data_dir)


def keep(result: RecipeResult, *, label: str, data_dir: Path) -> Dataset:
    """Write a recipe's result to the data folder, and return it as `load_dataset` will.

    Raises:
        DatasetError: an empty split, or other content under this name.
    """
    _refuse_empty(result, label)
    if result.assembled.num_items < catalog.FEWEST_ITEMS:
        raise DatasetError(f"{label}: {catalog.ONE_ITEM}{_left_out(result)} Nothing was written.")
    folder = data_dir / label
    new_card = make_card(result, label)
    _refuse_other_content(folder, new_card["fingerprint"])
    items = items_of(result)
    full_card = files.write(folder, result.assembled, items=items, card=new_card, keep=_still_right(folder, items))
    return dataset_of(result.assembled, name=label, card=full_card)


def _still_right(folder: Path, items: Items) -> tuple[str, ...]:
    """The files of a data set's vectors, if preparing it again changes nothing that they depend on."""
    try:
        vectors, before = vector_files.read_card(folder), files.read_items(folder)
    except DatasetError:
        return ()
    if vectors is None or not np.array_equal(before.tokens, items.tokens):
        return ()
    imported = str(vectors["encoder"]).startswith(vector_files.FROM_FILE)
    same = np.array_equal(np.asarray(before.texts), np.asarray(items.texts))
    return (vector_files.FILE, vector_files.CARD) if imported or same else ()


def _free_label(label: str, recipe: Recipe | None) -> str:
    """The name, if it is valid and belongs to no other data set or recipe; `recipe` is None for synthetic data."""
    if not DATASET_NAME.fullmatch(label):
        raise DatasetError(
            f"'{label}' cannot name a data set. Allowed: letters, digits, '.', '_', '-'; a letter or digit first; "
            "at most 64 characters."
        )
    own = SYNTHETIC if recipe is None else "" if recipe.named or recipe.file else recipe.name
    prefix = "" if recipe is None or recipe.file else recipe.prefix
    taken = {*catalog.EMBEDDED, SYNTHETIC, *shipped_recipes()} - {own}
    prefixes = [other.prefix for other in shipped_recipes().values() if other.prefix not in ("", prefix)]
    if label in taken or any(label.startswith(other) for other in prefixes):
        raise DatasetError(f"the name '{label}' belongs to another data set or recipe. Choose another --name.")
    return label


def _refuse_empty(result: RecipeResult, label: str) -> None:
    arrays = result.assembled
    empty = [split for split in SPLITS if len(arrays.splits[split]) == 0]
    if empty:
        raise DatasetError(f"{label}: no row is left in {' and '.join(empty)}.{_left_out(result)} Nothing was written.")


def _left_out(result: RecipeResult) -> str:
    """What the rules left out, as the end of an error."""
    removed = [f"{why}: {count:,} interactions" for why, count in result.filtered if count]
    dropped = {why: sum(rows.values()) for why, rows in result.assembled.dropped.items()}
    removed += [f"{why}: {count:,} rows" for why, count in dropped.items() if count]
    return f" Left out before: {'; '.join(removed)}." if removed else ""


def _refuse_other_content(folder: Path, new: str) -> None:
    if not folder.exists():
        return
    if not (folder / files.CARD).is_file():
        raise DatasetError(f"{folder} exists and is not a prepared data set. Move it away, or choose another name.")
    try:
        old = str(files.read_card(folder).get("fingerprint"))
    except DatasetError:
        return  # damaged, or of another version: this is the remedy
    if old != new:
        raise DatasetError(
            f"{folder} holds a data set with another content (fingerprint {old[:12]}, the new one has "
            f"{new[:12]}). Remove that folder, or choose another --name."
        )
