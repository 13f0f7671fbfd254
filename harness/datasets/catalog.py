"""Data sets by name, embedded or prepared, and messages about those that are neither."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils.errors import DatasetError, InputError
from ..utils.messages import hint
from .data import files
from .data.card import make_card
from .data.dataset import Dataset
from .data.items import Items, items_of
from .data.recipe_result import dataset_of
from .generate import SYNTHETIC, SYNTHETIC_COMMAND
from .vectors import vectors as vector_files
from .vectors.vectors import ItemVectors

EMBEDDED = ("tiny",)
"""Names that need no preparation."""

_NEAR = 0.75  # above it a name is that of another data set, mistyped
_FEW_USERS = 20_000  # among which a similar id is looked for

FEWEST_ITEMS = 2
"""Of a catalogue: a model ranks the target among the others."""
ONE_ITEM = "its catalogue has one item, so that there is nothing to rank it against."


def load_dataset(name: str, *, data_dir: Path, vectors: bool | Path = False) -> Dataset:
    """The data set of a name, in memory, with read-only arrays.

    `vectors` is True to load its own item vectors too, or a file of them.

    Raises:
        DatasetError: not prepared (with the command that prepares it), without the vectors asked for (with the command
            that embeds it), or damaged.
    """
    dataset = _embedded()[0] if name in EMBEDDED else files.read(_prepared_folder(name, data_dir))
    if vectors is False:
        return dataset
    if isinstance(vectors, Path):
        content = dataset.fingerprint
        given = vector_files.load_vectors_file(vectors, dataset.num_items, dataset_fingerprint=content)
        return replace(dataset, vectors=given)
    own = _embedded_vectors() if name in EMBEDDED else vector_files.read_vectors(data_dir / name)
    if own is None:
        raise DatasetError(no_vectors_message(name))
    _refuse_other_vectors(own.card, name, dataset.card)
    return replace(dataset, vectors=own)


def vectors_card(name: str, *, data_dir: Path) -> Mapping[str, Any] | None:
    """The card of a data set's own item vectors, None if it has none; errors as `load_dataset`."""
    if name in EMBEDDED:
        return _embedded_vectors().card
    own = vector_files.read_card(_prepared_folder(name, data_dir))
    if own is not None:
        _refuse_other_vectors(own, name, card(name, data_dir))
    return own


def has_vectors(name: str, data_dir: Path) -> bool:
    """Whether a data set has item vectors of its own: embedded, or with their file in its folder."""
    return name in EMBEDDED or (data_dir / name / vector_files.FILE).is_file()


def no_vectors_message(name: str, why: str = "") -> str:
    """The command that gives a data set item vectors; `why` follows a comma."""
    return f"{name} has no item vectors{why}. Type:  rearec-bench embed {name}"


def load_items(name: str, *, data_dir: Path) -> Items:
    """Tokens, titles, popularity and texts of a data set's items; errors as `load_dataset`."""
    return _embedded()[1] if name in EMBEDDED else files.read_items(_prepared_folder(name, data_dir))


def load_users(name: str, *, data_dir: Path) -> NDArray[np.object_]:
    """(U,) ids in the source of a data set's users, by number; errors as `load_dataset`, or they were not kept."""
    return _embedded()[2] if name in EMBEDDED else files.read_users(_prepared_folder(name, data_dir))


def user_number(name: str, token: str, *, data_dir: Path) -> int:
    """The number of a user, given by its id in the source.

    Raises:
        InputError: there is none.
        DatasetError: as `load_users`.
    """
    tokens = load_users(name, data_dir=data_dir)
    found = np.flatnonzero(tokens == token)
    if not len(found):
        near = hint(token, tokens.tolist()) if len(tokens) <= _FEW_USERS else ""
        raise InputError(f"there is no user '{token}' in {name}.{near}")
    return int(found[0])


def card(name: str, data_dir: Path) -> Mapping[str, Any]:
    """The card of a data set; errors as `load_dataset`."""
    return _embedded()[0].card if name in EMBEDDED else files.read_card(_prepared_folder(name, data_dir))


def is_prepared(name: str, data_dir: Path) -> bool:
    """Whether a data set can be loaded: embedded, or with a card in the data folder."""
    return name in EMBEDDED or os.path.isfile(data_dir / name / files.CARD)  # False of names that no file can have


def prepared(data_dir: Path) -> list[str]:
    """The names in the data folder that can be loaded, sorted, without the embedded ones."""
    return sorted(path.parent.name for path in data_dir.glob(f"*/{files.CARD}") if not path.parent.name.startswith("."))


def refuse_one_item(card: Mapping[str, Any]) -> None:
    """A DatasetError if the catalogue of a prepared data set has a single item."""
    if card["statistics"]["items"] < FEWEST_ITEMS:
        raise DatasetError(f"{card['name']}: {ONE_ITEM} Take it out of the suite, or prepare it with more items.")


def known(data_dir: Path) -> list[str]:
    """All names that a suite can use or prepare: embedded, prepared, and recipes that need no name; sorted."""
    from .recipe.files import shipped_recipes  # reports need no recipes, whose models take a while to build

    unnamed = [recipe.name for recipe in shipped_recipes().values() if not recipe.named]
    return sorted({*EMBEDDED, *unnamed, *prepared(data_dir)})


def no_such_dataset(name: str, data_dir: Path) -> str:
    """Why a name is a slip of the pen, with the one that is meant; "" for any other, which may yet be prepared."""
    from .recipe.files import shipped_recipes  # as in `known`

    recipes = shipped_recipes().values()
    made = name == SYNTHETIC or any(recipe.prefix and name.startswith(recipe.prefix) for recipe in recipes)
    names = known(data_dir)
    if made or name in names or not difflib.get_close_matches(name, names, n=1, cutoff=_NEAR):
        return ""
    return (
        f"there is no data set '{name}'.{hint(name, names)} Known: {', '.join(names)}. To make one of files of your "
        "own:  rearec-bench prepare --recipe FILE --source DIR"
    )


def not_prepared_message(name: str) -> str:
    """What is missing and the command that prepares it, then what DIR must hold; similar recipes if none is known."""
    if name == SYNTHETIC:
        return f"{name} is not prepared. Type:  {SYNTHETIC_COMMAND}"
    from .recipe.files import shipped_recipes  # as in `known`

    recipes = shipped_recipes()
    for recipe in recipes.values():
        prefixed = bool(recipe.prefix) and name.startswith(recipe.prefix)
        if prefixed or (recipe.name == name and not recipe.named):
            return f"{name} is not prepared. Type:  {recipe.advice(name.removeprefix(recipe.prefix))}"
    return "\n".join(
        (
            f"{name} is not prepared.{hint(name, [*EMBEDDED, *recipes])}",
            "From files of your own:  rearec-bench prepare --recipe FILE --source DIR",
            f"From a sequence file:  {recipes['sequences'].advice(name)}",
            f"From a ready split:  {recipes['splits'].advice(name)}",
        )
    )


def _refuse_other_vectors(own: Mapping[str, Any], name: str, data: Mapping[str, Any]) -> None:
    """Refuse vectors in a data set's folder that were computed for other content."""
    if own.get("dataset_fingerprint", data["fingerprint"]) != data["fingerprint"]:
        raise DatasetError(
            f"the item vectors of {name} belong to other content of it. Make them again:  rearec-bench embed {name}"
        )


def _prepared_folder(name: str, data_dir: Path) -> Path:
    if not is_prepared(name, data_dir):
        raise DatasetError(not_prepared_message(name))
    return data_dir / name


@lru_cache(maxsize=1)
def _embedded() -> tuple[Dataset, Items, NDArray[np.object_]]:
    from .generate import tiny

    result = tiny.make()
    dataset = dataset_of(result.assembled, name=tiny.NAME, card=make_card(result, tiny.NAME))
    return dataset, items_of(result), result.assembled.user_tokens


@lru_cache(maxsize=1)
def _embedded_vectors() -> ItemVectors:
    from .vectors.encoders import tfidf

    texts = _embedded()[1].texts
    if texts is None:
        raise TypeError("the embedded data set has texts")
    return vector_files.text_vectors(*tfidf.encode(texts, vector_files.WIDTH), texts)
