"""Printed names of rows: a variant's name, and the swept values that set its cells apart."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from .model import Parameters


def swept_values(parameters: Parameters) -> tuple[dict[str, Any], ...]:
    """The combinations of swept values, in the order of the file; one empty combination where nothing is swept."""
    names = list(parameters.swept)
    return tuple(
        dict(zip(names, values, strict=True))
        for values in itertools.product(*(parameters.swept[name] for name in names))
    )


def row_label(name: str, values: Mapping[str, Any]) -> str:
    """`prl_decay[decay=1]`; the bare name where nothing is swept."""
    if not values:
        return name
    return f"{name}[{','.join(f'{key}={value_text(value)}' for key, value in values.items())}]"


def value_text(value: Any) -> str:
    """A value as suites write it: 1 for 1.0, true, null."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)
