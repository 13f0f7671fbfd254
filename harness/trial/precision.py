"""Precision of training: what `training.precision` switches. Ranking never sees it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Literal

import torch

from ..utils.errors import RearecError

Precision = Literal["fp32", "tf32", "bf16"]


@cache
def multiplies_bfloat16() -> bool:
    """Whether torch's switch rounds the factors of float32 products here, by trying: AVX-512 BF16 alone does not."""
    switch: Any = getattr(torch.backends.mkldnn, "matmul", None)  # newer than the oldest torch
    before = getattr(switch, "fp32_precision", None)
    if before is None:
        return False
    factors = torch.full((64, 64), 1 + 2.0**-12, dtype=torch.float32)  # 1 in bfloat16
    switch.fp32_precision = "bf16"
    try:
        return bool((factors @ factors == len(factors)).all())
    finally:
        switch.fp32_precision = before


@contextmanager
def products(precision: Precision, device: torch.device) -> Iterator[None]:
    """Where the factors of float32 matrix products may be rounded: in a training step that asks for it.

    To TF32 on a GPU, to bfloat16 on a CPU; the sums are of float32. The switches are the process's, so they are put
    back. While the CPU's is on, torch.get_float32_matmul_precision fails: torch cannot name the mixture.

    Raises:
        RearecError: the processor cannot multiply bfloat16.
    """
    on_cpu = device.type == "cpu"
    if on_cpu and precision == "bf16" and not multiplies_bfloat16():
        raise RearecError("training.precision: this processor has no units for bf16 that torch uses (AMX).")
    gpu = torch.backends.cuda.matmul
    cpu: Any = getattr(torch.backends.mkldnn, "matmul", None) if on_cpu else None  # newer than the oldest torch
    before = gpu.allow_tf32, getattr(cpu, "fp32_precision", None)
    gpu.allow_tf32 = precision == "tf32"
    if cpu is not None:
        cpu.fp32_precision = "bf16" if precision == "bf16" else "ieee"
    try:
        yield
    finally:
        gpu.allow_tf32 = before[0]
        if cpu is not None:
            cpu.fp32_precision = before[1]


def mixed(precision: Precision, device: torch.device) -> torch.autocast:
    """Automatic mixed precision in bfloat16 for the forward pass on a GPU that is asked for it; weights are float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16" and device.type != "cpu")
