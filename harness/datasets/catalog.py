"""The data sets by name: embedded, prepared, or the recipe that prepares them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import DatasetError
from . import files
from . import vectors as vector_files
from .card import make_card
from .dataset import Dataset, Split
from .items import Items, items_of
from .made import Made
from .vectors import ItemVectors

EMBEDDED = ("tiny",)
"""Names that need no preparation."""

GENERATED = "synthetic"
"""What is typed after `prepare` for made data; see `synthetic.py`."""
GENERATED_COMMAND = f"rearec-bench prepare {GENERATED} --users 1e6 --items 1e5"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Recipe:
    """A way to prepare data sets.

    Attributes:
        name: what is typed after `prepare`.
        holds: what the source folder must hold, `{name}` standing for --name.
        summary: one line for lists.
        named: needs --name; otherwise the data set is called like the recipe unless a name is given.
        prefix: before --name in the prepared data set's name.
        origin: where the source can be had, and under what terms; "" where it is the user's own.
    """

    name: str
    holds: str
    summary: str
    named: bool = False
    prefix: str = ""
    origin: str = ""

    def command(self, name: str = "NAME", source: str = "DIR") -> str:
        """The command that prepares the data set."""
        option = f" --name {name}" if self.named else ""
        return f"rearec-bench prepare {self.name}{option} --source {source}"

    def contents(self, name: str = "NAME") -> str:
        """What the source must be, and where it comes from, as one line."""
        origin = f"   ({self.origin})" if self.origin else ""
        return f"DIR holds {self.holds.replace('{name}', name)}{origin}"


RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "ml-100k",
            holds="ml-100k.inter and ml-100k.item",
            summary="MovieLens 100k from RecBole's atomic files: ratings above 3, 5-core, split by time at 80/90%",
            origin="RecBole's atomic files of https://grouplens.org/datasets/movielens/100k, under its terms",
        ),
        Recipe(
            "released",
            holds="{name}.train.remap.csv, {name}.valid.remap.csv and {name}.test.remap.csv, each plain or .gz",
            summary="row files as the authors' code reads them, taken as they are; called released-NAME",
            named=True,
            prefix="released-",
        ),
        Recipe(
            "sequences",
            holds="sequences.txt (or is such a file): one user a line, `user item item ...` in time order",
            summary="a sequence file, split by leaving one out; called NAME",
            named=True,
        ),
        Recipe(
            "splits",
            holds="train.csv, valid.csv and test.csv, each plain or .gz: user_id, item_id, history (items separated by "
            "spaces, oldest first); and items.jsonl, if there is one: item_id, title, description, brand",
            summary="a ready split whose rows bring their histories, taken as it is; called NAME",
            named=True,
        ),
    )
}


def recipe_of(name: str) -> Recipe:
    """The recipe of a name.

    Args:
        name: what is typed after `prepare`.

    Raises:
        DatasetError: unknown, with the nearest known one.
    """
    if name in EMBEDDED:
        raise DatasetError(f"{name} is embedded: it needs no preparation.")
    if name not in RECIPES:
        near = difflib.get_close_matches(name, [*RECIPES, GENERATED], n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise DatasetError(f"unknown recipe '{name}'.{hint} Known: {', '.join([*RECIPES, GENERATED])}.")
    return RECIPES[name]


def load_dataset(name: str, *, data_dir: Path, vectors: bool | Path = False) -> Dataset:
    """Load a data set into memory.

    Args:
        name: "tiny", or a prepared data set.
        data_dir: where prepared data sets live.
        vectors: load its item vectors, too: True for its own, or a file that someone else made.

    Returns:
        The data set; its arrays are read-only.

    Raises:
        DatasetError: not prepared (with the command that prepares it), without the vectors asked for (with the command
            that makes them), or damaged.
    """
    held = _embedded()[0] if name in EMBEDDED else files.read(_prepared_folder(name, data_dir))
    if vectors is False:
        return held
    if isinstance(vectors, Path):
        given = vector_files.load_vectors_file(vectors, held.num_items, dataset_fingerprint=held.fingerprint)
        return replace(held, vectors=given)
    own = _embedded_vectors() if name in EMBEDDED else vector_files.read_vectors(data_dir / name)
    if own is None:
        raise DatasetError(no_vectors_message(name))
    _refuse_other_vectors(own.card, name, held.card)
    return replace(held, vectors=own)


def vectors_card(name: str, *, data_dir: Path) -> Mapping[str, Any] | None:
    """The card of a data set's own item vectors, None where it has none; arguments and errors as `load_dataset`."""
    if name in EMBEDDED:
        return _embedded_vectors().card
    found = vector_files.read_card(_prepared_folder(name, data_dir))
    if found is not None:
        _refuse_other_vectors(found, name, card(name, data_dir))
    return found


def has_vectors(name: str, data_dir: Path) -> bool:
    """Whether a data set has item vectors of its own: embedded, or with their file in its folder."""
    return name in EMBEDDED or (_is_safe(name) and (data_dir / name / vector_files.FILE).is_file())


def no_vectors_message(name: str, why: str = "") -> str:
    """What to type so that a data set has item vectors.

    Args:
        name: of the data set.
        why: who needs them, after a comma.
    """
    return f"{name} has no item vectors{why}. Type:  rearec-bench embed {name}"


def load_items(name: str, *, data_dir: Path) -> Items:
    """Tokens, titles, popularity and texts of a data set's items; arguments and errors as `load_dataset`."""
    if name in EMBEDDED:
        return _embedded()[1]
    return files.read_items(_prepared_folder(name, data_dir))


def card(name: str, data_dir: Path) -> Mapping[str, Any]:
    """The card of a data set; arguments and errors as `load_dataset`."""
    if name in EMBEDDED:
        return _embedded()[0].card
    return files.read_card(_prepared_folder(name, data_dir))


def is_prepared(name: str, data_dir: Path) -> bool:
    """Whether a data set can be loaded: embedded, or with a card in the data folder."""
    return name in EMBEDDED or (_is_safe(name) and (data_dir / name / files.CARD).is_file())


def prepared(data_dir: Path) -> list[str]:
    """The names in the data folder that can be loaded, sorted; embedded ones not among them."""
    if not data_dir.is_dir():
        return []
    return sorted(path.name for path in data_dir.iterdir() if is_prepared(path.name, data_dir))


def known(data_dir: Path) -> list[str]:
    """All names that a suite can use or prepare: embedded, prepared, and recipes that need no name; sorted."""
    unnamed = [recipe.name for recipe in RECIPES.values() if not recipe.named]
    return sorted({*EMBEDDED, *unnamed, *prepared(data_dir)})


def not_prepared_message(name: str) -> str:
    """What to type so that a data set is prepared, and what its source must hold.

    Args:
        name: of a data set that is not prepared.

    Returns:
        What is missing and the command, then what DIR must hold; the recipes that could be meant where none is known.
    """
    if name == GENERATED:
        return f"{name} is not prepared. Type:  {GENERATED_COMMAND}"
    for recipe in RECIPES.values():
        if recipe.name == name and not recipe.named:
            return f"{name} is not prepared. Type:  {recipe.command()}\n  {recipe.contents()}"
        if recipe.prefix and name.startswith(recipe.prefix):
            source_name = name.removeprefix(recipe.prefix)
            command, contents = recipe.command(source_name), recipe.contents(source_name)
            return f"{name} is not prepared. Type:  {command}\n  {contents}"
    near = difflib.get_close_matches(name, [*EMBEDDED, *RECIPES], n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    lines = [f"{name} is not prepared.{hint}"]
    for words, key in (("From a sequence file", "sequences"), ("From a ready split", "splits")):
        lines += [f"{words}:  {RECIPES[key].command(name)}", f"  {RECIPES[key].contents(name)}"]
    return "\n".join(lines)


def prepare(recipe: str, *, source: Path, data_dir: Path, name: str | None = None) -> Dataset:
    """Make a data set from its source and write it to the data folder.

    Args:
        recipe: a name in `RECIPES`.
        source: folder (of a sequence file: or the file) with the raw data; it is not changed.
        data_dir: where prepared data sets live.
        name: see `Recipe.named`.

    Returns:
        The data set, as `load_dataset` will return it.

    Raises:
        DatasetError: anything wrong with the source or the name, an empty split, or another content under this name.
    """
    chosen = recipe_of(recipe)
    label = _label(chosen, name)
    return keep(_make(chosen, source, name), label=label, data_dir=data_dir)


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
    files.write(folder, made.assembled, items=items, card=new_card, keep=_still_right(folder, items))
    return files.read(folder)


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


def _refuse_other_vectors(found: Mapping[str, Any], name: str, data: Mapping[str, Any]) -> None:
    """Vectors that lie in a data set's folder and were made for another content."""
    if found.get("dataset_fingerprint", data["fingerprint"]) != data["fingerprint"]:
        raise DatasetError(
            f"the item vectors of {name} were made for another content of it. Make them again:  rearec-bench embed "
            f"{name}"
        )


def _make(recipe: Recipe, source: Path, name: str | None) -> Made:
    from . import movielens, released, sequences, splits

    given = name or recipe.name
    advice = f"Type:  {recipe.command(given)}\n  {recipe.contents(given)}"
    makers: dict[str, Callable[[], Made]] = {
        "ml-100k": lambda: movielens.make(source, "ml-100k", advice=advice),
        "released": lambda: released.make(source, given, advice=advice),
        "sequences": lambda: sequences.make(source, advice=advice),
        "splits": lambda: splits.make(source, advice=advice),
    }
    return makers[recipe.name]()


def _label(recipe: Recipe, name: str | None) -> str:
    if recipe.named and name is None:
        raise DatasetError(f"the recipe {recipe.name} needs a name. Type:  {recipe.command()}\n  {recipe.contents()}")
    if name is not None and not _is_safe(name):
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
    if not _is_safe(label):
        raise DatasetError(_unsafe(label))
    taken = {*EMBEDDED, GENERATED, *RECIPES} - {own}
    prefixes = [other.prefix for other in RECIPES.values() if other.prefix not in ("", prefix)]
    if label in taken or any(label.startswith(other) for other in prefixes):
        raise DatasetError(f"the name '{label}' belongs to another data set or recipe. Choose another --name.")
    return label


def _unsafe(name: str) -> str:
    return (
        f"'{name}' cannot name a data set. Allowed: letters, digits, '.', '_', '-'; a letter or digit first; "
        "at most 64 characters."
    )


def _is_safe(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def _prepared_folder(name: str, data_dir: Path) -> Path:
    if not is_prepared(name, data_dir):
        raise DatasetError(not_prepared_message(name))
    return data_dir / name


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


@lru_cache(maxsize=1)
def _embedded() -> tuple[Dataset, Items]:
    from . import tiny

    made = tiny.make()
    arrays = made.assembled
    new_card = make_card(made, tiny.NAME)
    arrays.flat.flags.writeable = False
    dataset = Dataset(
        name=tiny.NAME,
        fingerprint=new_card["fingerprint"],
        num_items=arrays.num_items,
        num_users=arrays.num_users,
        flat=arrays.flat,
        train=_frozen(arrays.train),
        valid=_frozen(arrays.valid),
        test=_frozen(arrays.test),
        card=new_card,
    )
    return dataset, items_of(made)


@lru_cache(maxsize=1)
def _embedded_vectors() -> ItemVectors:
    from .embed import encode

    texts = _embedded()[1].texts
    if texts is None:
        raise TypeError("the embedded data set has texts")
    return encode(texts)


def _frozen(split: Split) -> Split:
    for values in (split.users, split.starts, split.ends, split.targets):
        values.flags.writeable = False
    return split
