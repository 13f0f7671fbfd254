"""Training, d = 64 on one thread: packed against row by row, a whole step against the least it can be, and bf16.

The first figures leave the loss out: what the encoder, the reasoning steps and their backward pass take, dropout on,
per target row, where users have more items than histories may (51, so that every prefix of a history of 50 is a row).
The next ones take a whole training step (rows, forward, loss, backward, optimiser, dropout) and divide it by the sum of
its loss alone and its encoder alone, each forward and backward, without dropout. The last ones divide the time of a
whole step in fp32 by that in bf16, where the processor has units for it.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from functools import partial
from itertools import product

import torch
from figure import Figure, alternating, main
from made_rows import EPOCH, made_dataset, reader_of, sasrec, trainer_of

from rearec_bench.harness.trial.precision import Precision, multiplies_bfloat16, products
from rearec_bench.models.layers import Dropout

SHAPES = ((3_000, 50), (10_697, 34), (22_933, 6))
STRATEGY_NAMES = ("base", "erl", "prl")
PACKINGS = ("users", "none")
STEPS = 2
BATCH = 512


@dataclass(frozen=True)
class Setting:
    """What is trained: N items, users with `history` prefixes each."""

    items: int
    history: int
    strategy: str
    packing: str
    depth: int = STEPS
    width: int = 64


class Training:
    """A trainer on made rows, and the parts of one of its steps."""

    def __init__(self, setting: Setting) -> None:
        torch.set_num_threads(1)
        torch.set_flush_denormal(True)
        self.model, self.strategy = sasrec(
            setting.items,
            strategy=setting.strategy,
            steps=setting.depth,
            max_len=setting.history,
            width=setting.width,
        )
        data = made_dataset(max(4, 4 * BATCH // setting.history), setting.items, setting.history)  # a few batches
        self.reader = reader_of(data, max_len=setting.history, packed=setting.packing == "users")
        self.trainer = trainer_of(self.model, self.strategy, self.reader, batch=BATCH)
        self.model.train()
        self.rows = next(iter(self.reader.batches(BATCH, seed=1, epoch=1)))
        with torch.no_grad():
            self.reasoned, self.catalogue = self.trainer.reason(self.rows, EPOCH)

    def step(self, precision: Precision = "fp32") -> None:
        """A whole training step."""
        with products(precision, torch.device("cpu")):
            self.trainer._batch(self.rows, EPOCH, before=0)

    def passes(self, *, dropout: bool) -> None:
        """The model's forward and backward pass, from given gradients of its states."""
        self._set_dropout(on=dropout)
        reasoned, _ = self.trainer.reason(self.rows, EPOCH)
        outputs = [tensor for tensor in (reasoned.raw, reasoned.noised) if tensor is not None]
        torch.autograd.backward(outputs, [torch.ones_like(tensor) for tensor in outputs])
        self._set_dropout(on=True)
        self.model.zero_grad(set_to_none=True)

    def loss(self) -> None:
        """The loss of given states, forward and backward."""
        given = self.reasoned
        raw = given.raw.clone().requires_grad_()
        noised = None if given.noised is None else given.noised.clone().requires_grad_()
        vectors = self.catalogue.vectors.detach().requires_grad_()
        reasoned = dataclasses.replace(given, raw=raw, states=raw, noised=noised)
        value, _ = self.strategy.loss(reasoned, dataclasses.replace(self.catalogue, vectors=vectors))
        value.backward()

    def _set_dropout(self, *, on: bool) -> None:
        for part in self.model.modules():
            if isinstance(part, Dropout):
                part.train(on)


def _packing_figures(tiny: bool) -> list[Figure]:
    """Rows per second of the passes without the loss, packed against row by row in length buckets, history 50."""
    history = 8 if tiny else 50
    figures = []
    for strategy in STRATEGY_NAMES:
        trained = {
            packing: Training(Setting(300 if tiny else 3_000, history, strategy, packing)) for packing in PACKINGS
        }
        seconds = alternating(
            {packing: partial(training.passes, dropout=True) for packing, training in trained.items()},
            repeats=1 if tiny else 9,
            clock=time.process_time,
        )
        rate = {packing: len(trained[packing].rows) / seconds[packing] for packing in PACKINGS}
        figures.append(
            Figure(
                f"rows/s without the loss, packed / row by row: {strategy}, history {history}",
                rate["users"] / rate["none"],
                target=6.0,
                sense="min",
                detail=f"{rate['users']:,.0f} / {rate['none']:,.0f} rows/s",
            )
        )
    return figures


def _step_figures(tiny: bool) -> list[Figure]:
    """A whole step divided by its loss alone plus its encoder alone."""
    figures = []
    for items, history in ((300, 8),) if tiny else SHAPES:
        for strategy in STRATEGY_NAMES:
            training = Training(Setting(items, history, strategy, "users"))
            seconds = alternating(
                {"step": training.step, "loss": training.loss, "passes": partial(training.passes, dropout=False)},
                repeats=1 if tiny else 9,
                clock=time.process_time,
            )
            least = seconds["loss"] + seconds["passes"]
            figures.append(
                Figure(
                    f"step / (loss + encoder): {strategy}, N = {items:,}, history {history}",
                    seconds["step"] / least,
                    target=1.25,
                    detail=f"{seconds['step'] * 1e3:.0f} ms / ({seconds['loss'] * 1e3:.0f} + "
                    f"{seconds['passes'] * 1e3:.0f}) ms, {len(training.rows) / seconds['step']:,.0f} rows/s",
                )
            )
    return figures


def _padding_figures(tiny: bool) -> list[Figure]:
    """Share of the tokens of a row-by-row epoch that are items: of those that go through the layers."""
    figures = []
    for items, history in ((300, 8),) if tiny else SHAPES:
        training = Training(Setting(items, history, "base", "none"))
        seen: list[int] = []
        layer = training.model.backbone.blocks[0].key_value
        hook = layer.register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[0][..., 0].numel()))
        real = 0
        for rows in training.reader.batches(BATCH, seed=1, epoch=1):
            real += int(training.reader.lengths[rows].sum())
            training.trainer.reason(rows, EPOCH)
        hook.remove()
        name = f"real tokens of row-by-row batches, history 1 to {history}"
        figures.append(Figure(name, 100 * real / sum(seen), "%", target=85.0, sense="min"))
    return figures


def _precision_figures(tiny: bool) -> list[Figure]:
    """Whole steps in fp32 over those in bf16."""
    figures = []
    for items, history in ((300, 8),) if tiny else ((1_008, 50), (11_876, 10)):
        for width, strategy in product((64, 256), ("erl", "prl")):
            training = Training(Setting(items, history, strategy, "users", width=width))
            seconds = alternating(
                {"fp32": training.step, "bf16": partial(training.step, "bf16")},
                repeats=1 if tiny else 15,
                clock=time.process_time,
            )
            name = f"step, fp32 / bf16: {strategy}, N = {items:,}, history {history}, d = {width}"
            times = " / ".join(f"{taken * 1e3:.0f} ms" for taken in seconds.values())
            figures.append(Figure(name, seconds["fp32"] / seconds["bf16"], sense="min", detail=times))
    return figures


def measure(tiny: bool) -> list[Figure]:
    """All figures."""
    rounded = _precision_figures(tiny) if multiplies_bfloat16() else []
    return [*_packing_figures(tiny), *_step_figures(tiny), *_padding_figures(tiny), *rounded]


if __name__ == "__main__":
    raise SystemExit(main(__doc__, measure))
