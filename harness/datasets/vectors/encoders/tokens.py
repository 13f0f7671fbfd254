"""Texts as token ids, and batches of texts of about the same length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TEXTS = 1000  # at once


@dataclass(frozen=True)
class Tokens:
    """The token ids of n texts.

    Attributes:
        ids: int32, the texts one after the other.
        starts: (n + 1,) int64, where each begins; the last one is the length of `ids`.
        cut: number of texts that were longer than allowed.
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    cut: int

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n,) tokens of each text."""
        return np.diff(self.starts)

    def padded(self, texts: NDArray[np.int64], filler: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Some texts side by side.

        Args:
            texts: (B,) which of them.
            filler: the id after a text's end.

        Returns:
            (B, L) ids and (B, L) mask, 1 where there is a token of the text.
        """
        longest = int(self.lengths[texts].max())
        ids = np.full((len(texts), longest), filler, dtype=np.int64)
        mask = np.zeros((len(texts), longest), dtype=np.int64)
        for row, text in enumerate(texts):
            held = self.ids[self.starts[text] : self.starts[text + 1]]
            ids[row, : len(held)] = held
            mask[row, : len(held)] = 1
        return ids, mask


def tokenise(texts: Sequence[str], tokenizer: Any, most: int) -> Tokens:
    """Cut texts into tokens, with the special tokens that the tokenizer adds by itself.

    Args:
        texts: n of them.
        tokenizer: of transformers.
        most: tokens of a text, special ones among them; a longer one is cut as the tokenizer does it.
    """
    made: list[NDArray[np.int32]] = []
    cut = 0
    for first in range(0, len(texts), _TEXTS):
        chunk = list(texts[first : first + _TEXTS])
        lists = _ids(tokenizer, chunk)
        long = [place for place, ids in enumerate(lists) if len(ids) > most]
        if long:
            cut += len(long)
            shortened = _ids(tokenizer, [chunk[place] for place in long], truncation=True, max_length=most)
            for place, ids in zip(long, shortened, strict=True):
                lists[place] = ids
        made += [np.array(ids, dtype=np.int32) for ids in lists]
    starts = np.concatenate([[0], np.cumsum([len(ids) for ids in made], dtype=np.int64)])
    return Tokens(np.concatenate(made), starts.astype(np.int64), cut)


def batches(lengths: NDArray[np.int64], budget: int) -> list[NDArray[np.int64]]:
    """Group texts of about the same length, the longest first, so that what does not fit into memory fails at once.

    Args:
        lengths: (n,) tokens of each text.
        budget: most tokens of a batch, padding among them; a longer text is a batch of its own.

    Returns:
        Which texts are in each; those without tokens are in none.
    """
    order = np.argsort(-lengths, kind="stable")
    order = order[lengths[order] > 0]
    made, first = [], 0
    while first < len(order):
        rows = max(budget // int(lengths[order[first]]), 1)
        made.append(order[first : first + rows])
        first += rows
    return made


def _ids(tokenizer: Any, texts: list[str], **cutting: Any) -> list[list[int]]:
    found = tokenizer(texts, padding=False, return_attention_mask=False, verbose=False, **cutting)
    return list(found["input_ids"])
