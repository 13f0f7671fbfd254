"""Checks of a whole suite: its size, and settings of different sections that do not fit together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..records.spec import epoch_limit
from ..utils.yaml_tree import Items, Mark, Node, Problems, Table
from .model import Parameters, Space

MAX_ROWS = 10_000
MAX_TRIALS = 100_000
MAX_POINTS = 100_000


def rows_of(parameters: Parameters) -> int:
    """How many rows the swept values of one component make; 1 where nothing is swept."""
    return math.prod(len(values) for values in parameters.swept.values())


def too_many_rows(count: int) -> str | None:
    """The message for too many rows; None where there are not too many."""
    if count <= MAX_ROWS:
        return None
    return f"{count:,} rows. Allowed: up to {MAX_ROWS:,}. Sweep fewer values, or make several suites of it."


def check_size(tree: Table, parts: Mapping[str, Any], problems: Problems) -> None:
    """Refuse too many rows or trials: a few sweeps can ask for more than fits into memory."""
    if len(problems):
        return
    steps, training, search = parts["steps"], parts["training"], parts["search"]
    lengths = 1 if isinstance(steps, Space) else len(steps)
    strategies = sum(rows_of(row.parameters) * (lengths if row.uses_steps else 1) for row in parts["strategies"])
    backbones = sum(rows_of(row.parameters) for row in parts["backbones"])
    rows = len(parts["datasets"]) * (backbones * strategies * rows_of(training) + len(parts["references"]))
    searched = isinstance(steps, Space) or any(
        parameters.searched
        for parameters in (training, *(row.parameters for row in (*parts["backbones"], *parts["strategies"])))
    )
    trials = rows * (len(parts["seeds"]) + (max(search.trials, search.epochs or 0) if searched else 0))
    what = too_many_rows(rows)
    if what is None and trials > MAX_TRIALS:
        advice = "Search or sweep less, or make several suites of it."
        what = f"{trials:,} trials. Allowed: up to {MAX_TRIALS:,}. {advice}"
    if what is not None:
        problems.add(Mark(tree.mark.source, 1, 1), what)


def check_seeds(tree: Table, parts: Mapping[str, Any], problems: Problems) -> None:
    """Refuse the search's seed among those of the final runs: the winner's search run would be one of them."""
    seed = parts["search"].seed
    if seed in parts["seeds"]:
        node = tree.entries["seeds"].value
        mark = node.items[parts["seeds"].index(seed)].mark if isinstance(node, Items) else node.mark
        advice = "Final runs need seeds of their own: leave it out, or change search.seed."
        problems.add(mark, f"{seed} is the seed of the search. {advice}")


def check_grid(tree: Table, parts: Mapping[str, Any], problems: Problems) -> None:
    """Refuse ranges for the grid sampler, which needs lists."""
    node = _search_value(tree, "sampler")
    if parts["search"].sampler != "grid" or node is None:
        return
    spaces = {f"training.{name}": space for name, space in parts["training"].searched.items()}
    for section in ("backbones", "strategies"):
        for row in parts[section]:
            spaces |= {f"{section}.{row.name}.{name}": space for name, space in row.parameters.searched.items()}
    if isinstance(parts["steps"], Space):
        spaces["steps"] = parts["steps"]
    endless = [name for name, space in spaces.items() if space.size is None or space.size > MAX_POINTS]
    if endless:
        what = f"grid goes through lists, and a range is given for {', '.join(endless)}."
        problems.add(node.mark, f"{what} Give lists there, or take the sampler tpe or random.")


def check_rungs(tree: Table, parts: Mapping[str, Any], problems: Problems) -> None:
    """Refuse a pruner whose first rung is after the last epoch."""
    training, grace = parts["training"], parts["search"].grace
    space = training.searched.get("max_epochs")
    values = training.swept.get("max_epochs") or (space.choices or (space.high,) if space else ())
    epochs = max(map(epoch_limit, values or (training.fixed.get("max_epochs", 0),)))
    key = "pruner" if _search_value(tree, "grace") is None else "grace"
    node = _search_value(tree, key)
    if parts["search"].pruner != "none" and node is not None and grace >= epochs:
        what = f"the first rung is at epoch {grace}, and no trial has more epochs than {epochs} (training.max_epochs)"
        problems.add(node.mark, f"{what}. Allowed: less.")


def _search_value(tree: Table, key: str) -> Node | None:
    search = tree.entries.get("search")
    entry = search.value.entries.get(key) if search and isinstance(search.value, Table) else None
    return entry.value if entry else None
