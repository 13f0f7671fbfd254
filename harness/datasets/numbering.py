"""Tokens to numbers, block after block: each distinct token is kept once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

_SPARE = 4
"""Places of the table for each token, at least; few tokens then share one."""

_DIGITS = 18
"""Whole numbers of so many digits fit in 64 bits."""


class Numbering:
    """Numbers tokens by their first appearance, and in the end by their order.

    A hash table with open addressing that looks all tokens of a block up at once. The hash only says where to look:
    each token is compared with the one that has its number, and tokens that differ in spite of equal hashes go to a
    dict.
    """

    def __init__(self) -> None:
        self._hashes = np.zeros(2**12, dtype=np.uint64)  # 0: a free place
        self._numbers = np.zeros(2**12, dtype=np.int32)
        self._tokens: pl.Series | None = None
        self._collided: dict[str, int] = {}

    def __len__(self) -> int:
        return 0 if self._tokens is None else len(self._tokens)

    def add(self, tokens: pl.Series) -> NDArray[np.int32]:
        """Number the tokens of a block.

        Args:
            tokens: (R,) strings, none missing.

        Returns:
            (R,) numbers in the order of first appearance.
        """
        hashes = self.hashes(tokens)
        numbers = self._found(hashes)
        unknown = np.flatnonzero(numbers < 0)
        if len(unknown):
            numbers[unknown] = self._take_new(tokens, hashes, unknown)
        if self._tokens is None:
            return numbers
        same = tokens == self._tokens.gather(numbers)
        if not same.all():
            for row in np.flatnonzero(~same.to_numpy()).tolist():
                numbers[row] = self._number_of_collided(tokens[row])
        return numbers

    def hashes(self, tokens: pl.Series) -> NDArray[np.uint64]:
        """(R,) a hash of each token, never 0."""
        return np.maximum(tokens.hash().to_numpy(), np.uint64(1))

    def finish(self) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
        """The numbers that count, as `interactions.number_tokens` gives them.

        Returns:
            (N,) of each number by first appearance, the number in order; and the (N,) tokens in order.
        """
        if self._tokens is None:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=object)
        order = _order(self._tokens)
        places = np.empty(len(order), dtype=np.int64)
        places[order] = np.arange(len(order))
        names = np.empty(len(order), dtype=object)
        names[:] = self._tokens.gather(order).to_list()
        return places, names

    def _found(self, hashes: NDArray[np.uint64]) -> NDArray[np.int32]:
        """(R,) the number of each hash, -1 where it is new."""
        last = len(self._hashes) - 1
        places = (hashes & np.uint64(last)).astype(np.int64)
        held = self._hashes[places]
        numbers = np.where(held == hashes, self._numbers[places], np.int32(-1))
        open_rows = np.flatnonzero((held != hashes) & (held != 0))
        while len(open_rows):
            places[open_rows] = (places[open_rows] + 1) & last
            held = self._hashes[places[open_rows]]
            hit = held == hashes[open_rows]
            numbers[open_rows[hit]] = self._numbers[places[open_rows[hit]]]
            open_rows = open_rows[~hit & (held != 0)]
        return numbers

    def _take_new(self, tokens: pl.Series, hashes: NDArray[np.uint64], unknown: NDArray[np.int64]) -> NDArray[np.int32]:
        """Numbers for rows whose hashes are new."""
        import pandas as pd
        import polars as pl

        of_row, distinct = pd.factorize(hashes[unknown])
        first = np.empty(len(distinct), dtype=np.int64)
        first[of_row[::-1]] = unknown[::-1]
        start = len(self)
        new = tokens.gather(first)
        self._tokens = new if self._tokens is None else pl.concat([self._tokens, new], rechunk=False)
        if self._tokens.n_chunks() > 16:
            self._tokens = self._tokens.rechunk()
        if len(self) * _SPARE > len(self._hashes):
            self._grow()
        self._insert(distinct, np.arange(start, len(self), dtype=np.int32))
        return (of_row + start).astype(np.int32)

    def _number_of_collided(self, token: str) -> int:
        import polars as pl

        if token not in self._collided:
            self._collided[token] = len(self)
            self._tokens = pl.concat([self._tokens, pl.Series([token], dtype=pl.String)])
        return self._collided[token]

    def _grow(self) -> None:
        held = np.flatnonzero(self._hashes)
        hashes, numbers = self._hashes[held], self._numbers[held]
        size = 2 ** int(np.ceil(np.log2(2 * _SPARE * len(self))))
        self._hashes, self._numbers = np.zeros(size, dtype=np.uint64), np.zeros(size, dtype=np.int32)
        self._insert(hashes, numbers)

    def _insert(self, hashes: NDArray[np.uint64], numbers: NDArray[np.int32]) -> None:
        """Put distinct hashes into the table; where several want a free place, the last to write has it."""
        last = len(self._hashes) - 1
        places = (hashes & np.uint64(last)).astype(np.int64)
        left = np.arange(len(hashes))
        while len(left):
            trying = left[self._hashes[places[left]] == 0]
            self._hashes[places[trying]] = hashes[trying]
            placed = self._hashes[places[left]] == hashes[left]
            self._numbers[places[left[placed]]] = numbers[left[placed]]
            left = left[~placed]
            places[left] = (places[left] + 1) & last


def _order(tokens: pl.Series) -> NDArray[np.int64]:
    """The order of tokens: numeric where all of them are whole numbers, alphabetical elsewhere."""
    import polars as pl

    if not tokens.str.contains(r"^[0-9]+$").all():
        return tokens.arg_sort().to_numpy().astype(np.int64)
    longest = tokens.str.len_bytes().max()
    if isinstance(longest, int) and longest <= _DIGITS:
        frame = pl.DataFrame({"number": tokens.cast(pl.Int64), "token": tokens})
        return frame.select(pl.arg_sort_by("number", "token")).to_series().to_numpy().astype(np.int64)
    names = tokens.to_list()
    return np.array(sorted(range(len(names)), key=lambda place: (int(names[place]), names[place])), dtype=np.int64)
