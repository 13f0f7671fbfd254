"""Time of inference by number of reasoning steps: the layout of the paper's Table 4, from profiles and as printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...analysis.paper import Latency, paper_latency
from ...records.profile import Line as Depth
from ...records.profile import Profile, step_name
from ...utils.text import counted
from ..labels import label_of
from ..table import EMPTY, ColumnGroup, Line, Record, RowGroup, Table, TableCell
from .parts import number

FIELDS = ("backbone", "step", "inference_time_s", "cost_increase_percent")

_TIMES = ("Time (s)", "Cost (%)")
_PAPER = ("Paper (s)", "Paper (%)")
_PAPER_STRATEGY = "prl"
_PRINTED = "PRL, the whole test set, one A100-40G; the data set is not named."
_PAPER_WORDS = f"Paper: Table 4 of arXiv 2503.22675 as printed: {_PRINTED}"
_MEASURED = (
    "Time: the median of whole passes from the prepared rows to the rank of each target: histories put together, "
    "encoding, K cached steps, the readout (no other state) scored against all items in fp32. Cost: over Base, which "
    "is K = 0 with the strategy base.",
    "Weights are those of a fresh initialisation: time does not depend on them.",
)

_SIZES = ("width", "layers", "heads", "feed_forward")

_Printed = Mapping[tuple[str, str], Latency]


def latency(profiles: Sequence[Profile]) -> Table:
    """The profiles of one suite in the order in which they were taken, with the paper's numbers beside PRL's."""
    backbones = list(dict.fromkeys(profile.subject.backbone for profile in profiles))
    printed = {(cell.backbone, cell.step): cell for cell in paper_latency()}
    shows_paper = any(_of_paper(profile, line, printed) for profile in profiles for line in profile.lines)
    name = profiles[0].subject.suite
    return Table(
        name="latency",
        title=name,
        caption=f"{name}: time of inference by number of reasoning steps",
        heading="Steps",
        columns=tuple(
            ColumnGroup(label_of(backbone), (*_TIMES, *(_PAPER if shows_paper else ()))) for backbone in backbones
        ),
        groups=tuple(
            RowGroup(titles, tuple(_lines(by_backbone, backbones, printed, shows_paper=shows_paper)))
            for titles, by_backbone in _groups(profiles)
        ),
        protocol=(*_conditions(profiles), *_MEASURED, *((_PAPER_WORDS,) if shows_paper else ())),
        fields=PROFILE_FIELDS,
        records=tuple(_record(profile, line, printed) for profile in profiles for line in profile.lines),
    )


def paper_latency_table() -> Table:
    """Seconds over the test set, and their increase over Base in percent, recomputed."""
    cells = paper_latency()
    backbones = list(dict.fromkeys(cell.backbone for cell in cells))
    steps: dict[str, list[TableCell]] = {}
    for cell in sorted(cells, key=lambda cell: backbones.index(cell.backbone)):
        steps.setdefault(cell.step, []).extend(
            [TableCell("value", cell.time_s), number("value", cell.cost_percent, digits=2)]
        )
    return Table(
        name="table4",
        title="Table 4",
        caption="Table 4 of arXiv 2503.22675: time of inference by number of reasoning steps",
        columns=tuple(ColumnGroup(backbone, _TIMES) for backbone in backbones),
        groups=(RowGroup((), tuple(Line(step, tuple(line)) for step, line in steps.items())),),
        protocol=(f"The times of Table 4 of arXiv 2503.22675 as printed: {_PRINTED} Costs are recomputed from them.",),
        fields=FIELDS,
        records=tuple(
            dict(zip(FIELDS, (cell.backbone, cell.step, cell.time_s, cell.cost_percent), strict=True)) for cell in cells
        ),
    )


def _groups(profiles: Sequence[Profile]) -> list[tuple[tuple[str, ...], Mapping[str, Profile]]]:
    """Titles and one profile per backbone; where a backbone has several of a row, each is a group titled by its id."""
    rows: dict[tuple[str, str], list[Profile]] = {}
    for profile in profiles:
        rows.setdefault((profile.subject.spec.dataset, label_of(profile.subject.row)), []).append(profile)
    groups: list[tuple[tuple[str, ...], Mapping[str, Profile]]] = []
    for (dataset, row), here in rows.items():
        by_backbone = {profile.subject.backbone: profile for profile in here}
        if len(by_backbone) == len(here):
            groups.append(((dataset, row), by_backbone))
            continue
        backbones = list(by_backbone)
        here.sort(key=lambda profile, order=backbones: order.index(profile.subject.backbone))  # type: ignore[misc]
        groups += [((dataset, f"{row} ({one.subject.id})"), {one.subject.backbone: one}) for one in here]
    return groups


def _lines(
    by_backbone: Mapping[str, Profile], backbones: Sequence[str], printed: _Printed, *, shows_paper: bool
) -> list[Line]:
    depths = {(name, line.steps): (profile, line) for name, profile in by_backbone.items() for line in profile.lines}
    width = len(_TIMES) + (len(_PAPER) if shows_paper else 0)
    lines = []
    for steps in sorted({steps for _, steps in depths}):
        cells: list[TableCell] = []
        for name in backbones:
            here = _cells(*depths[name, steps], printed) if (name, steps) in depths else []
            cells += [*here, *([EMPTY] * (width - len(here)))]
        lines.append(Line(step_name(steps), tuple(cells)))
    return lines


def _cells(profile: Profile, line: Depth, printed: _Printed) -> list[TableCell]:
    cells = [TableCell("value", line.times.median), number("value", profile.cost_percent(line), digits=2)]
    paper = _of_paper(profile, line, printed)
    if paper is not None:
        cells += [TableCell("value", paper.time_s), number("value", paper.cost_percent, digits=2)]
    return cells


def _conditions(profiles: Sequence[Profile]) -> list[str]:
    """Where, on what and how it was measured; stated once where it is the same for all."""
    return [
        *_each(profiles, _place, lambda profile: profile.subject.spec.dataset),
        *_each(profiles, _rows, lambda profile: profile.subject.spec.dataset),
        *_each(profiles, _sizes, lambda profile: label_of(profile.subject.backbone)),
    ]


def _each(profiles: Sequence[Profile], words: Callable[[Profile], str], name: Callable[[Profile], str]) -> list[str]:
    """The text of each profile, after the names of the profiles that share it unless all do; long names if needed."""
    short: dict[str, dict[str, None]] = {}
    long: dict[str, dict[str, None]] = {}
    for profile in profiles:
        subject = profile.subject
        full = f"{subject.spec.dataset} {label_of(subject.backbone)} {label_of(subject.row)} ({subject.id})"
        short.setdefault(words(profile), {})[name(profile)] = None
        long.setdefault(words(profile), {})[full] = None
    if len(short) == 1:
        return [f"{what}." for what in short if what]
    labels = [label for names in short.values() for label in names]
    texts = short if len(labels) == len(set(labels)) else long
    return [f"{', '.join(names)}: {what}." for what, names in texts.items() if what]


def _place(profile: Profile) -> str:
    subject = profile.subject
    threads = subject.spec.training.threads
    return (
        f"{subject.machine} ({subject.spec.device}), {counted(threads, 'thread')}; "
        f"{counted(profile.repeats, 'repeat')}, all K in turns"
    )


def _rows(profile: Profile) -> str:
    subject = profile.subject
    some = "" if subject.rows == subject.all_rows else f" of {subject.all_rows:,}, evenly spaced"
    together = subject.rows / profile.lines[0].passes
    return (
        f"{counted(subject.rows, 'test row')}{some}, {together:,.0f} to a forward pass on average, max length "
        f"{subject.spec.training.max_len}, all {subject.items:,} items ranked"
    )


def _sizes(profile: Profile) -> str:
    settings = profile.subject.spec.backbone.settings
    return ", ".join(f"{name} {settings[name]}" for name in _SIZES if name in settings)


def _of_paper(profile: Profile, line: Depth, printed: _Printed) -> Latency | None:
    """What the paper prints for this backbone and K, of PRL alone."""
    spec = profile.subject.spec
    if spec.strategy.kind != _PAPER_STRATEGY:
        return None
    return printed.get((label_of(spec.backbone.kind), step_name(line.steps)))


_VALUES: Mapping[str, Callable[[Profile, Depth], Any]] = {
    "dataset": lambda profile, line: profile.subject.spec.dataset,
    "backbone": lambda profile, line: profile.subject.backbone,
    "strategy": lambda profile, line: profile.subject.row,
    "steps": lambda profile, line: line.steps,
    "inference_time_s": lambda profile, line: line.times.median,
    "inference_time_q25_s": lambda profile, line: line.times.quartiles[0],
    "inference_time_q75_s": lambda profile, line: line.times.quartiles[1],
    "cost_increase_percent": lambda profile, line: profile.cost_percent(line),
    "step_time_s": lambda profile, line: profile.step_s(line),
    "rows_per_s": lambda profile, line: profile.rows_per_s(line),
    "flops_counted": lambda profile, line: line.flops_counted,
    "flops_formula": lambda profile, line: line.flops_formula,
    "bound_s": lambda profile, line: line.bound_s,
    "time_over_bound": lambda profile, line: line.over_bound,
    "peak_memory_bytes": lambda profile, line: line.peak_memory_bytes,
    "parameters": lambda profile, line: line.parameters,
    "train_rows_per_s": lambda profile, line: line.training.rows_per_s,
    "train_data_s": lambda profile, line: line.training.phases["data"],
    "train_forward_s": lambda profile, line: line.training.phases["forward"],
    "train_loss_s": lambda profile, line: line.training.phases["loss"],
    "train_backward_s": lambda profile, line: line.training.phases["backward"],
    "train_optimiser_s": lambda profile, line: line.training.phases["optimiser"],
    "train_share_of_peak": lambda profile, line: line.training.share_of_peak(profile.reach),
    "train_peak_memory_bytes": lambda profile, line: line.training.peak_memory_bytes,
    "rows": lambda profile, line: profile.subject.rows,
    "repeats": lambda profile, line: profile.repeats,
    "device": lambda profile, line: profile.subject.spec.device,
    "machine": lambda profile, line: profile.subject.machine,
    "threads": lambda profile, line: profile.subject.spec.training.threads,
    "profile": lambda profile, line: profile.subject.id,
}
PROFILE_FIELDS = (*_VALUES, "paper_time_s", "paper_cost_percent")


def _record(profile: Profile, line: Depth, printed: _Printed) -> Record:
    paper = _of_paper(profile, line, printed)
    return {name: value(profile, line) for name, value in _VALUES.items()} | {
        "paper_time_s": None if paper is None else paper.time_s,
        "paper_cost_percent": None if paper is None else paper.cost_percent,
    }
