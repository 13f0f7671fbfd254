"""Fake trials that say on which node they ran, and whose process cannot write results itself; see fake_trial.py.

Where the file that HELD_NODES names has a node's id in it, trials on that node wait, and leave a mark beside the file.
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


class WhereTrial(FakeTrial):
    """Names its node, and may be held there."""

    def epoch(self) -> Any:
        here = ray.get_runtime_context().get_node_id()
        held = Path(os.environ["HELD_NODES"])
        while held.exists() and here in held.read_text():
            held.with_suffix(f".{here}").touch()
            time.sleep(0.05)
        return FakeTrial.epoch(self)

    def common(self) -> dict[str, Any]:
        return {**FakeTrial.common(self), "environment": {"node": ray.get_runtime_context().get_node_id()}}
