"""What a long encoding has done so far, on disk: whole files, which a run that is started again takes up."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....utils import files as atomic
from ....utils.errors import RearecError

_TENSOR = "states"


class Parts:
    """Rows of float32, in the order in which they are made; a file holds some that follow each other.

    Args:
        folder: for the files; its name must cover everything that can move a value.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self) -> list[NDArray[np.float32]]:
        """The rows from the first one on, as far as they are whole and without a gap."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        atomic.clean(self._folder)
        found: list[NDArray[np.float32]] = []
        rows = 0
        while (path := self._path(rows)).is_file():
            try:
                values = load_file(path)[_TENSOR]
            except (OSError, SafetensorError, KeyError):
                break
            if values.ndim != 2 or len(values) == 0:
                break
            found.append(values)
            rows += len(values)
        return found

    def write(self, first: int, values: NDArray[np.float32]) -> None:
        """Store rows.

        Args:
            first: number of rows before them.
            values: (n, h).

        Raises:
            RearecError: the folder cannot be written.
        """
        from safetensors.numpy import save

        try:
            atomic.write_file(self._path(first), save({_TENSOR: np.ascontiguousarray(values)}))
        except OSError as error:
            raise RearecError(f"{self._folder} cannot be written: {error.strerror or error}.") from error

    def remove(self) -> None:
        """Remove the folder, which is no longer needed; one that cannot be removed stays."""
        with contextlib.suppress(OSError):
            atomic.remove_folder(self._folder)

    def _path(self, first: int) -> Path:
        return self._folder / f"part-{first:010d}.safetensors"
