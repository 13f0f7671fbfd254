"""Clocks: the same work again and again, in turns with other work; and one piece of work, by its phases."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..records.profile import Times

if TYPE_CHECKING:
    import torch

Clock = Callable[[], float]
"""Seconds that only grow."""


def clock_of(device: torch.device) -> Clock:
    """A clock that waits for the work that a device has been given before it looks."""
    if device.type == "cpu":
        return time.perf_counter
    import torch

    def synchronised() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return synchronised


def interleaved(
    works: Sequence[Callable[[], object]], *, repeats: int, clock: Clock, warmups: int = 1
) -> tuple[Times, ...]:
    """Times of several pieces of work, taken in turns; every other round runs backwards.

    A machine that gets slower or faster meanwhile then does so for all of them alike.

    Args:
        repeats: rounds that count.
        warmups: rounds before, which do not count.

    Returns:
        For each work, as many seconds as rounds.
    """
    taken: list[list[float]] = [[] for _ in works]
    for turn in range(-warmups, repeats):
        order = range(len(works)) if turn % 2 == 0 else reversed(range(len(works)))
        for place in order:
            began = clock()
            works[place]()
            ended = clock()
            if turn >= 0:
                taken[place].append(ended - began)
    return tuple(Times(tuple(seconds)) for seconds in taken)


class Stopwatch:
    """Adds up the seconds of phases that follow each other; `seconds` is without the current phase."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._phase = ""
        self._since = 0.0
        self.seconds: dict[str, float] = {}

    def switch(self, phase: str) -> None:
        """End the phase under way, begin another."""
        now = self._clock()
        if self._phase:
            self.seconds[self._phase] = self.seconds.get(self._phase, 0.0) + now - self._since
        self._phase, self._since = phase, now

    def stop(self) -> dict[str, float]:
        """End the phase under way; the seconds of all, and a new start at zero."""
        self.switch("")
        seconds, self.seconds = self.seconds, {}
        return seconds
