"""Texts to vectors: by an encoder that is known by name, or by a language model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...utils.meter import Meter
from ..recipe.recipe import OPENING
from .encoders import LANGUAGE_MODEL, tfidf
from .encoders.language_model import Options
from .vectors import FROM_FILE, ItemVectors, item_vectors, zero_rows

WIDTH = 768
DEFAULT = "tfidf-svd"


@dataclass(frozen=True)
class Encoder:
    """A way to make vectors that needs a name only.

    Attributes:
        name: what is typed after `--encoder`.
        summary: one line for lists.
        encode: (N,) texts, "" where an item has none, and the wanted width to (N, m) values with m at most that
            width, and facts for the card. An item without text gets the zero vector.
    """

    name: str
    summary: str
    encode: Callable[[NDArray[np.object_], int], tuple[NDArray[np.float32], Mapping[str, Any]]]


ENCODERS: Mapping[str, Encoder] = {
    one.name: one
    for one in (Encoder(DEFAULT, "TF-IDF and truncated SVD: offline, deterministic, seconds to minutes", tfidf.encode),)
}
OTHERS: Mapping[str, str] = {
    f"{LANGUAGE_MODEL}MODEL": "mean of a language model's last layer, then PCA: a name on huggingface.co, or a folder",
    f"{FROM_FILE}PATH": "vectors of your own: .npy or .safetensors, a row an item in the order of the item ids, or a "
    "table with an item_id column",
}
"""What else may stand after `--encoder`."""


def encode(
    texts: NDArray[np.object_], *, encoder: str = DEFAULT, width: int = WIDTH, template: str = ""
) -> ItemVectors:
    """Make the vectors of items.

    Args:
        texts: (N,) text of each, "" where it has none.
        encoder: a name in `ENCODERS`.
        width: m, or more than these texts allow.
        template: what the texts were made with, "" for the paper's.

    Returns:
        The vectors; an item without text has the zero vector.

    Raises:
        DatasetError: texts that cannot be told apart.
    """
    values, facts = ENCODERS[encoder].encode(texts, width)
    return _with_card(values, facts, texts, encoder=encoder, width=width, template=template)


def encode_by_language_model(
    texts: NDArray[np.object_],
    *,
    width: int,
    model: str,
    options: Options,
    folder: Path,
    template: str,
    meter: Meter | None,
) -> ItemVectors:
    """Make the vectors of items by a language model; what it has done is kept in `folder` until it is through."""
    from .encoders import language_model

    values, facts = language_model.encode(texts, width, model=model, options=options, folder=folder, meter=meter)
    label = f"{LANGUAGE_MODEL}{facts['model']['name']}"
    return _with_card(values, facts, texts, encoder=label, width=width, template=template)


def _with_card(
    values: NDArray[np.float32],
    facts: Mapping[str, Any],
    texts: NDArray[np.object_],
    *,
    encoder: str,
    width: int,
    template: str,
) -> ItemVectors:
    opening = OPENING if any(text.startswith(OPENING) for text in texts) else ""
    card = {
        "encoder": encoder,
        "template": template or opening,
        "items_without_text": int((texts == "").sum()),
        "zero_vectors": zero_rows(values),
        "width_wanted": width,
        **facts,
    }
    return item_vectors(values, card)
