"""Precision of training: what `training.precision` switches. Ranking never sees it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

Precision = Literal["fp32", "tf32", "bf16"]


@contextmanager
def products(precision: Precision) -> Iterator[None]:
    """Where matrix products of float32 may be rounded to TF32 on a GPU: in a training step that asks for it."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def mixed(precision: Precision, device: torch.device) -> torch.autocast:
    """Automatic mixed precision in bfloat16 for the forward pass, where it is asked for; weights stay in float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
