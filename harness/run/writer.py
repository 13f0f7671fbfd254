"""The one writer of trials: a Ray actor on the driver's node that receives the workers' results and checkpoints."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from ..plan.pruning import Brackets, Reached
from ..records.pruner import Pruner
from ..records.results import TrialResult, TrialSummary
from ..store.checkpoints import Checkpoints
from ..store.store import Store
from ..utils.errors import CheckpointError, StoreError


class Collector:
    """Writes results; a trial reports itself done only after `write` has returned.

    If it is killed, Ray restarts it and repeats the current call: writing twice is harmless. `searched` has the keys of
    stored search trials by cell id, for cells with a pruner.
    """

    def __init__(self, root: str, searched: Mapping[str, Sequence[str]] | None = None) -> None:
        self._store = Store(Path(root))
        self._brackets = Brackets(self._stored, searched or {})
        self._checkpoints = Checkpoints(Path(root), clean=True)
        self._suspension_requested = False

    def write(self, result: TrialResult, keep: bool = False) -> str:
        """Store a result, and remove its checkpoint unless `keep`; "" once it is on disk, else the reason."""
        try:
            self._store.write(result, replace=True)
        except Exception as error:  # the run ends with this reason; a traceback in a worker would be lost
            return f"{type(error).__name__}: {error}" if not str(error) else str(error)
        with contextlib.suppress(CheckpointError):  # the rest is removed when the suite ends
            self._checkpoints.finish(result.key, keep=keep and result.status == "done")
        self._brackets.ended(result)
        return ""

    def promote(self, key: str, reached: Reached, pruner: Pruner, metric: str) -> str:
        """Why a search trial ends at this rung; "" if it goes on."""
        return self._brackets.promote(key, reached, pruner, metric=metric)

    def _stored(self, key: str) -> TrialSummary | None:
        """A trial that was stored before this run, for its bracket; one that cannot be read takes no part."""
        with contextlib.suppress(StoreError):
            return self._store.lookup(key)
        return None

    def checkpoint(self, verb: Literal["write", "read"], *arguments: Any) -> tuple[Any, str]:
        """Read or write a worker's checkpoint; the answer, and the reason if that failed."""
        try:
            return getattr(self._checkpoints, verb)(*arguments), ""
        except CheckpointError as error:
            return None, str(error)

    def request_suspension(self) -> None:
        """Ask the trials to suspend."""
        self._suspension_requested = True

    def suspension_requested(self) -> bool:
        """Whether the trials should suspend."""
        return self._suspension_requested

    def flush(self) -> None:
        """Return once all earlier calls are done."""
