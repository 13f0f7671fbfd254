"""A suite's index.json during its run: which trials belong to which cell; sometimes a little late."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..plan.queue import SuiteQueue
from ..store.store import Store

if TYPE_CHECKING:
    from ..suite.model import Suite

_PERIOD_S = 1.0
_SHARE = 0.02  # of a run's time may go into its index, which grows with the suite


class RunIndex:
    """Writes the index of a run's suite.

    Args:
        header: its content beside the cells.

    Attributes:
        is_old: whether a trial has ended since it was written.
    """

    def __init__(self, suite: Suite, *, header: Mapping[str, Any], queue: SuiteQueue, store: Store) -> None:
        self._name = suite.name
        self._suite_json = suite.to_json()
        self._header = header
        self._queue = queue
        self._store = store
        self._written_at = -math.inf
        self._took_s = 0.0
        self.is_old = False

    def write(self) -> None:
        """Bring it up to date."""
        start = time.perf_counter()
        self._store.write_suite(self._name, self._suite_json, {**self._header, "cells": self._queue.index()})
        self._written_at = time.perf_counter()
        self._took_s = self._written_at - start
        self.is_old = False

    def write_if_old(self) -> None:
        """Bring it up to date where a trial has ended since."""
        if self.is_old:
            self.write()

    def write_if_due(self) -> None:
        """The same, unless it was written a moment ago."""
        if time.perf_counter() - self._written_at > max(_PERIOD_S, self._took_s / _SHARE):
            self.write_if_old()
