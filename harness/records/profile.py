"""A profile, as `rearec-bench profile` and the latency table use it; imports no torch."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from pydantic import BeforeValidator, TypeAdapter

from .spec import TrialSpec, canonical, stored_spec

SCHEMA = 1


@dataclass(frozen=True)
class Times:
    """Seconds of repeats of the same work, in the order in which they were taken."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Of the repeats, in seconds."""
        return statistics.median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The first and the third, interpolated between repeats; of a single repeat both are its time."""
        if len(self.seconds) < 2:
            return self.seconds[0], self.seconds[0]
        low, _, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return low, high


@dataclass(frozen=True)
class Subject:
    """The profiled row of a suite, on one device.

    Attributes:
        suite: name of the suite; `options.NAME` for one given by options.
        backbone: its label.
        row: label of the strategy's row.
        spec: the trial at the max number of steps, every setting filled in.
        steps: K of each line, 0 first.
        machine: the processor or the GPU.
        rows: test rows that were ranked.
        all_rows: test rows of the data set.
        items: N.
    """

    suite: str
    backbone: str
    row: str
    spec: Annotated[TrialSpec, BeforeValidator(stored_spec)]
    steps: tuple[int, ...]
    machine: str
    rows: int
    all_rows: int
    items: int

    @property
    def id(self) -> str:
        """12 hexadecimal digits; a new profile replaces the one with the same id."""
        content = {
            "suite": self.suite,
            "labels": [self.backbone, self.row],
            "trial": self.spec.identity(),
            "evaluation": self.spec.evaluation.model_dump(mode="json"),
            "steps": self.steps,
            "machine": self.machine,
            "rows": self.rows,
        }
        return hashlib.sha256(canonical(content).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Machine:
    """What the device reaches, measured with the threads of the profile.

    Attributes:
        flops_per_s: of a large matrix product in fp32 (no TF32).
        bytes_per_s: of a large copy, bytes read and written.
    """

    flops_per_s: float
    bytes_per_s: float

    def bound_s(self, *, flops: float, traffic_bytes: float) -> float:
        """The min time that so many operations and so much memory traffic take."""
        return max(flops / self.flops_per_s, traffic_bytes / self.bytes_per_s)


@dataclass(frozen=True)
class Part:
    """One part of a pass over the test rows.

    Attributes:
        name: "data" (rows to batches), "items" (what depends on no history), "encode", "step 1" and so on, "score"
            (readout, scores, ranks).
        times: over all rows.
        flops: by the formula, for "items" as torch counts them; None without a formula.
        traffic_bytes: the min that has to be read and written; None if unknown.
        bound_s: the min time by both; None if unknown.
    """

    name: str
    times: Times
    flops: float | None
    traffic_bytes: float | None
    bound_s: float | None

    @property
    def over_bound(self) -> float | None:
        """Measured time over the bound."""
        return self.times.median / self.bound_s if self.bound_s else None


@dataclass(frozen=True)
class Training:
    """Training steps of one depth.

    Attributes:
        rows: target rows of each step.
        times: of whole steps.
        phases: data, forward, loss, backward, optimiser -> seconds of a step, medians over the steps.
        flops: of one step of `flops_rows` rows, forward and backward, as torch counts them.
        flops_rows: target rows of the step that was counted.
        peak_memory_bytes: see `Line.peak_memory_bytes`.
    """

    rows: tuple[int, ...]
    times: Times
    phases: Mapping[str, float]
    flops: int
    flops_rows: int
    peak_memory_bytes: int

    @property
    def rows_per_s(self) -> float:
        """Target rows over the seconds of their steps."""
        return sum(self.rows) / sum(self.times.seconds)

    def share_of_peak(self, machine: Machine) -> float:
        """Operations per second, as a share of what the machine reaches in matrix products."""
        return self.flops / self.flops_rows * self.rows_per_s / machine.flops_per_s


@dataclass(frozen=True)
class Line:
    """Inference and training with K steps.

    Attributes:
        steps: K.
        times: of passes over the test rows.
        passes: forward passes that the rows were cut into.
        flops_counted: of a pass over the rows, as torch counts them: with padding, products of matrices alone.
        flops_formula: the same by the formula, at the rows' own lengths; None for a backbone without a formula.
        bound_s: the min time of a pass; None if unknown.
        peak_memory_bytes: of the process (CPU), or allocated (GPU), with this model alone.
        parameters: trainable ones.
        training: steps of training.
    """

    steps: int
    times: Times
    passes: int
    flops_counted: int
    flops_formula: int | None
    bound_s: float | None
    peak_memory_bytes: int
    parameters: int
    training: Training

    @property
    def over_bound(self) -> float | None:
        """Measured time over the bound."""
        return self.times.median / self.bound_s if self.bound_s else None


@dataclass(frozen=True)
class Profile:
    """The measurements of one row of a suite.

    Attributes:
        lines: one for each K, ascending, K = 0 first.
        parts: of a pass with the max number of steps.
        repeats: timed passes of each line.
        environment: versions, device, threads, revision.
        taken_at: Unix time.
    """

    subject: Subject
    lines: tuple[Line, ...]
    parts: tuple[Part, ...]
    reach: Machine
    repeats: int
    environment: Mapping[str, Any]
    taken_at: float

    def cost_percent(self, line: Line) -> float | None:
        """How much longer a line takes than K = 0, in percent; None for K = 0."""
        base = self.lines[0].times.median
        return None if line.steps == 0 else (line.times.median - base) / base * 100

    def step_s(self, line: Line) -> float | None:
        """Seconds that one reasoning step adds, over all rows: (time - time of K = 0) / K; None for K = 0."""
        return None if line.steps == 0 else (line.times.median - self.lines[0].times.median) / line.steps

    def rows_per_s(self, line: Line) -> float:
        """Test rows ranked per second."""
        return self.subject.rows / line.times.median

    def to_json(self) -> dict[str, Any]:
        """The profile as JSON values."""
        values = dataclasses.asdict(self)
        values["subject"]["spec"] = self.subject.spec.to_json()
        return {"schema": SCHEMA, "id": self.subject.id, **values}

    @classmethod
    def from_json(cls, content: bytes) -> Profile:
        """The profile in a file's content.

        Raises:
            ValueError: another schema version, or fields that are missing or of another type.
        """
        values = json.loads(content)
        schema = values.get("schema") if isinstance(values, dict) else None
        if schema != SCHEMA:
            raise ValueError(f"schema version {schema!r:.20}; this version of rearec-bench reads {SCHEMA}")
        return _adapter().validate_python(values)


@cache
def _adapter() -> TypeAdapter[Profile]:
    return TypeAdapter(Profile)


def step_name(steps: int) -> str:
    """The name of K in the paper's Table 4."""
    return f"Step-{steps}" if steps else "Base"
