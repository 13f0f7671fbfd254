"""Vectors of a data set's items, made from their texts: what a text-based backbone starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ItemVectors:
    """One vector an item.

    Attributes:
        values: (N, m) float32.
        fingerprint: 64 hexadecimal digits, a hash of the shape and the values.
        card: how they were made, as JSON values.
    """

    values: NDArray[np.float32]
    fingerprint: str
    card: Mapping[str, Any]
