"""Precision of training: what `training.precision` switches. Ranking never sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import torch

from ..utils.errors import RearecError

Precision = Literal["fp32", "tf32", "bf16"]


def multiplies_bfloat16() -> bool:
    """Whether this processor has units that multiply bfloat16, and this torch can use them for float32."""
    query: Callable[[], Mapping[str, Any]] = getattr(torch.cpu, "get_capabilities", dict)  # newer than the oldest torch
    capabilities = query()
    has_units = any(capabilities.get(unit) for unit in ("amx_bf16", "avx512_bf16"))
    return has_units and bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


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
        raise RearecError("training.precision: this processor has no units for bf16 (AMX or AVX-512 BF16).")
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
