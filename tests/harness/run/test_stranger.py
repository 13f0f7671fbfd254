"""A Ray that a run starts asks for a token, and the token is nowhere but in its file."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import ray

from rearec_bench.harness.run.cluster import cluster

pytestmark = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks at processes in /proc")

JOIN = """
import sys
import ray
try:
    ray.init(address=sys.argv[1], log_to_driver=False)
    print("let in", ray.get(ray.remote(num_cpus=0)(lambda: 6 * 7).remote(), timeout=60))
except ConnectionError:
    print("refused")
"""


def test_a_stranger_is_refused_a_friend_is_not_and_the_token_stays_in_its_file() -> None:
    before = settings()
    with cluster(address=None, cpus=1, store_bytes=0, died=print) as own:
        file = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
        token = file.read_text()
        assert own.owned and file.parent == own.scratch
        assert len(token) == 64 and stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(own.scratch.stat().st_mode) == 0o700
        seen = ray.get(ray.remote(lambda: os.environ.get("RAY_AUTH_TOKEN_PATH")).remote(), timeout=60)
        assert seen == str(file), "workers have it from there"

        address = ray.get_runtime_context().gcs_address
        assert joined(address, {"RAY_AUTH_MODE": "disabled"}) == "refused"
        assert joined(address, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": "", "RAY_AUTH_TOKEN": "b" * 64}) == (
            "refused"
        )
        assert joined(address, {}) == "let in 42"

        processes = rays_of(own.scratch)
        assert len(processes) >= 3, "head, raylet, and more"
        for process in processes:
            assert token not in (process / "cmdline").read_text(errors="replace")
            assert token not in (process / "environ").read_text(errors="replace")
        for log in own.scratch.rglob("*"):
            if log.is_file() and log != file:
                assert token.encode() not in log.read_bytes(), log
        scratch = own.scratch
    assert not scratch.exists()
    assert settings() == before


def settings() -> dict[str, str]:
    """What this process's environment says to Ray."""
    return {name: value for name, value in os.environ.items() if name.startswith(("RAY_", "TUNE_"))}


def joined(address: str, environment: dict[str, str]) -> str:
    """What becomes of another process that joins; the time that Ray tries is cut short."""
    done = subprocess.run(
        [sys.executable, "-c", JOIN, address],
        env={**os.environ, "RAY_NUM_REDIS_GET_RETRIES": "2", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.stdout, done.stderr
    return done.stdout.strip()


def rays_of(scratch: Path) -> list[Path]:
    """The processes whose command line names the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(scratch).encode() in (process / "cmdline").read_bytes():
                found.append(process)
        except OSError:
            continue  # it has ended since
    return found
