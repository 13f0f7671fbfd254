"""Scores of all items for a few queries at a time, and their results: ranks, the best items, entropy.

Items are cut into blocks of equally many columns. The scores of all blocks are in one buffer, which every call of
`Ranker.score` overwrites: it grows with the items, and not with the rows that are ranked. Three things follow.

- A product of some hundred queries by some thousand items writes to the cache, and takes two thirds of the time of one
  that writes rows as long as the catalogue (tests/benchmarks/evaluation.py).
- The target's score is read from the buffer: it comes from the same product as the others'.
- Equal items have equal scores to the last bit, wherever they are. Matrix libraries compute the columns left over
  from the last multiple of 16, and products of a handful of rows, in another order of additions; so blocks have whole
  multiples (the last one begins early enough, and what it repeats is left out), and queries are filled up with zeros.

Shapes: r rows, S states a row, M = S * r queries, d width, N items, n blocks, c columns of a block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# Products need many queries and blocks that fit the cache; the passes over the buffer lose little through its size. A
# GPU needs few, large calls.
_COLUMNS = {"cpu": 1024, "cuda": 8192}
_BUFFER_BYTES = {"cpu": 64 << 20, "cuda": 256 << 20}
_MAX_QUERIES = {"cpu": 512, "cuda": 8192}
_MIN_QUERIES = 64
_MULTIPLE = 16

_HIDDEN = torch.finfo(torch.float32).min  # last of all, and finite: its weight times its score is zero, not NaN


@dataclass(frozen=True)
class Best:
    """The best items of some queries, best first; of equal ones any.

    Attributes:
        values: (r, S, k) scores.
        items: (r, S, k) int64 ids.
    """

    values: Tensor
    items: Tensor


class Ranker:
    """All items, ready to be scored, and the buffer for the scores of at most `rows` rows."""

    def __init__(self, items: Tensor, *, states: int, rows: int) -> None:
        """Cut the items into blocks; nothing is copied.

        Args:
            items: (N, d) float32.
            states: largest S.
            rows: of the split, which limit the buffer.

        Raises:
            TypeError: items in another precision.
        """
        if items.dtype != torch.float32:
            raise TypeError(f"items are ranked in float32, not in {items.dtype}")
        count, device = len(items), items.device
        kind = device.type if device.type in _COLUMNS else "cuda"
        queries = min(_MAX_QUERIES[kind], max(_MIN_QUERIES, _BUFFER_BYTES[kind] // (4 * count)))
        self.rows = max(1, min(rows, queries // states))
        self._items = items
        self._states = states
        self._columns, starts = _blocks(count, _COLUMNS[kind])
        self._starts = torch.tensor(starts, device=device)
        self._repeated = (len(starts) - 1) * self._columns - starts[-1]
        self._blocks = [items[start : start + self._columns].T for start in starts]  # (d, c) each
        max_queries = max(_MIN_QUERIES, self.rows * states)
        self._queries = items.new_zeros(max_queries, items.shape[1])
        self._scores = items.new_empty(len(starts), max_queries, self._columns)
        self._work = items.new_empty(2, max_queries, self._columns)

    def score(self, queries: Tensor) -> Scores:
        """Score all items for some rows; this overwrites the scores of the previous call.

        Args:
            queries: (r, S, d), at most `rows` rows and `states` states.

        Raises:
            ValueError: too many rows or states.
        """
        rows, states, width = queries.shape
        if rows > self.rows or states > self._states:
            raise ValueError(f"{rows} rows of {states} states: there is room for {self.rows} rows of {self._states}")
        used = rows * states
        self._queries[:used].view(states, rows, width).copy_(queries.transpose(0, 1))
        padded = max(_MIN_QUERIES, used)
        self._queries[used:padded].zero_()
        for block, scores in zip(self._blocks, self._scores, strict=True):
            torch.mm(self._queries[:padded], block, out=scores[:padded])
        return Scores(self, rows, states)


class Scores:
    """Scores of all items for r rows of S states, in the buffer of a ranker."""

    def __init__(self, ranker: Ranker, rows: int, states: int) -> None:
        self._of = ranker
        self._shape = (states, rows)

    def of(self, items: Tensor) -> Tensor:
        """(r,) one item for each row, to (r, S) its scores."""
        block, column = self._place(items)
        rows = torch.arange(len(items), device=items.device)
        return self._by_row()[block, :, rows, column]

    def hide(self, items: Tensor, *, keep: Tensor) -> None:
        """Put items last, for all states of a row.

        Args:
            items: (r, L) ids; N is padding.
            keep: (r,) the item that stays where it is even if it is among them.
        """
        scores, kept = self._by_row(), self.of(keep)
        rows = torch.arange(len(items), device=items.device)
        block, column = self._place(torch.where(items < len(self._of._items), items, keep[:, None]))
        scores[block, :, rows[:, None], column] = _HIDDEN
        block, column = self._place(keep)
        scores[block, :, rows, column] = kept

    def ranks(self, targets: Tensor) -> Tensor:
        """(r,) to (r, S) int32: 1 + the number of other items scored at least as high as the target.

        A target whose score is not a number is last.
        """
        own = self.of(targets)  # (r, S)
        bar = own.T.reshape(-1, 1)  # (M, 1)
        beaten = torch.zeros(len(bar), dtype=torch.int32, device=bar.device)
        for scores, marks, _ in self._passes(self._shape[0]):
            torch.ge(scores, bar, out=marks)  # ones and zeros: their sum is vectorised, that of booleans is not
            beaten += marks.sum(-1).to(torch.int32)  # the target counts itself: 1 + others; NaN counts nothing
        ranks = beaten.view(self._shape).T  # (r, S)
        return torch.where(own.isnan(), len(self._of._items), ranks).to(torch.int32)

    def best(self, states: int, count: int) -> Best:
        """The `count` best items by the first `states` states; all items where there are fewer.

        They are searched among those columns whose own best, over the blocks, are the highest.
        """
        of, queries = self._of, states * self._shape[1]
        count = min(count, len(of._items))
        scores = of._scores[:, :queries]  # (n, S' r, c)
        if of._repeated:
            scores[-1, :, : of._repeated] = float("-inf")
        columns = scores.amax(0).topk(count, dim=-1).indices  # (S' r, k)
        among = scores.gather(2, columns.expand(len(scores), -1, -1))  # (n, S' r, k)
        values, places = among.transpose(0, 1).flatten(1).topk(count, dim=-1)  # (S' r, k), of n * k
        items = of._starts[places // count] + columns.gather(1, places % count)
        shape = (states, self._shape[1], count)
        return Best(values.view(shape).transpose(0, 1), items.view(shape).transpose(0, 1))

    def entropy(self, highest: Tensor, temperatures: Sequence[float]) -> tuple[Tensor, Tensor]:
        """Entropy of p = softmax(scores / temperature) by the first S' states, and KL(p_(k-1) || p_k); in nats.

        With z the scores less the highest over the temperature and Z = sum exp z, the entropy is log Z - sum z p, the
        divergence log Z_k - sum z_k p_(k-1) less the entropy of p_(k-1).

        Args:
            highest: (r, S') best score by each of these states.
            temperatures: S', one of each state.

        Returns:
            (r, S') and (r, S' - 1).
        """
        rows, states = highest.shape
        top = highest.T.reshape(-1, 1)  # (S' r, 1)
        by_row = top.new_tensor(temperatures).repeat_interleave(rows)  # (S' r,)
        one = len(set(temperatures)) == 1
        inverse = 1 / temperatures[0] if one else 1 / by_row[:, None]
        mass, mean = top.new_zeros(2, len(top))
        cross = top.new_zeros(len(top) - rows)  # of a state's odds and the next one's scores
        for scores, logits, odds in self._passes(states):
            torch.sub(scores, top, out=logits)
            torch.mul(logits, inverse, out=odds).exp_()
            mass += odds.sum(-1)
            mean += torch.linalg.vecdot(odds, logits)
            cross += torch.linalg.vecdot(odds[:-rows], logits[rows:])
        entropy = mass.log() - mean / mass / (temperatures[0] if one else by_row)
        divergence = mass[rows:].log() - cross / mass[:-rows] / by_row[rows:] - entropy[:-rows]
        return entropy.view(states, rows).T, divergence.clamp_(min=0).view(states - 1, rows).T

    def _passes(self, states: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Of each block the scores by the first states, every item once, and two buffers of the same shape."""
        of, queries = self._of, states * self._shape[1]
        last = len(of._blocks) - 1
        for number, scores in enumerate(of._scores):
            part = (slice(queries), slice(of._repeated if number == last else 0, None))
            yield scores[part], of._work[0][part], of._work[1][part]

    def _by_row(self) -> Tensor:
        """(n, S, r, c)."""
        states, rows = self._shape
        scores = self._of._scores
        return scores[:, : states * rows].view(len(scores), states, rows, -1)

    def _place(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """Block and column of each item."""
        block = items // self._of._columns
        return block, items - self._of._starts[block]


def _blocks(items: int, columns: int) -> tuple[int, list[int]]:
    """The blocks' width, a multiple of 16 from 16 items on, and where each begins; the last ends with the items."""
    count = -(-items // columns)
    width = -(-items // count // _MULTIPLE) * _MULTIPLE if count > 1 else items // _MULTIPLE * _MULTIPLE
    width = width or items
    starts = list(range(0, items - width, width))
    return width, [*starts, items - width]
