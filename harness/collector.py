"""The one writer of trials: a Ray actor on the driver's node that workers hand their results to."""

from __future__ import annotations

from pathlib import Path

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

    def write(self, result: TrialResult) -> str:
        """Store a result.

        Returns:
            "" once it is on disk, else why it could not be written.
        """
        try:
            self._store.write(result, replace=True)
        except Exception as error:  # the run ends with this reason; a traceback in a worker would be lost
            return f"{type(error).__name__}: {error}" if not str(error) else str(error)
        return ""

    def flush(self) -> None:
        """Return once every call before this one has been served."""
