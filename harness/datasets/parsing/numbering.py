"""Tokens to numbers, block after block: each distinct token is kept once."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

_FREE = -1

_SPARE = 4
"""Places of the table for each token, at least; few tokens then share one."""

_BLOCKS_BEHIND = 2

_DIGITS = 18
"""Whole numbers of so many digits fit in 64 bits."""


class Numbering:
    """Numbers tokens by their first appearance, and in the end by their order.

    A hash table with open addressing that looks all tokens of a block up at once. The hash only says where to look:
    each token is compared with the one that has its number, and tokens that differ in spite of equal hashes go to a
    dict.
    """

    def __init__(self) -> None:
        self._places = np.full(2**12, _FREE, dtype=np.int32)  # the table: place -> number
        self._hashes = np.zeros(1, dtype=np.uint64)  # number -> hash; the last, 0, is that of a free place
        self._tokens: pl.Series | None = None  # number -> token
        self._collided: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._hashes) - 1

    def add(self, tokens: pl.Series) -> NDArray[np.int32]:
        """Number the tokens of a block.

        Args:
            tokens: (R,) strings, none missing.

        Returns:
            (R,) numbers in the order of first appearance.
        """
        hashes = self.hashes(tokens)
        numbers = self._found(hashes)
        unknown = np.flatnonzero(numbers == _FREE)
        if len(unknown):
            numbers[unknown] = self._take_new(tokens, hashes, unknown)
        if self._tokens is None:
            return numbers
        same = tokens == self._tokens.gather(numbers.view(np.uint32))
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
        ordered = _sorted(self._tokens)
        places = np.empty(len(ordered), dtype=np.int64)
        places[self.add(ordered)] = np.arange(len(ordered))
        names = np.empty(len(ordered), dtype=object)
        names[:] = ordered.to_list()
        return places, names

    def _found(self, hashes: NDArray[np.uint64]) -> NDArray[np.int32]:
        """(R,) the number of each hash, `_FREE` where it is new."""
        places = self._first_places(hashes)
        numbers = self._places[places]
        open_rows = np.flatnonzero((self._hashes[numbers] != hashes) & (numbers != _FREE))
        while len(open_rows):
            places[open_rows] = (places[open_rows] + 1) & (len(self._places) - 1)
            found = self._places[places[open_rows]]
            numbers[open_rows] = found
            open_rows = open_rows[(self._hashes[found] != hashes[open_rows]) & (found != _FREE)]
        return numbers

    def _take_new(self, tokens: pl.Series, hashes: NDArray[np.uint64], unknown: NDArray[np.int64]) -> NDArray[np.int32]:
        """Numbers for rows whose hashes are new."""
        import pandas as pd

        of_row, distinct = pd.factorize(hashes[unknown])
        first = np.empty(len(distinct), dtype=np.int64)
        first[of_row[::-1]] = unknown[::-1]
        start = len(self)
        self._keep(tokens.gather(first), distinct)
        if len(self) * _SPARE > len(self._places):
            self._places = np.full(2 ** int(np.ceil(np.log2(2 * _SPARE * len(self)))), _FREE, dtype=np.int32)
            start_over = np.flatnonzero(self._hashes[:-1])
            self._insert(start_over.astype(np.int32))
        else:
            self._insert(np.arange(start, len(self), dtype=np.int32))
        return (of_row + start).astype(np.int32)

    def _keep(self, tokens: pl.Series, hashes: NDArray[np.uint64]) -> None:
        """Give tokens the next numbers; in one piece, or looking them up takes several times as long."""
        self._tokens = tokens if self._tokens is None else self._tokens.append(tokens).rechunk()
        self._hashes = np.concatenate([self._hashes[:-1], hashes, self._hashes[-1:]])

    def _number_of_collided(self, token: str) -> int:
        import polars as pl

        if token not in self._collided:
            self._collided[token] = len(self)
            self._keep(pl.Series([token], dtype=pl.String), np.zeros(1, dtype=np.uint64))
        return self._collided[token]

    def _insert(self, numbers: NDArray[np.int32]) -> None:
        """Put numbers of distinct hashes into the table; where several want a free place, one of them has it."""
        places = self._first_places(self._hashes[numbers])
        while len(numbers):
            free = self._places[places] == _FREE
            self._places[places[free]] = numbers[free]
            left = self._places[places] != numbers
            numbers, places = numbers[left], (places[left] + 1) & (len(self._places) - 1)

    def _first_places(self, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        return (hashes & np.uint64(len(self._places) - 1)).view(np.int64)


class TokenColumn:
    """Numbers a column of tokens in a thread of its own, a few blocks behind whoever reads them."""

    def __init__(self) -> None:
        self._numbering = Numbering()
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._blocks: list[Future[NDArray[np.int32]]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def add(self, tokens: pl.Series) -> None:
        """Number the tokens of a block, once those before it are; wait for all but the last few."""
        self._blocks.append(self._thread.submit(self._numbering.add, tokens))
        if len(self._blocks) > _BLOCKS_BEHIND:
            self._blocks[-1 - _BLOCKS_BEHIND].result()

    def finish(self) -> Future[tuple[NDArray[np.int64], NDArray[np.object_]]]:
        """The numbers of all rows and the tokens in their order; see `interactions.number_tokens`."""
        return self._thread.submit(self._ordered)

    def _ordered(self) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
        places, tokens = self._numbering.finish()
        return np.concatenate([places, *(places[block.result()] for block in self._blocks)])[len(places) :], tokens


def _sorted(tokens: pl.Series) -> pl.Series:
    """Tokens in order: numeric where all of them are whole numbers, alphabetical elsewhere."""
    import polars as pl

    if not tokens.str.contains(r"^[0-9]+$").all():
        return tokens.sort()
    longest = tokens.str.len_bytes().max()
    if isinstance(longest, int) and longest <= _DIGITS:
        return pl.DataFrame({"number": tokens.cast(pl.Int64), "token": tokens}).sort("number", "token")["token"]
    return pl.Series(sorted(tokens.to_list(), key=lambda token: (int(token), token)), dtype=pl.String)
