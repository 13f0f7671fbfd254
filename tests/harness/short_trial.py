"""Fake trials that run out of memory, of time, or hang; see fake_trial.py.

`lr` 0.55 runs out of memory unless it has a whole GPU, 0.6 runs out of it anyway, 0.7 takes longer than
it may, 0.8 hangs.
"""

from __future__ import annotations

import time
from typing import Any

import ray
import torch
from fake_trial import FakeTrial


class ShortTrial(FakeTrial):
    """Ends badly as its learning rate says."""

    def epoch(self) -> Any:
        lr = self.spec.training.lr
        gpus = ray.get_runtime_context().get_assigned_resources().get("GPU", 0.0)
        if lr == 0.6 or (lr == 0.55 and gpus < 1):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        if lr == 0.7:
            time.sleep(45)
        if lr == 0.8:
            time.sleep(3600)
        return FakeTrial.epoch(self)
