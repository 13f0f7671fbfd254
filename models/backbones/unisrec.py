"""UniSRec (Hou et al. 2022, "Towards Universal Sequence Representation Learning for Recommender Systems").

Reference code: RUCAIBox/UniSRec, fine-tuning without pre-training: the inductive setting, or with `item_ids` the
transductive one. Frozen text vectors, whitened and mixed by an adaptor; histories take the adapted vectors as they
are, scores are cosines over a temperature.

Deviations: an item is adapted once a batch, so its dropout masks and its gate's noise are shared by the histories it
stands in and by its place in the catalogue, where the original draws anew for each occurrence (the catalogue has to be
adapted in each batch anyway, and adapting the histories as well would cost as much again); the raw states, not those of
length one, are fed back; feed-forward 300 and the dropouts as in our other backbones (`transformer.py`); vectors
shorter than 1e-3 are not stretched to length one (an item without text starts at exactly zero, where the gradient of
the original's normalisation is 1e12 and freezes Adam's step for the whitening biases).

Starts as the original: weights normal(0, 0.02), gates and biases 0. An adapted vector is then shorter than its text
vector by about 0.02 sqrt(d / G); the cosine does not see that, the input norm does: beside positions of 0.02 each,
vectors of length one weigh little at first, those of language models (length 10 and more) much.

Cost of a batch: O(N m d G) for the adaptor, the transformer's, B N d for each state scored.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from ..layers import Dropout, DropoutStream, Noise
from .settings import UniSRecSettings
from .text import TextBackbone

_MIN_NOISE = 1e-2  # of the gate, the original's
_MIN_LENGTH = 1e-3

# Dropped text vectors held at once: the cache of a CPU, or a large product.
_CPU_CHUNK_BYTES = 4 << 20
_DEVICE_CHUNK_BYTES = 256 << 20


class UniSRec(TextBackbone):
    """Adapted text vectors under SASRec's transformer; scores are cosines over a temperature."""

    Settings = UniSRecSettings

    def __init__(self, settings: UniSRecSettings, *, num_items: int, max_len: int, item_text: Tensor) -> None:
        """Build the layers; see `TextBackbone`."""
        super().__init__(settings, num_items=num_items, max_len=max_len, item_text=item_text)
        self.adaptor = Adaptor(
            item_text.shape[1], settings.width, experts=settings.experts, dropout=settings.adaptor_dropout
        )
        self.items = nn.Parameter(torch.empty(num_items + 1, settings.width)) if settings.item_ids else None

    def represent(self, items: Tensor | slice) -> Tensor:
        """Adapted vectors, with the items' own embeddings added where the settings say so."""
        adapted: Tensor = self.adaptor(self.text[items])
        return adapted if self.items is None else adapted + self.items[items]

    def item_vectors(self, *, padding: bool = False) -> Tensor:
        """Vectors of length one; see `Backbone.item_vectors`."""
        return F.normalize(super().item_vectors(padding=padding), dim=-1, eps=_MIN_LENGTH)

    def queries(self, states: Tensor) -> Tensor:
        """States of length one; see `Backbone.queries`."""
        return F.normalize(states, dim=-1, eps=_MIN_LENGTH)


class Adaptor(nn.Module):
    """A mixture of experts with a noisy gate; each expert drops, shifts and projects the text vectors (whitening).

    With x a text vector, y = sum_g p_g (drop_g(x) - b_g) W_g and p = softmax(A x + e softplus(C x) + 0.01 e), where e
    is standard normal in training and zero in evaluation.
    """

    def __init__(self, text_width: int, width: int, *, experts: int, dropout: float) -> None:
        """Build the parameters.

        Args:
            text_width: m.
            width: d.
            experts: G.
            dropout: rate on the text vectors, a mask for each expert.
        """
        super().__init__()
        self.gate = nn.Parameter(torch.empty(experts, text_width))  # A
        self.gate_noise = nn.Parameter(torch.empty(experts, text_width))  # C
        self.weight = nn.Parameter(torch.empty(experts, text_width, width))  # W
        self.bias = nn.Parameter(torch.empty(experts, text_width))  # b
        self.dropout = Dropout(dropout)
        self.noise = Noise()
        self.initial_std = {"gate": 0.0, "gate_noise": 0.0}

    def forward(self, text: Tensor) -> Tensor:
        """(n, m) frozen text vectors to (n, d)."""
        shift = (self.bias[:, None] @ self.weight)[:, 0]  # (G, d)
        gates = self._gates(text)  # (n, G)
        return torch.einsum("ng,ngd->nd", gates, self._projected(text)) - gates @ shift

    def _gates(self, text: Tensor) -> Tensor:
        logits = F.linear(text, self.gate)  # (n, G)
        noise = self.noise(logits)
        if noise is not None:
            logits = logits + noise * (F.softplus(F.linear(text, self.gate_noise)) + _MIN_NOISE)
        return logits.softmax(-1)

    def _projected(self, text: Tensor) -> Tensor:
        """drop_g(x) W_g of every expert: (n, G, d)."""
        if not self.training or self.dropout.rate == 0:
            return torch.einsum("nm,gmd->ngd", text, self.weight)
        if self.dropout.stream is None:
            raise RuntimeError("seed_dropout was not called on this model")
        projected: Tensor = _DroppedProducts.apply(  # type: ignore[no-untyped-call]
            text, self.weight, self.dropout.stream.draw_seed(), self.dropout.rate
        )
        return projected


class _DroppedProducts(torch.autograd.Function):
    """One product for each expert, of text vectors with a dropout mask of its own.

    The G masked copies of the text vectors, (G, n, m), are the largest thing of the model: they are made chunk by
    chunk, and again for the backward pass.
    """

    @staticmethod
    def forward(ctx: Any, text: Tensor, weight: Tensor, seed: int, rate: float) -> Tensor:
        ctx.save_for_backward(text)
        ctx.seed, ctx.rate = seed, rate
        out = text.new_empty(len(text), len(weight), weight.shape[2])  # (n, G, d)
        for expert, rows, kept, scale in _dropped(text, len(weight), seed, rate):
            torch.mm(kept, weight[expert], out=out[rows, expert]).mul_(scale)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (text,) = ctx.saved_tensors
        by_weight = text.new_zeros(grad.shape[1], text.shape[1], grad.shape[2])  # (G, m, d)
        for expert, rows, kept, scale in _dropped(text, grad.shape[1], ctx.seed, ctx.rate):
            by_weight[expert].addmm_(kept.t(), grad[rows, expert], alpha=scale)
        return None, by_weight, None, None


def _dropped(text: Tensor, experts: int, seed: int, rate: float) -> Iterator[tuple[int, slice, Tensor, float]]:
    """Each expert's masked text vectors chunk by chunk, the same ones whenever the seed is the same.

    Returns:
        expert, rows, what is kept of their vectors, and the factor that keeps the expectation.
    """
    stream = DropoutStream(seed, text.device)
    limit = _CPU_CHUNK_BYTES if text.device.type == "cpu" else _DEVICE_CHUNK_BYTES
    size = max(1, limit // (text.shape[1] * text.element_size()))
    for start in range(0, len(text), size):
        chunk = text[start : start + size]
        for expert in range(experts):
            mask, scale = stream.keep(chunk.shape, rate, text.dtype)
            yield expert, slice(start, start + size), mask.mul_(chunk), scale
