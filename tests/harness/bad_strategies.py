"""A plug-in whose strategy goes wrong in the way that its suite says; a worker is used again after each."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from rearec_bench.models.losses import catalogue_loss
from rearec_bench.models.settings import StrategySettings, param
from rearec_bench.models.strategies.contract import Strategy

GIB = 2**30


class Bad(Strategy):
    """Cross-entropy of the last step, unless told to go wrong."""

    class Settings(StrategySettings):
        """How it goes wrong."""

        how: Literal[
            *(
                "well",
                "nan",
                "explodes",
                "nan_gradient",
                "no_memory",
                "raises",
                "raises_much",
                "exits",
                "hangs",
                "prints",
            ),
            *("vector_loss", "no_loss", "wrong_readout", "few_readouts", "wide_readout", "vector_term", "tensor_term"),
        ] = param("well", "what happens in the third batch and after it")
        megabytes: int = param(100, "how much is printed", ge=1)

    _batches = 0

    def loss(self, reasoned: Any, catalogue: Any) -> tuple[Any, Mapping[str, Any]]:
        self._batches += 1
        given = {"temperatures": [catalogue.temperature], "ce_weights": [1.0]}
        terms = catalogue_loss(reasoned.states[:, -1:], catalogue.vectors, reasoned.targets, **given)
        wrong = getattr(self, f"_{self.settings.how}", None)
        if self._batches < 3 or wrong is None:
            return terms.total, {"cross_entropy": float(terms.cross_entropy)}
        changed = wrong(terms.total, reasoned.states)
        return changed if isinstance(changed, tuple) else (changed, {"cross_entropy": float(terms.cross_entropy)})

    def readout(self, states: Tensor) -> Tensor:
        last = states[..., -1, :]
        wrong = {
            "wrong_readout": lambda: states,
            "few_readouts": lambda: last.mean(0, keepdim=True),
            "wide_readout": lambda: torch.cat([last, last], -1),
        }
        return wrong[self.settings.how]() if self.settings.how in wrong else last

    def _nan(self, total: Tensor, states: Tensor) -> Tensor:
        return total * float("nan")

    def _explodes(self, total: Tensor, states: Tensor) -> Tensor:
        return total * 1e6**self._batches

    def _nan_gradient(self, total: Tensor, states: Tensor) -> Tensor:
        return total + (states * 0).sum().sqrt()

    def _no_memory(self, total: Tensor, states: Tensor) -> Tensor:
        with limited(GIB):
            return total + torch.ones(8 * GIB, dtype=torch.uint8).sum()

    def _raises(self, total: Tensor, states: Tensor) -> Tensor:
        raise KeyError("no such layer")

    def _raises_much(self, total: Tensor, states: Tensor) -> Tensor:
        raise ValueError("\x1b[2J" + "x" * 20_000_000)

    def _exits(self, total: Tensor, states: Tensor) -> Tensor:
        sys.exit(3)

    def _hangs(self, total: Tensor, states: Tensor) -> Tensor:
        time.sleep(3600)
        return total

    def _prints(self, total: Tensor, states: Tensor) -> Tensor:
        if self._batches == 3:
            for _ in range(self.settings.megabytes):
                sys.stdout.write(("x" * 1023 + "\n") * 1024)
        return total

    def _vector_loss(self, total: Tensor, states: Tensor) -> Tensor:
        return total + states[:, -1, 0]

    def _no_loss(self, total: Tensor, states: Tensor) -> Any:
        return None, {}

    def _vector_term(self, total: Tensor, states: Tensor) -> Any:
        return total, {"each": states[:, -1, 0]}

    def _tensor_term(self, total: Tensor, states: Tensor) -> Any:
        return total, {"tensor": total * 2}


@contextmanager
def limited(more: int) -> Iterator[None]:
    """The process may have so many bytes more than it has, as a host with little memory would let it."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


STRATEGIES = {"bad": Bad}
