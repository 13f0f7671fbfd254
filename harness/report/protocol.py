"""The lines that end every table: how its numbers were made, and what is missing from it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from ..analysis.resultset import CellResults, ResultSet
from ..records.provenance import made_with
from ..records.results import TrialSummary, converged
from ..store.shown import shown_early
from ..store.suites import last_command
from ..utils.errors import StoreError
from ..utils.text import counted
from .labels import HIDDEN, label_of, metric_label, steps_label


def protocol_lines(results: ResultSet, split: str = "test") -> tuple[str, ...]:
    """Split, candidates, masking, ties, lengths, seeds, trials and epochs behind each row, and everything missing.

    Of several suites each line begins with the suite's name.
    """
    if results.parts:
        return tuple(f"{part.name}: {line}" for part in results.parts for line in protocol_lines(part, split))
    runs = [run for cell in results.cells for run in cell.runs]
    lines = [*_data_lines(results, runs, split), *_training_lines(results.models().once()), *_baseline_lines(results)]
    lines += [f"Not run: {_row_name(cell)}: {cell.unsupported}." for cell in results.once().cells if cell.unsupported]
    lines += [*_gaps(results.once()), *look_lines(results), *shown_line(results)]
    lines += _origin_lines(results)
    lines += [
        f"Left out: trial {key[:8]} is damaged ({why}). To repeat it:  rearec-bench results verify --fix  and run again"
        for key, why in sorted(results.damaged.items())
    ]
    if results.changed:
        lines.append(
            f"The source of {', '.join(results.changed)} has changed since its trials ran; to repeat them:  "
            "rearec-bench run SUITE --refresh"
        )
    return tuple(lines)


def _data_lines(results: ResultSet, runs: list[TrialSummary], split: str) -> list[str]:
    lines = []
    datasets = list(dict.fromkeys(cell.dataset for cell in results.cells))
    for dataset in datasets:
        facts = results.facts.get(dataset, {})
        counts, protocol = facts.get("statistics", {}), facts.get("protocol", {})
        words = []
        if split in counts.get("rows", {}):
            words.append(f"{counted(counts['rows'][split], 'row')} of {counted(counts['row_users'][split], 'user')}")
        if split == "test" and facts.get("unseen_left_out"):
            words.append(f"{facts['unseen_left_out']:,} more with items unseen in training left out")
        if "split" in protocol:
            words.append(f"split {protocol['split']}")
        words.append(f"all {counts['items']:,} items ranked" if "items" in counts else "all items ranked")
        name = "Test" if split == "test" else "Validation"
        name += "" if len(datasets) == 1 else f" of {dataset}"
        lines.append(f"{name}: {', '.join([*words, *_ranking_words(runs)])}.")
        if "vectors" in facts:
            of = "Item vectors" if len(datasets) == 1 else f"Item vectors of {dataset}"
            lines.append(f"{of}: {facts['vectors']['encoder']}, {facts['vectors']['width']:,} wide.")
    return lines


def _ranking_words(runs: list[TrialSummary]) -> list[str]:
    masked = _either(runs, lambda run: HIDDEN[run.spec.hidden])
    words = [f"history {masked}"] if masked else []
    words.append("ties against the target")
    length = _either((run for run in runs if not run.spec.is_baseline), lambda run: run.spec.training.max_len)
    return [*words, f"max length {length}"] if length else words


def _training_lines(results: ResultSet) -> list[str]:
    runs = [run for cell in results.cells for run in cell.runs]
    seeds = sorted({len(cell.seeds) for cell in results.cells if not cell.unsupported})
    count = " or ".join(map(str, seeds))
    lines = [f"Means of {count} seeds (standard deviations with --format csv or --spread)."]
    if count == "1":
        lines = ["One seed: no standard deviations."]
    if not runs:
        return [*lines, "No final run of a model is stored yet."]
    lines[0] += f" Up to {counted(_either(runs, lambda run: run.spec.training.epoch_limit), 'epoch')},"
    lines[0] += f" patience {_either(runs, lambda run: run.spec.training.patience)};"
    lines[0] += f" packing {_either(runs, lambda run: run.spec.training.packing)}."
    depths = {cell.steps for cell in results.cells if cell.steps}
    if len(depths) == 1:
        lines[0] += f" K = {depths.pop()}."
    recipes = dict.fromkeys(
        f"{cell.strategy} {recipe}"
        for cell in results.cells
        for run in cell.runs
        if (recipe := run.spec.strategy.settings.get("recipe", "paper")) != "paper"
    )
    if recipes:
        lines.append(f"Recipe: {', '.join(recipes)}.")
    if words := own_backbones(results):
        lines.append(f"On a backbone of their own: {words}.")
    metric = _either(runs, lambda run: metric_label(run.spec.metric))
    if budgets := _budgets(results):
        among = "distinct settings tried of those to search; epochs in all"
        lines.append(f"Chosen on validation {metric} among ({among}): {budgets}.")
    lines += [*pruner_lines(results), *_convergence_lines(results)]
    chosen = [
        f"{_row_name(cell)}: K={cell.runs[0].spec.steps}" for cell in results.cells if cell.steps is None and cell.runs
    ]
    return [*lines, f"K as chosen on validation: {'; '.join(chosen)}."] if chosen else lines


def own_backbones(results: ResultSet) -> str:
    """The rows that stand on another backbone than the one they are listed with, each with that backbone."""
    shown = {cell.strategy for cell in results.cells}
    rows = results.suite.strategies if results.suite is not None else ()
    return ", ".join(
        f"{label_of(row.name)} ({label_of(row.on.kind)})" for row in rows if row.on is not None and row.name in shown
    )


def pruner_lines(results: ResultSet) -> list[str]:
    """What a pruner did, and that it does not do it twice."""
    if results.suite is None or results.suite.search.pruner == "none":
        return []
    search = results.suite.search
    trials = [trial for cell in results.cells for trial in cell.searched]
    if not trials:
        return []
    pruned = sum(trial.status == "pruned" for trial in trials)
    return [
        f"Pruner {search.pruner} (rungs at {search.grace}, {search.grace * search.reduction}, ... epochs, one in "
        f"{search.reduction} goes on): {pruned:,} of {counted(len(trials), 'search trial')} ended early. Which ones "
        "depends on how many trials ran at once: this search is not the same again on another number of workers."
    ]


def _convergence_lines(results: ResultSet) -> list[str]:
    """The rows with trials that `max_epochs` ended, how many these are, and how to let them go on."""
    runs = [run for cell in results.cells for run in cell.runs]
    searched = [trial for cell in results.cells for trial in cell.searched if trial.status == "done"]
    finals, searches = ([trial for trial in trials if not converged(trial)] for trials in (runs, searched))
    rows = [
        f"{_row_name(cell)} {count}"
        for cell in results.cells
        if (count := sum(not converged(run) for run in cell.runs))
    ]
    which = f" ({', '.join(rows)})" if len(finals) < len(runs) else ""
    counts = [f"{len(finals):,} of {counted(len(runs), 'final run')}{which}"] if finals else []
    counts += [f"{len(searches):,} of {counted(len(searched), 'search trial')}"] if searches else []
    if not counts:
        return []
    numbered = [trial.spec.training for trial in (*finals, *searches) if trial.spec.training.max_epochs != "auto"]
    command = last_command(results.store.suite_folder(results.name)) or "rearec-bench run SUITE"
    advice = f" To train on until patience does:  {command} --set training.max_epochs=auto"
    if any(training.schedule == "cosine" for training in numbered):
        advice = " Raise training.max_epochs; a cosine has its best epochs near its end, however long it is."
    return [f"Not converged: max_epochs, not patience, ended {' and '.join(counts)}.{advice if numbered else ''}"]


def _baseline_lines(results: ResultSet) -> list[str]:
    names = list(dict.fromkeys(label_of(cell.backbone) for cell in results.cells if cell.is_baseline))
    if not names:
        return []
    several = len(names) > 1
    what, them = ("are counts", "them") if several else ("is a count", "it")
    words = f"{' and '.join(names)} {what} of the training rows, without a model"
    return [f"{words}: one run, deterministic, the same for every backbone; bold leaves {them} out."]


def _tried(trials: str, cells: Iterable[CellResults]) -> str:
    """The distinct search trials of some cells, of how many points each."""
    sizes = {cell.points for cell in cells}
    finite = sorted(size for size in sizes if size is not None)
    span = [f"{size:,}" for size in dict.fromkeys((finite[0], finite[-1]))] if finite else []
    of = [*(["-".join(span)] if span else []), *(["continuous"] if None in sizes else [])]
    return f"{trials} of {' or '.join(of)}" if span else f"{trials}, continuous"


def _budgets(results: ResultSet) -> str:
    several = len({cell.steps for cell in results.cells if cell.steps}) > 1
    rows: dict[str, list[CellResults]] = {}
    for cell in results.cells:
        if not cell.unsupported and (cell.points != 1 or cell.search_trials):
            shown = steps_label(cell.steps)
            name = f"{cell.strategy} {shown}" if cell.steps is None or (several and cell.steps) else cell.strategy
            rows.setdefault(name, []).append(cell)
    parts = []
    for name, cells in rows.items():
        trials = sorted({cell.search_trials for cell in cells})
        shown = str(trials[0]) if len(trials) == 1 else f"{trials[0]}-{trials[-1]}"
        parts.append(f"{name} ({_tried(shown, cells)}; {sum(cell.epochs for cell in cells):,})")
    return ", ".join(parts)


def _gaps(results: ResultSet) -> list[str]:
    lines = []
    for cell in results.cells:
        if cell.unsupported or len(cell.runs) == len(cell.seeds):
            continue
        why = [f"seed {seed} {reason}" for seed, reason in cell.ended.items()]
        if cell.missing:
            plural = "s" if len(cell.missing) > 1 else ""
            why.append(cell.note or f"seed{plural} {', '.join(map(str, cell.missing))} not run yet")
        lines.append(f"{_row_name(cell)}: {len(cell.runs)}/{len(cell.seeds)} final runs ({'; '.join(why)}).")
    return lines


def look_lines(results: ResultSet) -> list[str]:
    """How many looks there were where seeds were added until rows were decided, and what they found."""
    looked = [cell for cell in results.cells if cell.looks]
    if results.suite is None or not looked:
        return []
    rows = ", ".join(
        f"{_row_name(cell)} {'told apart' if cell.looks[-1]['decided'] else 'open'} with "
        f"{counted(cell.looks[-1]['seeds'], 'seed')}"
        for cell in looked
    )
    return [
        f"Seeds were added until rows were decided, {len(results.suite.seeds)} at most: "
        f"{counted(max(len(cell.looks) for cell in looked), 'look')} over users and seeds at once, whose levels spend "
        f"5% over all looks of a row (Lan-DeMets, O'Brien-Fleming): {rows}. Gains of rows that ended early are too "
        "large on average, and p-values of other tables do not know of the looks."
    ]


def shown_line(results: ResultSet) -> list[str]:
    """How often test numbers were shown before the final runs were complete; nothing where they were not."""
    times = [event["time"] for event in shown_early(results.store.suite_folder(results.name))]
    if not times:
        return []
    first = time.strftime("%Y-%m-%d", time.gmtime(min(times)))
    return [
        f"Test numbers were shown {counted(len(times), 'time')} before the final runs were complete, first on {first}."
    ]


def _origin_lines(results: ResultSet) -> list[str]:
    """How many trials were taken over from whom, and what they were made with."""
    trials = {trial.key: trial for cell in results.cells for trial in (*cell.searched, *cell.finals)}
    counts: Counter[str] = Counter()
    for key, trial in trials.items():
        with suppress(StoreError):  # damaged since it was read
            if origin := results.store.origin(key):
                counts[f"{origin} ({made_with(trial.environment)})"] += 1
    return [f"Taken over: {counted(count, 'trial')} of {whose}." for whose, count in sorted(counts.items())]


def _row_name(cell: CellResults) -> str:
    steps = f" {steps_label(cell.steps)}" if cell.steps else ""
    return f"{cell.dataset} {label_of(cell.backbone)} {cell.strategy}{steps}"


def _either(runs: Iterable[TrialSummary], of: Callable[[TrialSummary], Any]) -> str:
    return " or ".join(map(str, sorted({of(run) for run in runs})))
