"""How large a suite may be: some lines of sweeps ask for more rows than there is memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .model import Parameters, Space

MOST_ROWS = 10_000
MOST_TRIALS = 100_000
MOST_POINTS = 100_000


def rows_of(parameters: Parameters) -> int:
    """How many rows the swept values of one component make; 1 where nothing is swept."""
    return math.prod(len(values) for values in parameters.swept.values())


def too_many_rows(count: int) -> str | None:
    """What to say of so many rows, None where they are not too many."""
    if count <= MOST_ROWS:
        return None
    return f"{count:,} rows. Allowed: up to {MOST_ROWS:,}. Sweep fewer values, or make several suites of it."


def too_large(parts: Mapping[str, Any]) -> str | None:
    """What to say of a suite with too many rows or trials.

    Args:
        parts: the fields of a `Suite`.

    Returns:
        The words, None where it is not too large.
    """
    steps, training = parts["steps"], parts["training"]
    lengths = 1 if isinstance(steps, Space) else len(steps)
    strategies = sum(rows_of(one.parameters) * (lengths if one.uses_steps else 1) for one in parts["strategies"])
    encoders = sum(rows_of(one.parameters) for one in parts["backbones"])
    rows = len(parts["datasets"]) * (encoders * strategies * rows_of(training) + len(parts["references"]))
    searched = isinstance(steps, Space) or any(
        one.searched for one in (training, *(row.parameters for row in (*parts["backbones"], *parts["strategies"])))
    )
    search = parts["search"]
    trials = rows * (len(parts["seeds"]) + (max(search.trials, search.epochs or 0) if searched else 0))
    if (words := too_many_rows(rows)) is not None:
        return words
    if trials > MOST_TRIALS:
        return f"{trials:,} trials. Allowed: up to {MOST_TRIALS:,}. Search or sweep less, or make several suites of it."
    return None
