"""Progress of reading raw files, on a terminal or in a log."""

from __future__ import annotations

from ...utils.meter import Meter

_MEGABYTE = 1_000_000


class ReadingMeter:
    """A `readers.ReadProgress`: one line per file, with rate and time left."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._file = ""

    def __call__(self, done: int, total: int, file: str) -> None:
        """Show the progress of a file, in bytes on disk."""
        if file != self._file:
            self._file = file
            self._meter.begin(f"reading {file}", total=_megabytes(total), noun="MB")
        self._meter.reach(_megabytes(done))
        if done >= total:
            self._meter.end()


def _megabytes(count: int) -> int:
    return -(-count // _MEGABYTE)
