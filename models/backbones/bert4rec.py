"""BERT4Rec's encoder (Sun et al. 2019, "BERT4Rec"), trained on the next item as the paper under test does (eq. 5).

Bidirectional over the history, causal over the reasoning steps: items never attend to reasoning states, step k attends
to all items and to steps up to k. The items are encoded once, with a key/value cache.

Deviations from the original: no masked-item training and no mask token; the state of the last item predicts the next
one, as with the other backbones. Prefixes of one history have states of their own, so rows are not packed by user;
batches are put together by length.
"""

from __future__ import annotations

from .sasrec import SASRec
from .settings import BERT4RecSettings


class BERT4Rec(SASRec):
    """Bidirectional self-attention over item and position embeddings; scores are dot products with the item table."""

    Settings = BERT4RecSettings
