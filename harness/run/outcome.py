"""How a run ended, for its caller."""

from __future__ import annotations

from dataclasses import dataclass

from .stopping import Ending


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended; counts are of all the suite's trials, whenever they ran.

    Attributes:
        failed: (key, reason) of each.
        notes: cells without final runs, with the reason.
        left: trials that may still have to run.
        started: trials started by this run.
        wall_s: of this run, Ray's start included.
        ray_s: of that, until Ray had started.
    """

    done: int
    diverged: int
    failed: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    interrupted: bool
    left: int
    started: int
    wall_s: float
    ray_s: float
    ended_by: Ending = "complete"
