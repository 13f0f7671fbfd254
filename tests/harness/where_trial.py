"""Fake trials that say on which node they ran, and whose process cannot write results itself; see fake_trial.py."""

from __future__ import annotations

from typing import Any, NoReturn

import ray
from fake_trial import FakeTrial

from rearec_bench.harness.checkpoint_store import Checkpoints
from rearec_bench.harness.store import Store


def refuse(*given: object, **options: object) -> NoReturn:
    raise PermissionError("only the collector writes")


for owner, verb in ((Store, "write"), (Store, "write_files"), (Checkpoints, "put"), (Checkpoints, "commit")):
    if not hasattr(owner, verb):
        raise AttributeError(f"{owner.__name__}.{verb} has another name now")
    setattr(owner, verb, refuse)


class WhereTrial(FakeTrial):
    """Names its node."""

    def common(self) -> dict[str, Any]:
        return {**FakeTrial.common(self), "environment": {"node": ray.get_runtime_context().get_node_id()}}
