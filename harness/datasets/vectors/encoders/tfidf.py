"""TF-IDF with a truncated SVD: offline, deterministic.

`tfidf-svd` counts a word once for all its uses in a text but for their logarithm, weighs it by its rarity, scales the
texts to length one and projects them onto their leading singular vectors. A word of all texts tells none apart and does
not count; a word of one text alone does, because it tells that item from the others: without such words 374 pairs of
MovieLens-100k's films have the same vector, with them the 8 pairs whose texts are the same. The vectors come out with
length one, as those of sentence encoders do, so that a dot product is a cosine whatever the text's length; they are
neither centred nor whitened, which is the backbone's business (UniSRec learns its whitening). Length sqrt(m), for a
variance of one in each dimension, trains worse (docs/measurements/log.md).

The SVD is scikit-learn's randomized one with a fixed seed: 1.6 s of a core for 1,682 films, where ARPACK took 13 s and
explained 0.8 points more of the variance. It runs on one thread: more of them add in another order, which gives other
last digits and with them other fingerprints. Between machines the last digits may differ all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....._version import VERSION
from ....utils.errors import DatasetError

_SEED = 0
_POWER_ITERATIONS = 4
_RANK_TOLERANCE = 1e-6  # of the largest singular value; what is below is rounding
_WORD = r"(?u)\b\w+\b"


def encode(texts: NDArray[np.object_], width: int) -> tuple[NDArray[np.float32], Mapping[str, Any]]:
    """The (N, m) vectors of `texts` (N,), zero where there is no text, and facts for the card.

    `width` is m, or more than these texts allow.

    Raises:
        DatasetError: texts that cannot be told apart.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from threadpoolctl import threadpool_limits

    described = np.flatnonzero(texts != "")
    if len(described) < 2:
        raise DatasetError(f"{len(described)} of {len(texts):,} items have a text; tfidf-svd needs two at least.")
    weigh = TfidfVectorizer(token_pattern=_WORD, sublinear_tf=True, max_df=len(described) - 1)
    try:
        weights = weigh.fit_transform(texts[described])  # (n, words), sparse
    except ValueError as error:  # scikit-learn has no other word for an empty vocabulary
        raise DatasetError(
            f"no word stands in some of the {len(described):,} texts and not in others, so they have no vocabulary."
        ) from error
    limit = max(min(weights.shape) - 1, 1)
    svd = TruncatedSVD(min(width, limit), algorithm="randomized", n_iter=_POWER_ITERATIONS, random_state=_SEED)
    with threadpool_limits(1):
        projected = svd.fit_transform(weights)  # (n, m)
    rank = int((svd.singular_values_ > _RANK_TOLERANCE * svd.singular_values_[0]).sum())
    projected = projected[:, :rank]
    lengths = np.linalg.norm(projected, axis=1, keepdims=True)
    values = np.zeros((len(texts), rank), dtype=np.float32)
    values[described] = projected / np.where(lengths > _RANK_TOLERANCE, lengths, np.inf)
    return values, {
        "words": weights.shape[1],
        "explained_variance": round(float(svd.explained_variance_ratio_[:rank].sum()), 4),
        "versions": {
            "rearec-bench": VERSION,
            **{name: version(name) for name in ("scikit-learn", "scipy", "numpy")},
        },
    }
