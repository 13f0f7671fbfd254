"""A stored trial in words: everything that is kept of it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..monitor.lines import decimals, metric_label
from ..plan.cells import expand
from ..records.results import Metrics, TrialResult
from ..records.spec import Component, TrialSpec
from ..store.store import Store
from ..suite.labels import value_text
from ..suite.model import Suite
from ..utils import text as plain
from ..utils.durations import duration
from ..utils.errors import InputError
from ..utils.registry import BACKBONES, BASELINES, STRATEGIES, TABLES, Registry

_LABEL = 13
_LOSS_TERMS_FIRST = "total"
_HISTORY_SHOWN = 12
_GLUE = "\0"


def trial_text(key: str, *, store: Store, width: int) -> str:
    """Everything stored of a trial, at most `width` characters wide; every file is read and its checksum verified.

    Raises:
        StoreError: not stored, or damaged.
    """
    result = store.read(key)
    uses = _uses(key, store)
    lines = [
        _head(result, next((use.place for use in uses if use.place), "")),
        *_settings(result.spec, width),
        *_evidence(result),
        *_training(result),
        *_files(result),
        _line("used by", ", ".join(f"{use.suite} ({use.row})" for use in uses) or "no suite stored here"),
        _line("made by", made_by(result.environment)),
        _line("made at", _moment(result.timings)),
        *([_line("taken over", f"from {origin}")] if (origin := store.origin(key)) else []),
        _line("source", f"{result.source_digest} (digest of the components' code)"),
        _line("data set", f"{result.spec.dataset}, fingerprint {result.spec.dataset_fingerprint}"),
        *([_line("item vectors", f"fingerprint {result.spec.vectors}")] if result.spec.vectors else []),
        _line("again", f"rearec-bench rerun {key[:8]}"),
    ]
    if result.traceback:
        lines += ["", result.traceback.rstrip()]
    return plain.lines("\n".join(lines))


def trial_name(spec: TrialSpec) -> str:
    """A trial without its suite: "ml-100k sasrec prl K=2"."""
    steps = f" K={spec.steps}" if spec.steps else ""
    return f"{spec.dataset} {spec.backbone.kind} {spec.strategy.kind}{steps}"


def made_by(environment: Mapping[str, Any]) -> str:
    """The software and machine of a trial, in one line."""
    git = f" (git {environment['git']})" if environment.get("git") else ""
    threads = environment.get("threads", 1)
    parts = [
        f"rearec-bench {environment.get('rearec_bench', '?')}{git}",
        f"torch {environment.get('torch', '?')}",
        f"python {environment.get('python', '?')}",
        str(environment.get("gpu") or environment.get("device", "?")),
        f"{threads} thread{'' if threads == 1 else 's'}",
        str(environment.get("cpu", "")),
    ]
    return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class _Use:
    suite: str
    row: str
    place: str


def _uses(key: str, store: Store) -> list[_Use]:
    """The rows of suites that the trial belongs to."""
    uses = []
    for name in store.used_by(key):
        suite, index = store.read_suite(name)
        rows: dict[str, dict[str, None]] = {}
        for each in expand(Suite.from_json(suite)):
            rows.setdefault(each.id, {})[each.row] = None
        for cell_id, cell in index["cells"].items():
            place = ""
            if key in cell.get("search", ()):
                best = ", the best" if cell.get("best") == key else ""
                place = f", search trial {cell['search'].index(key) + 1} of its cell{best}"
            elif key in (*cell.get("failed", ()), *cell.get("behind", ())):
                place = ", search trial of its cell"
            elif key not in cell.get("final", {}).values():
                continue
            uses.append(_Use(name, " and ".join(rows.get(cell_id, ("a row that it has no more",))), place))
    return uses


def _head(result: TrialResult, place: str) -> str:
    spec = result.spec
    if spec.purpose == "final":
        place = "" if spec.is_baseline else f", final run, seed {spec.seed}"
    status: list[str] = [result.status]
    if result.history or spec.is_baseline:
        status.append(duration(result.timings.get("total_s", 0.0)))
    if result.history:
        status.append(plain.counted(len(result.history), "epoch"))
    if result.best_epoch:
        status.append(f"best {result.best_epoch}")
    if not place and not spec.is_baseline:
        place = f", {spec.purpose} trial"
    head = f"{trial_name(spec)}{place}   {', '.join(status)}   key {result.key}"
    return f"{head}\n  {result.reason}" if result.reason else head


def _settings(spec: TrialSpec, width: int) -> Iterator[str]:
    if spec.is_baseline:
        yield from _baseline(spec, width)
        return
    training = {**spec.training.model_dump(mode="json"), "stops by": spec.metric, "seed": spec.seed}
    evaluation = spec.evaluation.model_dump(mode="json")
    yield from _wrapped("strategy", [spec.strategy.kind, *_component(STRATEGIES, spec.strategy)], width)
    yield from _wrapped("backbone", [spec.backbone.kind, *_component(BACKBONES, spec.backbone)], width)
    yield from _wrapped("training", [f"{name} {_shown(value)}" for name, value in training.items()], width)
    yield from _wrapped("evaluation", [f"{name} {_shown(value)}" for name, value in evaluation.items()], width)
    if spec.pruner is not None:
        rungs = ", ".join(map(str, spec.pruner.rungs(spec.training.epoch_limit)))
        yield _line(
            "pruner", f"{spec.pruner.kind}, rungs at epoch {rungs or 'none'}; among those of cell {spec.pruner.cell}"
        )


def all_settings(kind: str, component: Component) -> dict[str, Any]:
    """The settings of a component of a kind such as "backbone", those that specs leave out at their defaults."""
    try:
        fields = TABLES[kind].settings(component.kind).model_fields
    except InputError:  # of a missing plug-in
        fields = {}
    return {**{name: field.default for name, field in fields.items()}, **component.settings}


def _baseline(spec: TrialSpec, width: int) -> Iterator[str]:
    """What a baseline's numbers depend on, which is little."""
    yield from _wrapped("reference", [spec.backbone.kind, *_component(BASELINES, spec.backbone)], width)
    cut = f"   the last max_len {spec.training.max_len} items alone" if spec.hidden == "window" else ""
    yield _line("evaluation", f"mask_history {str(spec.evaluation.mask_history).lower()}{cut}")


def _component(registry: Registry, component: Component) -> Iterator[str]:
    try:
        fields = registry.settings(component.kind).model_fields
    except InputError:  # of a missing plug-in
        fields = {}
    for name, value in component.settings.items():
        extra = fields[name].json_schema_extra if name in fields else None
        symbol = extra.get("symbol") if isinstance(extra, dict) else ""
        yield f"{name} {_shown(value)}" + (f" ({symbol})" if symbol else "")


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list | tuple) else value_text(value)


def _evidence(result: TrialResult) -> Iterator[str]:
    if result.validation is not None:
        yield _line("validation", _metrics(result.validation.readout, [*result.validation.steps], result.spec.metric))
    if result.test is not None:
        yield _line("test", _metrics(result.test.readout, [*result.test.steps], result.spec.metric))
        if result.spec.steps:
            matrix = (" ".join(f"{value:.3f}" for value in row) for row in result.test.similarity)
            yield _line("similarity", f"{' | '.join(matrix)}   (mean cosine between the states of steps, test)")
    elif result.spec.purpose == "search":
        yield _line("test", "search trials are not evaluated on test")


def _metrics(readout: Metrics, steps: list[Metrics], metric: str) -> str:
    words = "  ".join(f"{metric_label(name)} {decimals(value)}" for name, value in readout.items())
    if len(steps) < 2:
        return words
    by_step = " ".join(decimals(step[metric]) for step in steps)
    return f"{words}      steps 0..{len(steps) - 1} {metric_label(metric)}: {by_step}"


def _training(result: TrialResult) -> Iterator[str]:
    if not result.history:
        return
    metric = result.spec.metric
    last = result.history[-1]
    values = [decimals(epoch.validation[metric]) for epoch in result.history]
    yield _line(metric_label(metric), f"by epoch: {_shortened(values)}")
    losses = [f"{epoch.losses[_LOSS_TERMS_FIRST]:.4g}" for epoch in result.history]
    terms = ", ".join(f"{name} {value:.4g}" for name, value in last.losses.items() if name != _LOSS_TERMS_FIRST)
    yield _line("loss", f"by epoch: {_shortened(losses)}" + (f"   (at the end: {terms})" if terms else ""))
    compared = next((epoch for epoch in reversed(result.history) if epoch.gradients), None)
    if compared is not None:
        norms = ", ".join(f"{name} {value:.3g}" for name, value in compared.gradients.items())
        yield _line("gradients", f"in epoch {compared.epoch}: {norms}   (norm of each term's, by the states)")
    timings = result.timings
    parts = [f"{name[:-2]} {timings[name]:.2f} s" for name in ("build_s", "train_s", "evaluate_s") if name in timings]
    rows = sum(epoch.rows_per_s for epoch in result.history) / len(result.history)
    yield _line("time", f"{', '.join(parts)}; {rows:,.0f} training rows/s")
    yield _line("size", f"{result.parameters:,} parameters, peak memory {result.peak_memory_bytes / 2**20:,.0f} MiB")


def _files(result: TrialResult) -> Iterator[str]:
    for split, evidence in (("validation", result.validation), ("test", result.test)):
        if evidence is not None:
            traced = f", states of {len(evidence.traces.rows):,}" if evidence.traces is not None else ""
            yield _line("evidence", f"{split}: ranks at every step of {len(evidence.rows.items):,} rows{traced}")


def _shortened(values: list[str]) -> str:
    if len(values) <= _HISTORY_SHOWN:
        return " ".join(values)
    half = _HISTORY_SHOWN // 2
    return " ".join([*values[:half], "...", *values[-half:]])


def _moment(timings: Mapping[str, float]) -> str:
    try:
        return f"{datetime.fromtimestamp(timings['started_at'], UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (KeyError, OverflowError, ValueError):
        return "unknown"


def _wrapped(label: str, parts: list[str], width: int) -> list[str]:
    """Parts side by side; a line breaks between parts only."""
    glued = "   ".join(part.replace(" ", _GLUE) for part in parts)
    lines = textwrap.wrap(
        glued,
        max(width, 60),
        initial_indent=_line(label, ""),
        subsequent_indent=_line("", ""),
        break_on_hyphens=False,
    )
    return [line.replace(_GLUE, " ") for line in lines]


def _line(label: str, words: str) -> str:
    return f"  {label:<{_LABEL}}{words}"
