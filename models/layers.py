"""Post-norm transformer blocks with a key/value cache, and dropout that does not dominate a CPU step.

Shape letters of the whole project: B rows, L history length, d width, N items, K reasoning steps, H heads, U users.
Here also: G groups (a row, or a user whose prefixes are computed together), Q query positions of a group (1, or L where
every prefix of the group is a row), T = K + 1 states.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .grid import Grid

_BLOCK = 512
"""Tokens of the feed-forward layer that stay in a CPU's cache where no gradient wants them later."""


class DropoutStream:
    """The random bits of a trial's dropout, from a seed of its own.

    On a CPU, 16 bits per element from NumPy's SFC64: about 1 ns per element where torch's Bernoulli takes 14. The rate
    is met to 2^-16. Elsewhere, a torch generator of the device.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self._device = device
        self._bits = np.random.SFC64(seed)
        self._generator = torch.Generator(device).manual_seed(seed) if device.type != "cpu" else None

    def keep(self, shape: torch.Size, rate: float, dtype: torch.dtype) -> tuple[Tensor, float]:
        """A mask of ones (kept) and zeros, and the factor that keeps the expectation."""
        if self._generator is not None:
            mask = torch.empty(shape, device=self._device, dtype=dtype)
            return mask.bernoulli_(1 - rate, generator=self._generator), 1 / (1 - rate)
        count = math.prod(shape)
        level = min(round(rate * 65536), 65535)
        bits = torch.from_numpy(self._bits.random_raw((count + 3) // 4).view(np.int16))[:count].view(shape)
        mask = torch.empty(shape, dtype=dtype)
        torch.ge(bits, level - 32768, out=mask)
        return mask, 65536 / (65536 - level)

    def draw_seed(self) -> int:
        """63 bits of this stream, for another that can be started twice (masks made again for the backward pass)."""
        return int(self._bits.random_raw()) >> 1

    def state(self) -> dict[str, Any]:
        """Where the stream stands, for `load`; numbers and tensors alone."""
        words = [int(word) for word in self._bits.state["state"]["state"]]
        return {"bits": words, "generator": None if self._generator is None else self._generator.get_state()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from where a stream of the same device stood."""
        self._bits.state = {**self._bits.state, "state": {"state": np.array(state["bits"], np.uint64)}}
        if self._generator is not None:
            self._generator.set_state(state["generator"])

    @contextmanager
    def again(self, start: Mapping[str, Any]) -> Iterator[None]:
        """Draws what followed on `start`, a `state` of this stream; afterwards it goes on from where it was."""
        here = self.state()
        self.load(start)
        yield
        self.load(here)


class _Masked(torch.autograd.Function):
    """x * mask * scale (+ residual), with the mask alone kept for the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, mask: Tensor, scale: float, residual: Tensor | None) -> Tensor:
        ctx.save_for_backward(mask)
        ctx.scale = scale
        ctx.has_residual = residual is not None
        if residual is None:
            return (x * mask).mul_(scale)
        return torch.addcmul(residual, x, mask, value=scale)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, Tensor | None]:
        (grad,) = grads
        (mask,) = ctx.saved_tensors
        return (grad * mask).mul_(ctx.scale), None, None, grad if ctx.has_residual else None


class Dropout(nn.Module):
    """Dropout fed by the trial's stream; the residual connection behind it is added in the same pass."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.stream: DropoutStream | None = None

    def forward(self, x: Tensor, residual: Tensor | None = None, *, rate: float | None = None) -> Tensor:
        """Drop elements of x in training; add the residual.

        Args:
            x: any shape.
            residual: the same shape, or None.
            rate: in place of its own.

        Returns:
            The same shape.
        """
        rate = self.rate if rate is None else rate
        if not self.training or rate == 0:
            return x if residual is None else x + residual
        if self.stream is None:
            raise RuntimeError("seed_dropout was not called on this model")
        mask, scale = self.stream.keep(x.shape, rate, x.dtype)
        out: Tensor = _Masked.apply(x, mask, scale, residual)  # type: ignore[no-untyped-call]
        return out


def seed_dropout(module: nn.Module, seed: int, device: torch.device) -> DropoutStream:
    """Give all dropouts of a model one stream of random bits; returns it."""
    stream = DropoutStream(seed, device)
    for part in module.modules():
        if isinstance(part, Dropout):
            part.stream = stream
    return stream


def dropout_stream(module: nn.Module) -> DropoutStream | None:
    """The stream that `seed_dropout` gave the dropouts of a module; None where there is none."""
    return next((part.stream for part in module.modules() if isinstance(part, Dropout)), None)


class Noise(nn.Module):
    """Standard normal noise in training, fed by a stream of the trial that nothing else draws from.

    Args:
        bound: numbers beyond it, on either side, do not occur; None for no bound.
    """

    def __init__(self, bound: float | None = None) -> None:
        super().__init__()
        self.bound = bound
        self.stream: torch.Generator | None = None

    def forward(self, like: Tensor) -> Tensor | None:
        """Noise of the shape and type of `like`; None in evaluation."""
        if not self.training:
            return None
        if self.stream is None:
            raise RuntimeError("seed_noise was not called on this model")
        noise = torch.empty_like(like, requires_grad=False)
        if self.bound is None:
            return noise.normal_(generator=self.stream)
        return nn.init.trunc_normal_(noise, a=-self.bound, b=self.bound, generator=self.stream)


def seed_noise(module: nn.Module, seed: int, device: torch.device) -> torch.Generator:
    """Give all `Noise` of a model one stream of random numbers; returns it."""
    stream = torch.Generator(device).manual_seed(seed)
    for part in module.modules():
        if isinstance(part, Noise):
            part.stream = stream
    return stream


def initialise(module: nn.Module, seed: int) -> None:
    """All initialisation of the project: weights normal(0, 0.02), biases 0, norms 1 and 0 (the released code's).

    Each parameter draws from a stream of its own, named after it, so that models that share a part start alike in it.
    A module whose weights start otherwise has an attribute `initial_std`: the standard deviations (0 for zeros) of
    parameters by their names within the module.

    Args:
        module: the model.
        seed: of the stream "initialisation".
    """
    from hashlib import sha256

    of_norms = (part for part in module.modules() if isinstance(part, nn.LayerNorm | nn.RMSNorm | nn.GroupNorm))
    norms = {id(parameter) for part in of_norms for parameter in part.parameters()}
    own_std: dict[int, float] = {}
    for part in module.modules():
        named = getattr(part, "initial_std", {})
        own_std.update({id(part.get_parameter(name)): std for name, std in named.items()})
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if id(parameter) in norms:
                parameter.fill_(1.0 if name.endswith("weight") else 0.0)
            elif name.endswith("bias"):
                parameter.zero_()
            else:
                digest = sha256(f"{seed}\x1f{name}".encode()).digest()
                generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
                std = own_std.get(id(parameter), 0.02)
                parameter.copy_(torch.empty(parameter.shape).normal_(0, std, generator=generator))


@dataclass(frozen=True)
class LayerCache:
    """Keys and values of one layer.

    Attributes:
        keys: (G, H, L, d/H), of the items.
        values: the same shape.
        own_keys: one (G, H, Q, d/H) per reasoning step taken so far: each query position sees its own alone.
        own_values: the same.
    """

    keys: Tensor
    values: Tensor
    own_keys: tuple[Tensor, ...] = ()
    own_values: tuple[Tensor, ...] = ()


class Block(nn.Module):
    """One post-norm layer: attention, add and norm, feed-forward (GELU), add and norm.

    Attributes:
        step_dropout: rate of its dropouts in `advance`; None for the same as in `encode`.
    """

    def __init__(
        self, width: int, heads: int, feed_forward: int, dropout: float, step_dropout: float | None = None
    ) -> None:
        super().__init__()
        self.heads = heads
        self.step_dropout = step_dropout
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width, eps=1e-12)
        self.expand = nn.Linear(width, feed_forward)
        self.contract = nn.Linear(feed_forward, width)
        self.feed_forward_norm = nn.LayerNorm(width, eps=1e-12)
        self.attention_dropout = Dropout(dropout)
        self.output_dropout = Dropout(dropout)
        self.feed_forward_dropout = Dropout(dropout)

    def encode(
        self, tokens: Tensor, grid: Grid, bias: Tensor, *, last: bool, rate: float | None = None
    ) -> tuple[Tensor, LayerCache]:
        """Attend from query positions to items.

        Args:
            tokens: (T, d), inputs of this layer at the items.
            grid: where they stand.
            bias: (G, 1, Q, L) or (G, 1, 1, L), 0 where a query sees an item, -inf where not.
            last: only each group's last item is a query (Q = 1); otherwise all of them are (Q = L).
            rate: of its dropouts, in place of their own.

        Returns:
            outputs at the queries, (G, d) or (T, d), and the cache of the items.
        """
        read = self._before(tokens)
        keys, values = self._key_value(grid.spread(self.key_value(read)))
        if last:
            inputs = tokens.index_select(0, grid.ends)  # (G, d)
            queries = self.query(self._before(inputs))[:, None]
        else:
            inputs = tokens
            queries = grid.spread(self.query(read))  # (G, L, d)
        weights = self._scaled(queries) @ keys.transpose(-1, -2)  # (G, H, Q, L)
        weights = self.attention_dropout((weights + bias).softmax(-1), rate=rate)
        mixed = (weights @ values).transpose(1, 2).flatten(2)  # (G, Q, d)
        mixed = mixed[:, 0] if last else grid.collect(mixed)
        return self._finish(mixed, inputs, rate), LayerCache(keys, values)

    def advance(self, inputs: Tensor, cache: LayerCache, bias: Tensor) -> tuple[Tensor, LayerCache]:
        """One reasoning step: each query position attends to its items and to its own steps so far, this one included.

        Args:
            inputs: (G, Q, d), inputs of this layer.
            cache: of this layer.
            bias: (G, 1, Q, L) or (G, 1, 1, L), as in `encode`.

        Returns:
            (G, Q, d) outputs, and the cache with this step added.
        """
        read = self._before(inputs)
        key, value = self._key_value(self.key_value(read))
        cache = LayerCache(cache.keys, cache.values, (*cache.own_keys, key), (*cache.own_values, value))
        query = self._scaled(self.query(read))  # (G, H, Q, d/H)
        to_items = query @ cache.keys.transpose(-1, -2) + bias  # (G, H, Q, L)
        to_own = [(query * own).sum(-1, keepdim=True) for own in cache.own_keys]  # each (G, H, Q, 1)
        weights = torch.cat([to_items, *to_own], -1).softmax(-1)  # (G, H, Q, L + k)
        weights = self.attention_dropout(weights, rate=self.step_dropout)
        length = cache.keys.shape[2]
        mixed = weights[..., :length] @ cache.values
        for step, own in enumerate(cache.own_values):
            mixed = torch.addcmul(mixed, weights[..., length + step, None], own)
        return self._finish(mixed.transpose(1, 2).flatten(2), inputs, self.step_dropout), cache

    def _before(self, x: Tensor) -> Tensor:
        """What attention reads of the layer's inputs, (..., d)."""
        return x

    def _scaled(self, x: Tensor) -> Tensor:
        groups, positions, width = x.shape
        split = x.view(groups, positions, self.heads, width // self.heads).transpose(1, 2)
        return split * (1 / math.sqrt(width // self.heads))

    def _key_value(self, both: Tensor) -> tuple[Tensor, Tensor]:
        """(G, L, 2 d) to keys and values, each (G, H, L, d/H) in one piece: every step reads them again."""
        groups, positions, width = both.shape
        both = both.view(groups, positions, 2, self.heads, width // (2 * self.heads))
        keys, values = both.permute(2, 0, 3, 1, 4).contiguous().unbind(0)
        return keys, values

    def _finish(self, mixed: Tensor, inputs: Tensor, rate: float | None = None) -> Tensor:
        """The rest of the layer, from what attention has mixed, (..., d), and the layer's inputs at the queries."""
        x = self.attention_norm(self.output_dropout(self.output(mixed), inputs, rate=rate))
        return self.feed_forward_norm(self.feed_forward_dropout(self._feed_forward(x), x, rate=rate))

    def _feed_forward(self, x: Tensor) -> Tensor:
        """(..., d) to the same shape."""
        if torch.is_grad_enabled() or x.device.type != "cpu":
            return self.contract(F.gelu(self.expand(x)))
        flat = x.flatten(0, -2)
        out = torch.empty_like(flat)
        hidden = flat.new_empty(min(len(flat), _BLOCK), self.expand.out_features)
        for start in range(0, len(flat), _BLOCK):
            part = slice(start, start + _BLOCK)
            wide = hidden[: len(flat[part])]
            torch.addmm(self.expand.bias, flat[part], self.expand.weight.t(), out=wide)
            torch.ops.aten.gelu_(wide)
            torch.addmm(self.contract.bias, wide, self.contract.weight.t(), out=out[part])
        return out.view(x.shape)
