"""Texts to vectors: by TF-IDF, by a language model, or from a file.

Vectors lie beside their data set with a card of their own; `vectors.item_vectors` describes their fingerprint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..utils.errors import InputError
from ..utils.messages import hint
from ..utils.meter import Meter
from . import catalog
from .vectors.encoders import language_model, tfidf
from .vectors.encoders.language_model import Options
from .vectors.vector_tables import load_table
from .vectors.vectors import (
    FROM_FILE,
    LANGUAGE_MODEL,
    TABLES,
    TFIDF,
    WIDTH,
    ItemVectors,
    is_table,
    load_vectors_file,
    text_vectors,
    write_vectors,
)

ENCODERS: Mapping[str, str] = {
    TFIDF: "TF-IDF and truncated SVD: offline, deterministic, seconds to minutes",
    f"{LANGUAGE_MODEL}MODEL": "mean of a language model's last layer, then PCA: a name on huggingface.co, or a folder",
    f"{FROM_FILE}PATH": "vectors of your own: .npy or .safetensors, a row an item in the order of the item ids, or a "
    "table with an item_id column",
}
"""What may stand after `--encoder`, with one line for lists."""


def embed(
    name: str,
    *,
    data_dir: Path,
    encoder: str = TFIDF,
    width: int | None = None,
    options: Options | None = None,
    missing: Literal["error", "zero"] | None = None,
    meter: Meter | None = None,
) -> ItemVectors:
    """Embed the items of a prepared data set and store the vectors with it, as `load_dataset` will return them.

    `encoder` is one of `ENCODERS`. `width` may be more than the texts allow; None is the default, and a file has its
    own. `options` and `meter` are for a language model alone, `missing` for a table alone (None means "error").

    Raises:
        InputError: an unknown encoder, an option that does not apply to it, a data set that is not prepared or has no
            texts, a model that cannot be loaded, a file that does not fit the data set.
        RearecError: out of memory or disk; what a language model has done is kept.
    """
    _check_options(encoder, width=width, options=options, missing=missing)
    if name in catalog.EMBEDDED:
        raise InputError(f"{name} is embedded: its item vectors are made when a suite needs them.")
    facts, folder = catalog.card(name, data_dir), data_dir / name
    if encoder.startswith(FROM_FILE):
        path = Path(encoder.removeprefix(FROM_FILE)).expanduser()
        if is_table(path):
            tokens = catalog.load_items(name, data_dir=data_dir).tokens
            vectors = load_table(path, tokens, missing=missing or "error")
        else:
            size, content = facts["statistics"]["items"], facts["fingerprint"]
            vectors = load_vectors_file(path, size, dataset_fingerprint=content)
    else:
        texts, width = _texts(name, data_dir), width or WIDTH
        if encoder == TFIDF:
            values, details = tfidf.encode(texts, width)
        else:
            model, options = encoder.removeprefix(LANGUAGE_MODEL), options or Options()
            values, details = language_model.encode(
                texts, width, model=model, options=options, folder=folder, meter=meter
            )
            encoder = f"{LANGUAGE_MODEL}{details['model']['name']}"
        template = facts.get("recipe_settings", {}).get("text", {}).get("template", "")
        vectors = text_vectors(values, details, texts, encoder=encoder, width=width, template=template)
    origin: dict[str, Any] = {"dataset": name, "dataset_fingerprint": facts["fingerprint"]}
    vectors = replace(vectors, card={**vectors.card, **origin})
    write_vectors(folder, vectors)
    return vectors


def _check_options(encoder: str, *, width: int | None, options: Options | None, missing: str | None) -> None:
    """Refuse an unknown encoder, or an option that it would ignore."""
    if encoder != TFIDF and not any(
        encoder.startswith(kind) and encoder != kind for kind in (LANGUAGE_MODEL, FROM_FILE)
    ):
        raise InputError(f"unknown encoder '{encoder}'.{hint(encoder, [TFIDF])} Known: {', '.join(ENCODERS)}.")
    if encoder.startswith(FROM_FILE) and width is not None:
        raise InputError(f"the vectors of a file have a width of their own. Leave out --width, or {FROM_FILE}PATH.")
    if options not in (None, Options()) and not encoder.startswith(LANGUAGE_MODEL):
        raise InputError(
            "--max-tokens, --batch-tokens and --device are for language models. Leave them out, or type  --encoder "
            f"{LANGUAGE_MODEL}MODEL"
        )
    if missing is not None and not (encoder.startswith(FROM_FILE) and is_table(Path(encoder))):
        raise InputError(f"--missing is for tables with an item_id column ({', '.join(TABLES)}). Leave it out.")


def _texts(name: str, data_dir: Path) -> NDArray[np.object_]:
    texts = catalog.load_items(name, data_dir=data_dir).texts
    if texts is None:
        raise InputError(
            f"{name} has no item texts. Prepare it again if its source has texts (early versions kept none), or give "
            "vectors of your own, one row an item in the order of the item ids:  "
            f"rearec-bench embed {name} --encoder {FROM_FILE}PATH"
        )
    return texts
