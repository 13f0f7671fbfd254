"""Texts to vectors: by an encoder that is known by name, by a language model, or from a file.

Vectors of a data set lie beside it with a card of their own. Their fingerprint is a hash of the values, and of the
template of the texts where it is not the paper's: see `vectors.item_vectors`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..utils.errors import InputError
from ..utils.meter import Meter
from . import catalog
from .recipe.files import shipped_recipes
from .vectors.encode import DEFAULT, ENCODERS, OTHERS, WIDTH, encode, encode_by_language_model
from .vectors.encoders import LANGUAGE_MODEL
from .vectors.encoders.language_model import Options
from .vectors.vector_tables import load_table
from .vectors.vectors import FROM_FILE, TABLES, ItemVectors, load_vectors_file, write_vectors


def embed(
    name: str,
    *,
    data_dir: Path,
    encoder: str = DEFAULT,
    width: int | None = None,
    options: Options | None = None,
    missing: Literal["error", "zero"] | None = None,
    meter: Meter | None = None,
) -> ItemVectors:
    """Make the item vectors of a prepared data set and store them with it.

    Args:
        name: of the data set.
        data_dir: where prepared data sets live.
        encoder: a name in `ENCODERS`, `hf:MODEL` for a language model, or `file:PATH` for vectors that someone else
            made.
        width: m, or more than the texts allow; None for the default. A file has a width of its own.
        options: how a language model reads texts; for no other encoder.
        missing: what an item that is not in a table gets; None for "error". For no other encoder.
        meter: is told how far a language model is.

    Returns:
        The vectors, as `load_dataset` will return them.

    Raises:
        InputError: an unknown encoder, an option that is not for it, a data set that is not prepared or has no texts, a
            model that cannot be loaded, a file that does not fit the data set.
        RearecError: out of memory or disk; what a language model has done is kept.
    """
    _refuse_unknown(encoder)
    _refuse_options(encoder, width=width, options=options, missing=missing)
    if name in catalog.EMBEDDED:
        raise InputError(f"{name} is embedded: its item vectors are made when a suite needs them.")
    facts = catalog.card(name, data_dir)
    if encoder.startswith(FROM_FILE):
        made = _from_file(Path(encoder.removeprefix(FROM_FILE)), name, data_dir=data_dir, facts=facts, missing=missing)
    elif encoder.startswith(LANGUAGE_MODEL):
        made = encode_by_language_model(
            _texts(name, data_dir),
            width=width or WIDTH,
            model=encoder.removeprefix(LANGUAGE_MODEL),
            options=options or Options(),
            folder=data_dir / name,
            template=_template(facts),
            meter=meter,
        )
    else:
        made = encode(_texts(name, data_dir), encoder=encoder, width=width or WIDTH, template=_template(facts))
    card = {**made.card, "dataset": name, "dataset_fingerprint": facts["fingerprint"]}
    vectors = ItemVectors(made.values, made.fingerprint, card)
    write_vectors(data_dir / name, vectors)
    return vectors


def _refuse_unknown(encoder: str) -> None:
    if encoder in ENCODERS or encoder.startswith((FROM_FILE, LANGUAGE_MODEL)):
        return
    near = difflib.get_close_matches(encoder, ENCODERS, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise InputError(f"unknown encoder '{encoder}'.{hint} Known: {', '.join([*ENCODERS, *OTHERS])}.")


def _refuse_options(encoder: str, *, width: int | None, options: Options | None, missing: str | None) -> None:
    """An option that this encoder would pass over."""
    if encoder.startswith(FROM_FILE) and width is not None:
        raise InputError(f"the vectors of a file have a width of their own. Leave out --width, or {FROM_FILE}PATH.")
    if options is not None and options != Options() and not encoder.startswith(LANGUAGE_MODEL):
        raise InputError(
            "--max-tokens, --batch-tokens and --device are for language models. Leave them out, or type  --encoder "
            f"{LANGUAGE_MODEL}MODEL"
        )
    table = encoder.startswith(FROM_FILE) and Path(encoder).suffix in TABLES
    if missing is not None and not table:
        raise InputError(f"--missing is for tables with an item_id column ({', '.join(TABLES)}). Leave it out.")


def _from_file(
    path: Path, name: str, *, data_dir: Path, facts: Mapping[str, Any], missing: Literal["error", "zero"] | None
) -> ItemVectors:
    if path.suffix in TABLES:
        tokens = catalog.load_items(name, data_dir=data_dir).tokens
        return load_table(path, tokens, missing=missing or "error")
    return load_vectors_file(path, facts["statistics"]["items"], dataset_fingerprint=facts["fingerprint"])


def _template(facts: Mapping[str, Any]) -> str:
    """The template of a data set's recipe, "" for the paper's."""
    return str(facts.get("recipe_settings", {}).get("text", {}).get("template", ""))


def _texts(name: str, data_dir: Path) -> NDArray[np.object_]:
    items = catalog.load_items(name, data_dir=data_dir)
    if items.texts is not None:
        return items.texts
    if items.titles is not None:
        recipe = shipped_recipes()[str(catalog.card(name, data_dir)["recipe"])]
        command = recipe.command(name.removeprefix(recipe.prefix))
        raise InputError(
            f"{name} was prepared before item texts were kept. Prepare it again; its content, and with it every trial, "
            f"stays what it is. Type:  {command}"
        )
    raise InputError(
        f"{name} has no item texts. Give vectors of your own, one row an item in the order of the item ids:  "
        f"rearec-bench embed {name} --encoder {FROM_FILE}PATH"
    )
