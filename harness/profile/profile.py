"""Profiles of the rows of a suite: which rows there are, and the order of the work on each."""

from __future__ import annotations

import dataclasses
import gc
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..cost.time import example
from ..datasets.data.dataset import Dataset
from ..plan.cells import expand, once
from ..records.profile import Line, Machine, Profile, Subject
from ..records.provenance import environment, peak_memory_bytes, reset_peak_memory
from ..records.spec import Component, TrialSpec
from ..run.runner import load_all
from ..trial.batches import SplitReader
from ..trial.memory import give_back
from ..trial.model_trial import ModelTrial
from ..utils.errors import InputError
from ..utils.registry import STRATEGIES
from . import inference
from .bounds import reach
from .inference import Inference, TestReader
from .timing import clock_of, interleaved
from .training import training

if TYPE_CHECKING:
    from ..plan.cells import Cell
    from ..suite.model import Suite

_BASE = "base"


def profile_suite(
    suite: Suite, *, data_dir: Path, repeats: int, rows: int | None, device: str | None, say: Callable[[str], None]
) -> Iterator[Profile]:
    """Profile every row of a suite, and yield each profile as soon as it is done.

    The first value of everything that is searched is used, and of steps all.

    Args:
        repeats: timed passes of each K, and timed training steps.
        rows: at most so many test rows; None for all.
        device: "cpu" or "cuda"; None for that of the suite's resources.

    Raises:
        InputError: a data set is not prepared, there is no such device, or no row of the suite can run.
    """
    device = device or ("cuda" if suite.resources.gpu > 0 else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("there is no GPU that torch can use. For the processor:  --device cpu")
    cells = once(expand(suite))
    datasets = load_all(suite, cells, data_dir)
    profiled = _rows(cells, say)
    if not profiled:
        raise InputError(f"no row of {suite.name} can run: there is nothing to profile.")
    machines: dict[int, Machine] = {}
    for row in profiled:
        profiler = _RowProfiler(row, suite.name, datasets[row[0].dataset], device, rows=rows, repeats=repeats)
        threads = profiler.spec.training.threads
        if threads not in machines:
            say(f"what {profiler.subject.machine} reaches with {threads} thread{'s' if threads > 1 else ''}")
            torch.set_num_threads(threads)
            machines[threads] = reach(torch.device(device))
        yield profiler.profile(machines[threads], say)


def _rows(cells: tuple[Cell, ...], say: Callable[[str], None]) -> list[list[Cell]]:
    """Cells of models that differ in nothing but K, in the order of the suite."""
    rows: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in cells:
        if not cell.is_baseline:
            rows.setdefault((cell.dataset, cell.backbone, cell.row), []).append(cell)
    for name, (first, *_) in rows.items():
        if first.unsupported is not None:
            say(f"cannot run  {' '.join(name)}: {first.unsupported}")
    return [row for row in rows.values() if row[0].unsupported is None]


def _depths(cells: list[Cell]) -> tuple[int, ...]:
    """K of a row's lines: those of its cells or of their search, and 0."""
    depths = {0, *(cell.steps for cell in cells if cell.steps is not None)}
    for space in (cell.space["steps"] for cell in cells if cell.steps is None):
        depths |= set(space.choices or range(int(space.low or 0), int(space.high or 0) + 1))
    return tuple(sorted(depths))


class _RowProfiler:
    """Measures one row."""

    def __init__(
        self, cells: list[Cell], suite: str, dataset: Dataset, device: str, *, rows: int | None, repeats: int
    ) -> None:
        self._dataset = dataset
        self._repeats = repeats
        self._device = torch.device(device)
        self._clock = clock_of(self._device)
        depths = _depths(cells)
        self.spec = self._filled(example(cells[0], device), depths[-1], cells[0].text_based)
        self._reader = TestReader(dataset, rows=rows, max_len=self.spec.training.max_len, device=self._device)
        facts = environment(device, self.spec.training.threads)
        self._environment: Mapping[str, object] = facts
        self.subject = Subject(
            suite=suite,
            backbone=cells[0].backbone,
            row=cells[0].row,
            spec=self.spec,
            steps=depths,
            machine=str(facts["gpu"] if device == "cuda" else facts["cpu"]),
            rows=len(self._reader),
            all_rows=len(dataset.test),
            items=dataset.num_items,
        )

    def profile(self, machine: Machine, say: Callable[[str], None]) -> Profile:
        name = f"{self._dataset.name} {self.subject.backbone} {self.subject.row}"
        load = inference.workload(self.spec, self._reader, items=self._dataset.num_items)
        lines = []
        for steps in self.subject.steps:
            say(f"{name}: K = {steps} alone")
            lines.append(self._alone(self._at(steps)))
        depths = ", ".join(map(str, self.subject.steps))
        say(f"{name}: K = {depths} in turns, {self._repeats} times over {self.subject.rows:,} rows")
        runs = [Inference(ModelTrial(self._at(steps), self._dataset), self._reader) for steps in self.subject.steps]
        times = interleaved([run.once for run in runs], repeats=self._repeats, clock=self._clock, warmups=self._warmups)
        item_flops = runs[-1].item_flops()
        taken = [runs[-1].phases(self._clock) for _ in range(self._warmups + self._repeats)][self._warmups :]
        return Profile(
            subject=self.subject,
            lines=tuple(
                line(
                    times=seconds,
                    flops_formula=None if load is None else load.inference(steps),
                    bound_s=inference.bound_s(load, machine, steps=steps, item_flops=item_flops),
                )
                for steps, line, seconds in zip(self.subject.steps, lines, times, strict=True)
            ),
            parts=inference.parts_of(taken, load, machine, item_flops=item_flops),
            reach=machine,
            repeats=self._repeats,
            environment=self._environment,
            taken_at=time.time(),
        )

    @property
    def _warmups(self) -> int:
        return 1 if self._device.type == "cpu" else 3

    def _alone(self, spec: TrialSpec) -> partial[Line]:
        """A line with what is measured while no other model is in memory: memory, operations, training."""
        gc.collect()
        give_back()  # so that the peak holds nothing older
        trial = ModelTrial(spec, self._dataset)
        passes = Inference(trial, self._reader)
        reset_peak_memory(spec.device)
        passes.once()
        peak = peak_memory_bytes(spec.device)
        train = SplitReader(
            self._dataset,
            self._dataset.train,
            max_len=spec.training.max_len,
            device=torch.device("cpu"),
            packed=spec.training.packing == "users",
        )
        return partial(
            Line,
            steps=spec.steps,
            passes=self._reader.passes,
            peak_memory_bytes=peak,
            parameters=passes.parameters,
            flops_counted=passes.flops(),
            training=training(trial, train, steps=self._repeats, clock=self._clock, warmups=self._warmups),
        )

    def _at(self, steps: int) -> TrialSpec:
        """The row with K steps; with none it is the strategy `base`, where it has steps otherwise."""
        if steps or self.subject.steps == (0,):
            return dataclasses.replace(self.spec, steps=steps)
        settings = STRATEGIES.settings(_BASE)
        base = Component(_BASE, settings.model_validate({}).identity(), settings.version)
        return dataclasses.replace(self.spec, steps=0, strategy=base)

    def _filled(self, spec: TrialSpec, steps: int, text_based: bool) -> TrialSpec:
        vectors = self._dataset.vectors
        return dataclasses.replace(
            spec,
            steps=steps,
            dataset_fingerprint=self._dataset.fingerprint,
            vectors=vectors.fingerprint if text_based and vectors is not None else "",
        )
