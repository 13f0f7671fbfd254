"""Fake trials that say on which node they ran, and whose process cannot write results itself; see fake_trial.py.

While the file that HELD_NODES names is there, trials on the node whose id it has wait, and on any other those after its
first. Who waits leaves a mark beside the file.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, NoReturn

import ray
from fake_trial import FakeTrial

from rearec_bench.harness.store.checkpoints import Checkpoints
from rearec_bench.harness.store.store import Store


def refuse(*given: object, **options: object) -> NoReturn:
    raise PermissionError("only the collector writes")


for owner, verb in ((Store, "write"), (Store, "write_files"), (Checkpoints, "write")):
    if not hasattr(owner, verb):
        raise AttributeError(f"{owner.__name__}.{verb} has another name now")
    setattr(owner, verb, refuse)


def _mark(word: str) -> Path:
    """A file beside HELD_NODES for this node."""
    return Path(os.environ["HELD_NODES"]).with_suffix(f".{ray.get_runtime_context().get_node_id()}.{word}")


class WhereTrial(FakeTrial):
    """Names its node, and may be held there."""

    def epoch(self) -> Any:
        while self.is_held():
            _mark("waits").touch()
            time.sleep(0.05)
        return FakeTrial.epoch(self)

    def is_held(self) -> bool:
        try:
            held = Path(os.environ["HELD_NODES"]).read_text()
        except FileNotFoundError:
            return False
        return ray.get_runtime_context().get_node_id() == held or _mark("ended").exists()

    def result(self) -> Any:
        _mark("ended").touch()
        return FakeTrial.result(self)

    def common(self) -> dict[str, Any]:
        return {**FakeTrial.common(self), "environment": {"node": ray.get_runtime_context().get_node_id()}}
