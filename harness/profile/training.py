"""A few training steps of a trial, timed by their phases."""

from __future__ import annotations

from itertools import islice

from torch.utils.flop_counter import FlopCounterMode

from ..records.profile import Times, Training
from ..records.provenance import peak_memory_bytes, reset_peak_memory
from ..trial.batches import SplitReader
from ..trial.model_trial import ModelTrial
from ..trial.train import Phase
from .timing import Clock, Stopwatch

PHASES: tuple[Phase, ...] = ("data", "forward", "loss", "backward", "optimiser")


class _PhasesByStep:
    """A `Trainer.watch` that adds up the seconds of each phase, step by step."""

    def __init__(self, clock: Clock) -> None:
        self._watch = Stopwatch(clock)
        self._last: Phase | None = None
        self.done: list[dict[str, float]] = []

    def begin(self) -> None:
        """An epoch begins with the order of its rows."""
        self._watch.stop()
        self._watch.switch("data")

    def __call__(self, phase: Phase) -> None:
        if self._last == "optimiser":
            self.done.append(self._watch.stop())
        self._last = phase
        self._watch.switch(phase)


def training(trial: ModelTrial, reader: SplitReader, *, steps: int, clock: Clock, warmups: int = 1) -> Training:
    """Time some training steps; the trial's weights change.

    They belong to the trial's last epoch, so that everything that starts with a later epoch is on.

    Args:
        reader: of the training rows, to count those of each step.
        steps: training steps that count.
        warmups: steps before, which do not count.

    Raises:
        TrialDiverged: the loss is not finite.
    """
    trainer, settings, device = trial.trainer, trial.spec.training, trial.spec.device
    phases = _PhasesByStep(clock)
    rows: list[int] = []
    epoch = settings.epoch_limit
    reset_peak_memory(device)
    trainer.watch = phases
    try:
        while len(phases.done) < warmups + steps:
            left = warmups + steps - len(phases.done)
            chosen = reader.batches(settings.batch_size, seed=trial.spec.seed, epoch=epoch)
            rows += [len(batch) for batch in islice(chosen, left)]
            phases.begin()
            trainer.epoch(epoch, max_batches=left)
            epoch += 1
    finally:
        del trainer.watch
    peak = peak_memory_bytes(device)
    taken = phases.done[warmups:]
    return Training(
        rows=tuple(rows[warmups:]),
        times=Times(tuple(sum(step.values()) for step in taken)),
        phases={phase: Times(tuple(step.get(phase, 0.0) for step in taken)).median for phase in PHASES},
        flops=_flops(trial),
        flops_rows=rows[0],
        peak_memory_bytes=peak,
    )


def _flops(trial: ModelTrial) -> int:
    """Operations of the matrix products of one training step, the first of its epoch."""
    with FlopCounterMode(display=False) as counter:
        trial.trainer.epoch(trial.spec.training.epoch_limit, max_batches=1)
    return int(counter.get_total_flops())
