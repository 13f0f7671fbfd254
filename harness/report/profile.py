"""Profiles on the terminal: what the latency table has no room for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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
    """The paper's Table 4 layout, then inference, its parts and training of each profile of one suite."""
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
        *_aligned(list(_INFERENCE), ([of(profile, line) for of in _INFERENCE.values()] for line in profile.lines)),
        "",
        *_aligned(
            [f"{step_name(most.steps)}, ms", *_PARTS],
            ([part.name, *(of(part) for of in _PARTS.values())] for part in profile.parts),
        ),
        "",
        *_aligned(list(_TRAINING), ([of(profile, line) for of in _TRAINING.values()] for line in profile.lines)),
        "",
        f"{_INDENT}Training: {max(most.training.rows):,} rows a step, packing {training.packing}. The machine reaches "
        f"{reach.flops_per_s / 1e9:,.1f} GFLOP/s in products (fp32), copies {reach.bytes_per_s / 1e9:,.1f} GB/s.",
    ]


_INFERENCE: Mapping[str, Callable[[Profile, Line], str]] = {
    "inference": lambda profile, line: step_name(line.steps),
    "time (s)": lambda profile, line: f"{line.times.median:.4f}",
    "quartiles": lambda profile, line: _quartiles(line.times, 1, 4),
    "ms a step": lambda profile, line: _number(profile.step_s(line), 2, 1e3),
    "rows/s": lambda profile, line: f"{profile.rows_per_s(line):,.0f}",
    "GFLOP": lambda profile, line: _giga(line.flops_counted),
    "formula": lambda profile, line: _giga(line.flops_formula),
    "x bound": lambda profile, line: _number(line.over_bound, 1),
    "memory": lambda profile, line: _memory(line.peak_memory_bytes),
    "parameters": lambda profile, line: f"{line.parameters:,}",
}
_PARTS: Mapping[str, Callable[[Part], str]] = {
    "time": lambda part: f"{part.times.median * 1e3:,.2f}",
    "quartiles": lambda part: _quartiles(part.times, 1e3, 2),
    "GFLOP": lambda part: _giga(part.flops),
    "MB moved": lambda part: _number(part.traffic_bytes, 1, 1e-6),
    "bound": lambda part: _number(part.bound_s, 2, 1e3),
    "x bound": lambda part: _number(part.over_bound, 1),
}
_TRAINING: Mapping[str, Callable[[Profile, Line], str]] = {
    "training": lambda profile, line: step_name(line.steps),
    "rows/s": lambda profile, line: f"{line.training.rows_per_s:,.0f}",
    "ms": lambda profile, line: f"{line.training.times.median * 1e3:,.1f}",
    "data": lambda profile, line: _share(line, "data"),
    "forward": lambda profile, line: _share(line, "forward"),
    "loss": lambda profile, line: _share(line, "loss"),
    "backward": lambda profile, line: _share(line, "backward"),
    "optimiser": lambda profile, line: _share(line, "optimiser"),
    "GFLOP": lambda profile, line: _giga(line.training.flops),
    "of peak": lambda profile, line: f"{line.training.share_of_peak(profile.reach):.0%}",
    "memory": lambda profile, line: _memory(line.training.peak_memory_bytes),
}


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


def _share(line: Line, phase: str) -> str:
    return f"{line.training.phases[phase] / sum(line.training.phases.values()):.0%}"


def _aligned(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [_INDENT + line for line in columns([head, *rows])]
