"""Time and peak memory of the training losses, forward and backward together, against dense PyTorch.

Each strategy's loss is timed as the strategy computes it: PRL with its contrastive loss over the batch. Dense is the
fastest version known, with one softmax per state, shared between the terms, and torch's own cross-entropy;
`torch.nn.functional.linear_cross_entropy` stands beside it where torch has it. "Bare products" are the three matrix
products per logit that no version can do without: logits from states and items, and the gradients of both, cut like
ours. All are checked to compute the same before they are timed.

Peak is what a process of its own grows by over its inputs and the gradients.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from figure import Figure, alternating, main
from torch import Tensor
from torch.nn import functional

from rearec_bench.harness.records.provenance import peak_memory_bytes, reset_peak_memory
from rearec_bench.models import softmax
from rearec_bench.models.settings import StrategySettings
from rearec_bench.models.strategies.base import Base
from rearec_bench.models.strategies.contract import Catalogue, Reasoned
from rearec_bench.models.strategies.erl import ERL
from rearec_bench.models.strategies.prl import PRL
from rearec_bench.models.strategies.settings import BaseSettings, ERLSettings, PRLSettings

STATES = 3
LAMBDA = 0.05
TAU, ALPHA = 1.0, 1.5
TAUS = tuple(TAU * ALPHA ** (STATES - 1 - k) for k in range(STATES))
ORDERED = [[-LAMBDA / (STATES * (STATES - 1)) if i != j else 0.0 for j in range(STATES)] for i in range(STATES)]
RELEASED_WEIGHTS = (*(1 / (STATES - 1),) * (STATES - 1), 1.0)


@dataclass(frozen=True)
class Inputs:
    """A batch: states (R, T, d) and noised states (R, T - 1, d), items (N, d), targets (R,)."""

    states: Tensor
    noised: Tensor
    items: Tensor
    targets: Tensor

    @classmethod
    def make(cls, rows: int, items: int, width: int, device: str = "cpu") -> Inputs:
        """Random, with logits of a standard deviation of 3."""
        torch.manual_seed(0)
        return cls(
            torch.randn(rows, STATES, width, device=device).requires_grad_(),
            torch.randn(rows, STATES - 1, width, device=device).requires_grad_(),
            torch.randn(items, width, device=device).mul_(3 * width**-0.5).requires_grad_(),
            torch.randint(items, (rows,), device=device),
        )

    @property
    def leaves(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.states, self.noised, self.items


Loss = Callable[[Inputs], Tensor]


def dense_base(of: Inputs) -> Tensor:
    """torch's cross-entropy."""
    return functional.cross_entropy(of.states[:, -1] @ of.items.T, of.targets)


def linear_base(of: Inputs) -> Tensor:
    """torch's own cross-entropy in chunks of rows."""
    return _linear_cross_entropy(of.states[:, -1], of.items, of.targets)


def linear_prl(of: Inputs) -> Tensor:
    """As `linear_base`, for all states at once."""
    scaled = (of.states / of.states.new_tensor(TAUS)[:, None]).flatten(0, 1)  # (R * T, d)
    loss = _linear_cross_entropy(scaled, of.items, of.targets.repeat_interleave(STATES)) * STATES
    return loss + _dense_contrast(of)


def _linear_cross_entropy(queries: Tensor, items: Tensor, targets: Tensor) -> Tensor:
    """Its automatic options take several times as long on a CPU."""
    options = torch.nn.LinearCrossEntropyOptions(batch_chunk_size=512, acc_policy="accurate")
    return functional.linear_cross_entropy(queries, items, targets, options=options)


def dense_erl(of: Inputs) -> Tensor:
    """One log-softmax for all, and sum_n p_i (log p_i - log p_j) for each pair: faster here than X_ii - X_ij."""
    logs = (of.states.flatten(0, 1) @ of.items.T).log_softmax(-1)  # (R * T, N)
    loss = functional.nll_loss(logs, of.targets.repeat_interleave(STATES)) * STATES
    each, odds = (values.unflatten(0, (-1, STATES)).unbind(1) for values in (logs, logs.exp()))
    pairs = [(i, j) for i in range(STATES) for j in range(STATES) if i < j]
    return loss - LAMBDA / len(of.states) * sum((odds[i] * (each[i] - each[j])).sum() for i, j in pairs)


def dense_erl_released(of: Inputs) -> Tensor:
    """KL_ij = X_ii - X_ij with X_ij = sum_n p_i log p_j, and the mean state's logits without a fourth product."""
    logits = of.states.flatten(0, 1) @ of.items.T  # (R * T, N)
    loss = functional.cross_entropy(logits.unflatten(0, (-1, STATES)).mean(1), of.targets)
    logs = logits.log_softmax(-1).unflatten(0, (-1, STATES))  # (R, T, N)
    odds = logs.exp()
    own = torch.linalg.vecdot(odds, logs)  # (R, T), X_ii
    cross = odds @ logs.detach().transpose(1, 2)  # (R, T, T), X_ij
    return loss + ((own[:, :, None] - cross) * logs.new_tensor(ORDERED)).sum() / len(logs)


def dense_prl(of: Inputs) -> Tensor:
    """One product and one cross-entropy for all states, and for each step of the contrastive loss."""
    logits = (of.states / of.states.new_tensor(TAUS)[:, None]).flatten(0, 1) @ of.items.T  # (R * T, N)
    annealed = functional.cross_entropy(logits, of.targets.repeat_interleave(STATES)) * STATES
    return annealed + _dense_contrast(of)


def dense_prl_released(of: Inputs) -> Tensor:
    """As `dense_prl`, with weights."""
    logits = (of.states / of.states.new_tensor(TAUS)[:, None]).flatten(0, 1) @ of.items.T  # (R * T, N)
    losses = functional.cross_entropy(logits, of.targets.repeat_interleave(STATES), reduction="none")
    weighted = losses.unflatten(0, (-1, STATES)) @ losses.new_tensor(RELEASED_WEIGHTS)
    return weighted.mean() + _dense_contrast(of) / (STATES - 1)


def _dense_contrast(of: Inputs) -> Tensor:
    own = torch.arange(len(of.states), device=of.states.device)
    steps = range(STATES - 1)
    losses = [functional.cross_entropy(of.noised[:, k] / TAU @ of.states[:, k + 1].T, own) for k in steps]
    return torch.stack(losses).sum()


@dataclass(frozen=True)
class Case:
    """A loss: its strategy, the dense version, how many states it multiplies with the items, if it has a target."""

    settings: StrategySettings
    dense: Loss
    products: int
    beside: Loss | None = None
    targeted: bool = True

    @property
    def ours(self) -> Loss:
        """The strategy's loss, as the strategy computes it."""
        strategy = STRATEGIES[type(self.settings)](self.settings, steps=STATES - 1)

        def loss(of: Inputs) -> Tensor:
            reasoned = Reasoned(of.states, of.states, of.noised, of.targets, torch.arange(len(of.targets)))
            return strategy.loss(reasoned, Catalogue(of.items, 1.0))[0]

        return loss


STRATEGIES = {BaseSettings: Base, ERLSettings: ERL, PRLSettings: PRL}
ERL_HYPER = {"kl_weight": LAMBDA}
PRL_HYPER = {"temperature": TAU, "decay": ALPHA}
CASES = {
    "base": Case(BaseSettings(), dense_base, 1, linear_base, targeted=False),
    "ERL": Case(ERLSettings(**ERL_HYPER), dense_erl, STATES),
    "ERL released": Case(ERLSettings(recipe="released", **ERL_HYPER), dense_erl_released, STATES + 1),
    "PRL": Case(PRLSettings(**PRL_HYPER), dense_prl, STATES, linear_prl),
    "PRL released": Case(PRLSettings(recipe="released", **PRL_HYPER), dense_prl_released, STATES),
}


def measure(tiny: bool) -> list[Figure]:
    """All losses with one thread and two, on a GPU where there is one; then the peaks."""
    shape = (16, 300, 8) if tiny else (512, 22_933, 256)
    large = (32, 3_000, 8) if tiny else (2_048, 87_969, 256)
    repeats = 2 if tiny else 3
    before = torch.get_num_threads()
    figures = []
    for threads in sorted({1, min(2, os.cpu_count() or 1)}):
        torch.set_num_threads(threads)
        for name in CASES:
            figures += _times(name, shape, f"{threads} thread{'s' * (threads > 1)}", "cpu", repeats)
        figures.append(_sharp_figure(shape, f"{threads} thread{'s' * (threads > 1)}", repeats))
    torch.set_num_threads(before)
    if torch.cuda.is_available():
        figures += [figure for name in CASES for figure in _times(name, shape, "GPU", "cuda", 5 * repeats)]
    return figures + [_peak_figure(name, large) for name in ("ERL", "PRL")]


def _times(name: str, shape: tuple[int, int, int], where: str, device: str, repeats: int) -> list[Figure]:
    case = CASES[name]
    inputs = Inputs.make(*shape, device=device)
    losses = {"ours": case.ours, "dense": case.dense}
    if case.beside and hasattr(functional, "linear_cross_entropy"):
        losses["linear_cross_entropy"] = case.beside
    _check(tuple(losses.values()), inputs)
    versions = {key: partial(_both_ways, loss, inputs) for key, loss in losses.items()}
    taken = alternating({**versions, "bare": _bare_products(inputs, case.products)}, repeats=repeats)
    ours, bare, dense = taken["ours"], taken["bare"], taken["dense"]
    head = f"{name}, {_size(shape)}, {where}"
    figures = [
        Figure(
            f"{head}: of the time of dense",
            ours / dense,
            target=1.3 if case.targeted else None,
            detail=f"{ours * 1e3:,.0f} ms against {dense * 1e3:,.0f} ms",
        ),
        Figure(f"{head}: of the time of its bare products", ours / bare, detail=f"{bare * 1e3:,.0f} ms"),
    ]
    if other := taken.get("linear_cross_entropy"):
        detail = f"{other * 1e3:,.0f} ms"
        figures.append(Figure(f"{head}: of the time of linear_cross_entropy", ours / other, detail=detail))
    return figures


def _sharp_figure(shape: tuple[int, int, int], where: str, repeats: int) -> Figure:
    """What probabilities cost that underflow, as most do at logits of a standard deviation of 100."""
    usual, sharp = Inputs.make(*shape), Inputs.make(*shape)
    sharp.items.data.mul_(100 / 3)
    versions = {name: partial(_both_ways, CASES["ERL"].ours, of) for name, of in (("usual", usual), ("sharp", sharp))}
    taken = alternating(versions, repeats=repeats)
    ratio = taken["sharp"] / taken["usual"]
    return Figure(f"ERL, {_size(shape)}, {where}: sharp logits, of the time of usual ones", ratio)


def _both_ways(loss: Loss, inputs: Inputs) -> None:
    for leaf in inputs.leaves:
        leaf.grad = None
    loss(inputs).backward()
    if inputs.items.is_cuda:
        torch.cuda.synchronize()


def _bare_products(inputs: Inputs, states: int) -> Callable[[], None]:
    """Three products per logit, into memory that is there already, cut as ours are."""
    queries = inputs.states.detach()[:, :1].repeat(1, states, 1)  # (R, T, d)
    items = inputs.items.detach()
    by_queries, by_items = torch.zeros_like(queries.flatten(0, 1)), torch.zeros_like(items)
    work = softmax._Work.plan(queries, items, None, buffers=1, kept=True)

    def products() -> None:
        for chunk in work.chunks:
            flat = queries[chunk].flatten(0, 1)
            into = by_queries[chunk.start * states : chunk.stop * states]
            for tile in work.tiles:
                logits = torch.mm(flat, items[tile].t(), out=work.matrix(0, tile, len(flat)))
                into.addmm_(logits, items[tile], beta=0)
                by_items[tile].addmm_(logits.t(), flat, beta=0)
        if items.is_cuda:
            torch.cuda.synchronize()

    return products


def _check(losses: Sequence[Loss], inputs: Inputs) -> None:
    """All versions compute the same: speed from another loss would be none."""
    found = []
    for loss in losses:
        _both_ways(loss, inputs)
        with torch.no_grad():
            found.append((loss(inputs), inputs.items.grad, inputs.states.grad))
    for other in found[1:]:
        for ours, theirs in zip(found[0], other, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3 * float(theirs.abs().max()))


def _peak_figure(name: str, shape: tuple[int, int, int]) -> Figure:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        grown, gradients, taken = pool.apply(_peak, (name, shape))
    detail = f"{gradients / 1e9:.2f} GB of gradients are not counted; {taken:.1f} s"
    return Figure(f"{name}, {_size(shape)}: peak over inputs and gradients", grown / 1e9, "GB", 0.5, detail=detail)


def _peak(name: str, shape: tuple[int, int, int]) -> tuple[float, float, float]:
    """Growth of the largest resident size less the gradients' bytes, these bytes, and the seconds."""
    loss = CASES[name].ours
    _both_ways(loss, Inputs.make(4, 50, 8))  # loads what is loaded late
    inputs = Inputs.make(*shape)
    reset_peak_memory("cpu")  # before it, what the parent of this process had at most counts here, too
    before = peak_memory_bytes("cpu")
    start = time.perf_counter()
    _both_ways(loss, inputs)
    taken = time.perf_counter() - start
    gradients = sum(leaf.grad.nbytes for leaf in inputs.leaves if leaf.grad is not None)
    return peak_memory_bytes("cpu") - before - gradients, gradients, taken


def _size(shape: tuple[int, int, int]) -> str:
    return "B={:,} N={:,} d={}".format(*shape)


if __name__ == "__main__":
    raise SystemExit(main(__doc__, measure))
