"""The head process of a Ray alone, for tests of who may talk to it: a tenth of what a whole Ray costs."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path


@contextlib.contextmanager
def bare_gcs(folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Its address.

    Args:
        folder: for its files.
        environment: variables that it has besides.
    """
    spec = importlib.util.find_spec("ray")
    assert spec is not None and spec.origin is not None
    folder.mkdir()
    command = [
        Path(spec.origin).parent / "core/src/ray/gcs/gcs_server",
        f"--log_dir={folder}",
        "--config_list=e30=",  # {}
        "--gcs_server_port=0",
        "--metrics-agent-port=0",
        "--node-ip-address=127.0.0.1",
        "--session-name=session_of_a_test",
        "--ray-commit=none",
        f"--session-dir={folder}",
        f"--node-id={'ab' * 28}",
    ]
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **environment})
    try:
        yield f"127.0.0.1:{_port(folder)}"
    finally:
        process.kill()
        process.wait()


def _port(folder: Path) -> str:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for file in folder.glob("gcs_server_port_*"):
            if text := file.read_text().strip():
                return text
        time.sleep(0.05)
    raise TimeoutError((folder / "out").read_text())
