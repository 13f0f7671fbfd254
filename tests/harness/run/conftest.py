"""A Ray that several tests of this folder join; only tests marked slow ask for it."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ..tracked_run import TrackedRun
from .helpers import HERE

HEAD = """
import ray
head = ray.init(address="local", num_cpus=3, num_gpus=1, include_dashboard=False)
print(head.address_info["gcs_address"], flush=True)
input()
ray.get(ray.remote(lambda: 1).remote(), timeout=60)
"""


@dataclass(frozen=True)
class Head:
    """A Ray of one node with three cores and, in its books, a GPU.

    Attributes:
        address: HOST:PORT.
        token: that it asks for.
        environment: variables with which a process may join it.
    """

    address: str
    token: str
    environment: dict[str, str]


@pytest.fixture
def run(tmp_path: Path) -> TrackedRun:
    """A run without Ray, whose trials a test ends."""
    return TrackedRun(tmp_path)


@pytest.fixture(scope="session")
def head() -> Iterator[Head]:
    """One for the whole session; it must still run a task at the end."""
    token = secrets.token_hex(32)
    environment = {**os.environ, "PYTHONPATH": str(HERE), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(
        [sys.executable, "-c", HEAD], text=True, env={**environment, "RAY_worker_niceness": "0"}, **pipes
    ) as process:
        yield Head(process.stdout.readline().strip(), token, environment)
        process.communicate("\n", timeout=120)
    assert process.returncode == 0, "a run that joined it has ended it"
