"""Floating-point operations of the built-in transformer, counted: what one row costs to encode, to think on, to score.

Counted are matrix products, two operations per multiply-add, in the shapes that `models/layers.py` computes: the last
layer of a single row computes keys and values everywhere and the rest at the query position alone; masked entries of
the L x L attention are computed too. Not counted are norms, softmax, GELU, dropout and the gathering of embeddings.
Backward passes cost about twice their forward and change no ratio. Dot products with the item table: SASRec, BERT4Rec
and eSASRec; the adaptors of text backbones are not counted. A step of LARES, which refines all items, is a pass of its
core over them; a state that is fed back changed (position embeddings) costs one position more, which is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...models.backbones.settings import TransformerSettings


@dataclass(frozen=True)
class Shape:
    """The sizes that decide the cost of a transformer.

    Attributes:
        width: d.
        feed_forward: width of the feed-forward layer, f.
        gated: sublayers have gates, and the feed-forward layer is SwiGLU: 4 d^2 + 2 d f more a position and layer.
        recurrent: as many layers again, the core, run over all items in encoding and in each step (LARES).
    """

    width: int
    layers: int
    feed_forward: int
    gated: bool = False
    recurrent: bool = False

    @classmethod
    def of(cls, settings: TransformerSettings) -> Shape:
        """The shape that a backbone's settings describe."""
        return cls(settings.width, settings.layers, settings.feed_forward, settings.gated, settings.recurrent)


def encoding(shape: Shape, *, length: int) -> int:
    """Encode one history and keep its keys and values.

    Args:
        length: L, items of the history.

    Returns:
        Operations of one forward pass: 4 L d^2 a layer for keys and values, and 4 d^2 + 4 L d + 4 d f a query
        position, of which the last layer has one and each of the others L; with a core all have L.
    """
    if shape.recurrent:
        return 2 * _pass(shape, length)
    queries = (shape.layers - 1) * length + 1
    return shape.layers * length * _keys_and_values(shape) + queries * _position(shape, length)


def step(shape: Shape, *, length: int, number: int) -> int:
    """One cached reasoning step (eq. 4).

    Args:
        length: L, items of the history.
        number: k, counted from 1; the step attends to the items and to k states of its own.

    Returns:
        Operations: 8 d^2 + 4 (L + k) d + 4 d f a layer; of a core, 8 d^2 + 4 L d + 4 d f a layer and item.
    """
    if shape.recurrent:
        return _pass(shape, length)
    return shape.layers * (_keys_and_values(shape) + _position(shape, length + number))


def scoring(shape: Shape, *, items: int) -> int:
    """Score one state against N items: 2 d N operations."""
    return 2 * shape.width * items


def inference(shape: Shape, *, length: int, steps: int, items: int) -> int:
    """Rank N items for one user: encode L items once, K cached steps, score the readout."""
    return encoding(shape, length=length) + taken_steps(shape, length, steps) + scoring(shape, items=items)


def packed_passes(shape: Shape, *, length: int, steps: int, passes: int = 1, encodings: int = 1) -> int:
    """The model's part of training on one row where whole users are packed, without scores: about 1 + K passes.

    A user with L items is L rows, whose states one pass computes together: a row costs one position of it, and one
    position of every step.

    Args:
        passes: how often each step is computed; 2 with the noised view of PRL (eq. 10), which shares the history.
        encodings: how often the history is encoded; 2 where PLR computes everything twice.
    """
    encoded = shape.layers * (_keys_and_values(shape) + _position(shape, length))
    taken = passes * taken_steps(shape, length, steps)
    return encodings * 2 * encoded + taken // length if shape.recurrent else encodings * encoded + taken


def packed_training(
    shape: Shape, *, length: int, steps: int, items: int, scored: int, passes: int = 1, encodings: int = 1
) -> int:
    """Training on one row where whole users are packed, scores included.

    Args:
        scored: states of a row that have a loss over the catalogue: 1 for base, K + 1 for ERL and PRL.
        passes, encodings: see `packed_passes`.
    """
    model = packed_passes(shape, length=length, steps=steps, passes=passes, encodings=encodings)
    return model + scored * scoring(shape, items=items)


def taken_steps(shape: Shape, length: int, steps: int) -> int:
    """The sum of `step` over 1 to K; the cost grows linearly with the step."""
    return steps * (step(shape, length=length, number=1) + step(shape, length=length, number=steps)) // 2


def _pass(shape: Shape, length: int) -> int:
    """All layers over all items, with every position a query."""
    return shape.layers * length * (_keys_and_values(shape) + _position(shape, length))


def _keys_and_values(shape: Shape) -> int:
    """Of one position in one layer."""
    return 4 * shape.width**2


def _position(shape: Shape, seen: int) -> int:
    """One query position in one layer: query, output, attention to `seen` positions, feed-forward."""
    gates = 4 * shape.width**2 + 2 * shape.width * shape.feed_forward if shape.gated else 0
    return 4 * shape.width**2 + 4 * seen * shape.width + 4 * shape.width * shape.feed_forward + gates
