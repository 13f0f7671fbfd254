"""Texts to vectors: the encoders by name. One so far, TF-IDF with a truncated SVD: offline, deterministic.

`tfidf-svd` counts a word once for all its uses in a text but for their logarithm, weighs it by its rarity, scales the
texts to length one and projects them onto their leading singular vectors. A word of all texts tells none apart and does
not count; a word of one text alone does, because it tells that item from the others: without such words 374 pairs of
MovieLens-100k's films have the same vector, with them the 8 pairs whose texts are the same. The vectors come out with
length one, as those of sentence encoders do, so that a dot product is a cosine whatever the text's length; they are
neither centred nor whitened, which is the backbone's business (UniSRec learns its whitening). Length sqrt(m), for a
variance of one in each dimension, trains worse (docs/log.md).

The SVD is scikit-learn's randomized one with a fixed seed: 1.6 s of a core for 1,682 films, where ARPACK took 13 s and
explained 0.8 points more of the variance. It runs on one thread: more of them add in another order, which gives other
last digits and with them other fingerprints. Between machines the last digits may differ all the same.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._version import VERSION
from ..errors import DatasetError, InputError
from . import catalog
from .recipe_files import shipped_recipes
from .texts import OPENING
from .vectors import FROM_FILE, ItemVectors, item_vectors, load_vectors_file, write_vectors, zero_rows

WIDTH = 768
DEFAULT = "tfidf-svd"

_SEED = 0
_POWER_ITERATIONS = 4
_RANK_TOLERANCE = 1e-6  # of the largest singular value; what is below is rounding
_WORD = r"(?u)\b\w+\b"


@dataclass(frozen=True)
class Encoder:
    """A way to make vectors.

    Attributes:
        name: what is typed after `--encoder`.
        summary: one line for lists.
        encode: (N,) texts, "" where an item has none, and the wanted width to (N, m) values with m at most that
            width, and facts for the card. An item without text gets the zero vector.
    """

    name: str
    summary: str
    encode: Callable[[NDArray[np.object_], int], tuple[NDArray[np.float32], Mapping[str, Any]]]


def embed(name: str, *, data_dir: Path, encoder: str = DEFAULT, width: int | None = None) -> ItemVectors:
    """Make the item vectors of a prepared data set and store them with it.

    Args:
        name: of the data set.
        data_dir: where prepared data sets live.
        encoder: a name in `ENCODERS`, or `file:PATH` for vectors that someone else made.
        width: m, or more than the texts allow; None for the default. A file has a width of its own.

    Returns:
        The vectors, as `load_dataset` will return them.

    Raises:
        InputError: an unknown encoder, a width for a file, a data set that is not prepared or has no texts, a file that
            does not fit it.
    """
    imported = encoder.startswith(FROM_FILE)
    if not imported and encoder not in ENCODERS:
        near = difflib.get_close_matches(encoder, ENCODERS, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise InputError(f"unknown encoder '{encoder}'.{hint} Known: {', '.join(ENCODERS)}, {FROM_FILE}PATH.")
    if imported and width is not None:
        raise InputError(f"the vectors of a file have a width of their own. Leave out --width, or {FROM_FILE}PATH.")
    if name in catalog.EMBEDDED:
        raise InputError(f"{name} is embedded: its item vectors are made when a suite needs them.")
    facts = catalog.card(name, data_dir)
    if imported:
        path, size = Path(encoder.removeprefix(FROM_FILE)), facts["statistics"]["items"]
        made = load_vectors_file(path, size, dataset_fingerprint=facts["fingerprint"])
    else:
        made = encode(_texts(name, data_dir), encoder=encoder, width=WIDTH if width is None else width)
    card = {**made.card, "dataset": name, "dataset_fingerprint": facts["fingerprint"]}
    vectors = ItemVectors(made.values, made.fingerprint, card)
    write_vectors(data_dir / name, vectors)
    return vectors


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


def encode(texts: NDArray[np.object_], *, encoder: str = DEFAULT, width: int = WIDTH) -> ItemVectors:
    """Make the vectors of items.

    Args:
        texts: (N,) text of each, "" where it has none.
        encoder: a name in `ENCODERS`.
        width: m, or more than these texts allow.

    Returns:
        The vectors; an item without text has the zero vector.

    Raises:
        DatasetError: texts that cannot be told apart.
    """
    values, facts = ENCODERS[encoder].encode(texts, width)
    card = {
        "encoder": encoder,
        "template": OPENING if any(text.startswith(OPENING) for text in texts) else "",
        "items_without_text": int((texts == "").sum()),
        "zero_vectors": zero_rows(values),
        "width_wanted": width,
        **facts,
    }
    return item_vectors(values, card)


def _tfidf_svd(texts: NDArray[np.object_], width: int) -> tuple[NDArray[np.float32], Mapping[str, Any]]:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from threadpoolctl import threadpool_limits

    told = np.flatnonzero(texts != "")
    if len(told) < 2:
        raise DatasetError(f"{len(told)} of {len(texts):,} items have a text; tfidf-svd needs two at least.")
    weigh = TfidfVectorizer(token_pattern=_WORD, sublinear_tf=True, max_df=len(told) - 1)
    try:
        weights = weigh.fit_transform(texts[told])  # (n, words), sparse
    except ValueError as error:  # scikit-learn has no other word for an empty vocabulary
        raise DatasetError(
            f"no word stands in some of the {len(told):,} texts and not in others, so they have no vocabulary."
        ) from error
    most = max(min(weights.shape) - 1, 1)
    svd = TruncatedSVD(min(width, most), algorithm="randomized", n_iter=_POWER_ITERATIONS, random_state=_SEED)
    with threadpool_limits(1):
        projected = svd.fit_transform(weights)  # (n, m)
    rank = int((svd.singular_values_ > _RANK_TOLERANCE * svd.singular_values_[0]).sum())
    projected = projected[:, :rank]
    lengths = np.linalg.norm(projected, axis=1, keepdims=True)
    values = np.zeros((len(texts), rank), dtype=np.float32)
    values[told] = projected / np.where(lengths > _RANK_TOLERANCE, lengths, np.inf)
    return values, {
        "words": weights.shape[1],
        "explained_variance": round(float(svd.explained_variance_ratio_[:rank].sum()), 4),
        "versions": {
            "rearec-bench": VERSION,
            **{name: version(name) for name in ("scikit-learn", "scipy", "numpy")},
        },
    }


ENCODERS: Mapping[str, Encoder] = {
    one.name: one
    for one in (Encoder(DEFAULT, "TF-IDF and truncated SVD: offline, deterministic, seconds to minutes", _tfidf_svd),)
}
