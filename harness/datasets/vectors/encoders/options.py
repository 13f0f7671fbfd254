"""How a language model reads texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MAX_TOKENS = 512
BATCH_TOKENS: Mapping[str, int] = {"cpu": 4096, "cuda": 16384}


@dataclass(frozen=True)
class Options:
    """How a language model reads texts.

    Attributes:
        max_tokens: a longer text is cut; None for the default. Never more than the model's own limit.
        batch_tokens: most tokens in a batch, padding among them; None for the device's default.
        device: "cpu" (float32) or "cuda" (bfloat16); None for a GPU where there is one.
    """

    max_tokens: int | None = None
    batch_tokens: int | None = None
    device: str | None = None
