"""A methods paragraph from stored trials: data, protocol, models, budget, seeds, statistics, machines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import PurePath
from typing import Any

from ..analysis.resultset import ResultSet
from ..analysis.significance import LEVEL
from ..records.results import TrialSummary
from ..records.spec import TrainingSettings, TrialSpec
from ..utils.errors import RearecError
from ..utils.registry import STRATEGIES, Registry
from ..utils.text import counted
from .formats.latex import escape
from .labels import HIDDEN, label_of, metric_label, range_words
from .protocol import look_lines, own_backbones, pruner_lines, shown_line

_CITED = {
    "sasrec": "kang2018sasrec",
    "bert4rec": "sun2019bert4rec",
    "esasrec": "tikhonovich2025esasrec",
    "lares": "liu2025lares",
    "unisrec": "hou2022unisrec",
    "morec": "yuan2023morec",
}
_STRATEGIES = dict.fromkeys(("naive", "rpe", "erl", "prl"), "tang2025rearec") | {
    "plr": "tang2026plr",
    "mancar": "yang2026mancar",
    "lares": "liu2025lares",
}
_STATISTICS = (
    "Differences are tested over users (paired $t$-test on users' means over all runs, corrected by Holm's "
    rf"procedure~\cite{{holm1979simple}} within a table, $\alpha = {LEVEL:g}$) and over seeds (paired $t$-test); "
    "intervals over users are a bootstrap of users with all their rows."
)


def methods(results: ResultSet) -> str:
    r"""The paragraph in LaTeX, with \cite commands for references.bib; a remark where nothing is stored yet."""
    models = results.models().once()
    runs = list({run.key: run for cell in models.cells for run in cell.runs}.values())
    if not runs:
        return f"No final run of {escape(results.name)} is stored yet.\n"
    sentences = [*_data(results), *_models(models, runs), *_baselines(results), *_training(runs)]
    sentences += [*_budget(models, runs), *map(escape, pruner_lines(models)), _STATISTICS]
    sentences += [*map(escape, look_lines(results)), *shown_line(results)]
    return "\n".join([*sentences, *_machines(runs)]) + "\n"


def _data(results: ResultSet) -> list[str]:
    sentences = []
    for dataset in dict.fromkeys(cell.dataset for cell in results.cells):
        facts = results.facts.get(dataset, {})
        counts, protocol = facts.get("statistics", {}), facts.get("protocol", {})
        words = [escape(dataset)]
        sizes = [f"{counts[name]:,} {name}" for name in ("users", "items", "interactions") if name in counts]
        rows = counts.get("rows", {})
        splits = (("train", "training"), ("valid", "validation"), ("test", "test"))
        sizes += [counted(rows[split], f"{name} row") for split, name in splits if split in rows]
        words += [", ".join(sizes)] if sizes else []
        if facts.get("unseen_left_out"):
            words.append(f"{facts['unseen_left_out']:,} more test rows with items unseen in training left out")
        words += [
            f"{name}: {escape(str(protocol[name]))}" for name in ("filters", "split", "catalogue") if name in protocol
        ]
        if "vectors" in facts:
            vectors = facts["vectors"]
            words.append(f"item vectors: {escape(str(vectors['encoder']))}, {vectors['width']:,} wide")
        sentences.append(f"Data: {'; '.join(words)}.")
    return sentences


def _models(results: ResultSet, runs: list[TrialSummary]) -> list[str]:
    backbones = ", ".join(
        escape(label_of(kind)) + (rf"~\cite{{{_CITED[kind]}}}" if kind in _CITED else "")
        for kind in dict.fromkeys(run.spec.backbone.kind for run in runs)
    )
    rows = ", ".join(escape(label_of(row)) for row in dict.fromkeys(cell.strategy for cell in results.cells))
    own = {run.spec.strategy.kind: _file_of(STRATEGIES, run.spec.strategy.kind) for run in runs}
    ours: dict[str, list[str]] = {}
    for kind, file in own.items():
        if not file and kind in _STRATEGIES:
            ours.setdefault(_STRATEGIES[kind], []).append(escape(label_of(kind)))
    theirs = [f"{escape(label_of(kind))} is defined in {escape(file)}." for kind, file in own.items() if file]
    cited = [rf"{', '.join(kinds)}: the reasoning strategies of~\cite{{{source}}}" for source, kinds in ours.items()]
    of_whom = f" ({'; '.join(cited)})" if cited else ""
    if words := own_backbones(results):
        theirs.append(f"On a backbone of their own: {escape(words)}.")
    width = _either(run.spec.backbone.settings.get("width") for run in runs)
    depths = _either(run.spec.steps for run in runs)
    return [
        rf"We compare {rows}{of_whom} on {backbones}, with width {width} and $K \in \{{{depths}\}}$ reasoning steps.",
        *theirs,
    ]


def _file_of(registry: Registry, kind: str) -> str:
    """The file or package of a plug-in, "" for what is built in, and a remark for a plug-in that is not here."""
    try:
        origin = registry.origin(kind)
    except RearecError:
        return "a plug-in that is not installed here"
    return "" if origin == "built in" else PurePath(origin).name


def _baselines(results: ResultSet) -> list[str]:
    rows = {cell.place: cell for cell in results.cells if cell.is_baseline}
    names = list(dict.fromkeys(escape(label_of(cell.backbone)) for cell in rows.values()))
    return [f"Baselines without a model, counts of the training rows: {', '.join(names)}."] if names else []


def _searched(results: ResultSet) -> list[str]:
    """What is searched, in which ranges, for each row that has a search."""
    of: dict[str, list[str]] = {}
    for cell in results.cells:
        words = ", ".join(f"{escape(name)} in {escape(range_words(space))}" for name, space in cell.space.items())
        if words:
            of.setdefault(words, []).append(escape(label_of(cell.strategy)))
    return [f"Searched for {', '.join(dict.fromkeys(rows))}: {words}." for words, rows in of.items()]


def _training(runs: list[TrialSummary]) -> list[str]:
    def of(value: Callable[[TrialSpec], Any]) -> str:
        return _either(value(run.spec) for run in runs)

    masked = of(lambda spec: HIDDEN[spec.hidden])
    return [
        f"Models are trained with {of(lambda spec: 'AdamW' if spec.training.weight_decay else 'Adam')} for at most "
        f"{counted(of(lambda spec: spec.training.epoch_limit), 'epoch')} "
        f"(patience {of(lambda spec: spec.training.patience)}) "
        f"with batches of {counted(of(lambda spec: spec.training.batch_size), 'row')} and learning rate "
        f"{of(lambda spec: spec.training.lr)}{_refinements(runs)}; histories are cut to "
        f"{counted(of(lambda spec: spec.training.max_len), 'item')}.",
        f"The target is ranked among all items, the history is {masked}, and ties count against the target.",
    ]


def _refinements(runs: list[TrialSummary]) -> str:
    """What the runs have beside a constant learning rate; "" where it is nothing."""
    words = {
        "weight_decay": "weight decay",
        "warmup_steps": "warm-up steps",
        "schedule": "schedule",
        "grad_clip": "gradients clipped to the norm",
    }
    used = {name: {getattr(run.spec.training, name) for run in runs} for name in words}
    default = TrainingSettings.model_fields
    said = [f"{words[name]} {_either(values)}" for name, values in used.items() if values != {default[name].default}]
    return f" ({', '.join(said)})" if said else ""


def _budget(results: ResultSet, runs: list[TrialSummary]) -> list[str]:
    metric = escape(metric_label(_either(run.spec.metric for run in runs)))
    searched = [cell for cell in results.cells if cell.search_trials]
    seeds = _either(len(cell.seeds) for cell in results.cells if not cell.unsupported)
    sentences = []
    if searched:
        trials = sorted({cell.search_trials for cell in searched})
        noun = "trial" if trials == [1] else "trials"
        many = str(trials[0]) if len(trials) == 1 else f"{trials[0]} to {trials[-1]}"
        sentences.append(
            rf"Hyper-parameters are chosen on validation {metric} among {many} {noun} per row "
            rf"(Optuna~\cite{{akiba2019optuna}}, Ray Tune~\cite{{liaw2018tune}}); search trials are never evaluated on "
            "test."
        )
        sentences += _searched(results)
    else:
        sentences.append(f"No hyper-parameter is searched; the epoch is chosen on validation {metric}.")
    unfinished = [cell for cell in results.once().cells if not cell.unsupported and len(cell.runs) < len(cell.seeds)]
    missing = (
        f" ({counted(len(unfinished), 'row')} {'has' if len(unfinished) == 1 else 'have'} fewer, which the tables show)"
        if unfinished
        else ""
    )
    several = "seed" if seeds == "1" else "seeds, whose means we report"
    further = "further " if searched else ""
    return [*sentences, f"Every row is trained under {seeds} {further}{several}{missing}."]


def _machines(runs: list[TrialSummary]) -> list[str]:
    def used(name: str) -> str:
        return _either(run.environment[name] for run in runs if name in run.environment)

    hours = sum(run.timings.get("total_s", 0.0) for run in runs) / 3600
    device = used("gpu") or used("cpu") or used("device") or "unnamed hardware"
    return [
        f"Final runs took {hours:.1f} hours in all on {escape(device)} with PyTorch {escape(used('torch'))}, by "
        f"rearec-bench {escape(used('rearec_bench'))}."
    ]


def _either(values: Iterable[Any]) -> str:
    return ", ".join(str(value) for value in sorted({value for value in values if value is not None}, key=str))
