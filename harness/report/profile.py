"""Profiles on the terminal: what the latency table has no room for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..records.profile import Line, Part, Profile, Times, step_name
from ..utils.text import columns
from .formats.markdown import render_markdown
from .labels import label_of
from .tables.registry import PROFILE_TABLES

_NOTHING = "-"
_INDENT = "  "
_EXPLAINED = (
    "GFLOP: matrix products of a pass as torch counts them, with padding; formula: the same at the rows' own lengths,",
    "after section 3.4.2. x bound: the time over the least in which this machine could do the formula's operations and",
    "the memory traffic they need. Memory: the most that the process held (on a GPU, that was allocated).",
)


def profile_text(profiles: Sequence[Profile], places: Sequence[Path]) -> str:
    """The paper's Table 4 layout, then inference, its parts and training of each profile.

    Args:
        profiles: of one suite, at least one.
        places: where each is stored.
    """
    table = render_markdown(PROFILE_TABLES["latency"](profiles))
    blocks = ["\n".join(_block(profile, place)) for profile, place in zip(profiles, places, strict=True)]
    return "\n\n".join([table.rstrip("\n"), *blocks, "\n".join(_EXPLAINED)])


def _block(profile: Profile, place: Path) -> list[str]:
    subject, most = profile.subject, profile.lines[-1]
    training = subject.spec.training
    reach = profile.reach
    return [
        f"{subject.spec.dataset} {label_of(subject.backbone)} {label_of(subject.row)}   {place}",
        "",
        *_aligned([_INFERENCE, *(_inference(profile, line) for line in profile.lines)]),
        "",
        *_aligned([(f"{step_name(most.steps)}, ms", *_PARTS), *map(_part, profile.parts)]),
        "",
        *_aligned([_TRAINING, *(_training(profile, line) for line in profile.lines)]),
        "",
        f"{_INDENT}Training: {max(most.training.rows):,} rows a step, packing {training.packing}. The machine reaches "
        f"{reach.flops_per_s / 1e9:,.1f} GFLOP/s in products (fp32), copies {reach.bytes_per_s / 1e9:,.1f} GB/s.",
    ]


_INFERENCE = (
    "inference",
    "time (s)",
    "quartiles",
    "ms a step",
    "rows/s",
    "GFLOP",
    "formula",
    "x bound",
    "memory",
    "parameters",
)
_PARTS = ("time", "quartiles", "GFLOP", "MB moved", "bound", "x bound")
_TRAINING = (
    "training",
    "rows/s",
    "ms",
    "data",
    "forward",
    "loss",
    "backward",
    "optimiser",
    "GFLOP",
    "of peak",
    "memory",
)


def _inference(profile: Profile, line: Line) -> tuple[str, ...]:
    step = profile.step_s(line)
    return (
        step_name(line.steps),
        f"{line.times.median:.4f}",
        _quartiles(line.times, 1, 4),
        _NOTHING if step is None else f"{step * 1e3:,.2f}",
        f"{profile.rows_per_s(line):,.0f}",
        _giga(line.flops_counted),
        _giga(line.flops_formula),
        _number(line.over_bound, 1),
        _memory(line.peak_memory_bytes),
        f"{line.parameters:,}",
    )


def _part(part: Part) -> tuple[str, ...]:
    return (
        part.name,
        f"{part.times.median * 1e3:,.2f}",
        _quartiles(part.times, 1e3, 2),
        _giga(part.flops),
        _number(part.traffic_bytes, 1, 1e-6),
        _number(part.bound_s, 2, 1e3),
        _number(part.over_bound, 1),
    )


def _training(profile: Profile, line: Line) -> tuple[str, ...]:
    training = line.training
    whole = sum(training.phases.values())
    return (
        step_name(line.steps),
        f"{training.rows_per_s:,.0f}",
        f"{training.times.median * 1e3:,.1f}",
        *(f"{seconds / whole:.0%}" for seconds in training.phases.values()),
        _giga(training.flops),
        f"{training.share_of_peak(profile.reach):.0%}",
        _memory(training.peak_memory_bytes),
    )


def _quartiles(times: Times, factor: float, digits: int) -> str:
    low, high = times.quartiles
    return f"{low * factor:,.{digits}f}..{high * factor:,.{digits}f}"


def _number(value: float | None, digits: int, factor: float = 1) -> str:
    return _NOTHING if value is None else f"{value * factor:,.{digits}f}"


def _giga(value: float | None) -> str:
    """Billions, to three digits."""
    if value is None:
        return _NOTHING
    return f"{value / 1e9:,.0f}" if value >= 1e11 else f"{value / 1e9:.3g}"


def _memory(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    return [_INDENT + line for line in columns(rows)]
