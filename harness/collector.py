"""The one writer of trials: a Ray actor on the driver's node that workers hand results and checkpoints to."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Literal

from .checkpoint_store import Checkpoints
from .errors import CheckpointError
from .results import TrialResult
from .store import Store


class Collector:
    """Writes results; a trial reports itself done only after `write` has returned.

    Ray starts it anew should it be killed and repeats the call that was under way: writing twice is harmless.

    Args:
        root: the store's folder.
    """

    def __init__(self, root: str) -> None:
        self._store = Store(Path(root))
        self._checkpoints = Checkpoints(Path(root), clean=True)

    def write(self, result: TrialResult, keep: bool = False) -> str:
        """Store a result; its checkpoint is no longer needed.

        Args:
            result: the trial.
            keep: the weights in its checkpoint stay.

        Returns:
            "" once it is on disk, else why it could not be written.
        """
        try:
            self._store.write(result, replace=True)
        except Exception as error:  # the run ends with this reason; a traceback in a worker would be lost
            return f"{type(error).__name__}: {error}" if not str(error) else str(error)
        with contextlib.suppress(CheckpointError):  # what is left goes when the suite ends
            self._checkpoints.finish(result.key, keep=keep and result.status == "done")
        return ""

    def checkpoint(self, verb: Literal["put", "commit", "open", "get"], *arguments: Any) -> tuple[Any, str]:
        """Do what a worker asks of the checkpoints.

        Returns:
            The answer, and why there is none.
        """
        try:
            return getattr(self._checkpoints, verb)(*arguments), ""
        except CheckpointError as error:
            return None, str(error)

    def flush(self) -> None:
        """Return once every call before this one has been served."""
