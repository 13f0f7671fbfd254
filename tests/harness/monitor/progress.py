"""A progress file's content, as tests want it."""

from __future__ import annotations

import os
import socket
import time
from typing import Any

from rearec_bench.harness.store.progress_file import CellCounts, RunningTrial, RunProgress


def run_progress(**changed: Any) -> RunProgress:
    """Progress of a run of the suite `first`, by this process."""
    given: dict[str, Any] = {
        "schema": 1,
        "suite": "first",
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": time.time() - 7200,
        "command": "rearec-bench run first.yaml",
        "folder": "/somewhere",
        "number": 3,
        "at": time.time(),
        "phase": "running",
        "ending": "",
        "place": "2 cores",
        "max_concurrent": 2,
        "over": 3,
        "trials": 7,
        "ends_at": time.time() + 120.0,
        "rate_per_h": 24.0,
        "budget_ends_at": None,
        "cells": (CellCounts("c", "tiny sasrec base", {"done": 2, "failed": 1}, 1, 3),),
        "running": (
            RunningTrial("7f" * 16, "c", "tiny sasrec base", "final 1/2, seed 1", 1, 5.0, 4, "ndcg@20", 0.25, 100.0),
        ),
    }
    return RunProgress(**{**given, **changed})
