"""What backbones on item texts share: frozen vectors, a table of items made from them, and when it is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor
from torch.nn import functional as F

from .settings import TransformerSettings
from .transformer import TransformerBackbone


class TextBackbone(TransformerBackbone):
    """A transformer over items that are functions of frozen text vectors; a subclass says which function.

    The vectors are no parameters and stand in no checkpoint. The padding row N has the zero vector, as an item without
    text has. Inside `prepared` the items are made once, histories and candidates are rows of the same table, and
    whatever is random in making them is drawn once an item; outside, each call makes what it needs anew.
    """

    text: Tensor

    def __init__(self, settings: TransformerSettings, *, num_items: int, max_len: int, item_text: Tensor) -> None:
        """Build the layers; `models.layers.initialise` fills them.

        Args:
            settings: architecture.
            num_items: N.
            max_len: most history items of a row.
            item_text: (N, m), the data set's item vectors; kept as they are.

        Raises:
            ValueError: not one vector for each item.
        """
        super().__init__(settings, num_items=num_items, max_len=max_len)
        if item_text.ndim != 2 or len(item_text) != num_items:
            raise ValueError(f"{num_items} items and text vectors of shape {tuple(item_text.shape)}")
        self.register_buffer("text", F.pad(item_text, (0, 0, 0, 1)), persistent=False)  # (N + 1, m)
        self._table: Tensor | None = None

    def represent(self, items: Tensor | slice) -> Tensor:
        """Vectors of n items, given as (n,) int64 or as a slice of 0..N, N being padding: (n, d)."""
        raise NotImplementedError

    def embed(self, items: Tensor) -> Tensor:
        """Vectors of the items of histories; see `TransformerBackbone.embed`."""
        if self._table is not None:
            return F.embedding(items, self._table)
        needed, places = items.unique(return_inverse=True)  # type: ignore[no-untyped-call]
        return F.embedding(places, self.represent(needed))

    def item_vectors(self, *, padding: bool = False) -> Tensor:
        """Vectors of all items; see `Backbone.item_vectors`."""
        table = self._every_item() if self._table is None else self._table
        return table if padding else table[: self.num_items]

    @contextmanager
    def prepared(self) -> Iterator[None]:
        """Holds the table of all items; see `Backbone.prepared`. It ends with the block: no step makes it stale."""
        outer = self._table
        self._table = self._every_item()
        try:
            yield
        finally:
            self._table = outer

    def _every_item(self) -> Tensor:
        return self.represent(slice(None))  # (N + 1, d)
