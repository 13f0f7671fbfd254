"""Who may use a Ray that a run starts, and what somebody is told who cannot join one."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

from rearec_bench.harness.run.cluster import cluster
from rearec_bench.harness.run.cluster_access import (
    address_to_join,
    cannot_join,
    environment,
    given_token,
    open_note,
    own_token,
)
from rearec_bench.harness.utils.errors import InputError

from ..suites import suite_text
from .helpers import HERE

TRACEBACK = """Failed to connect to GCS. Last connection error: Traceback (most recent call last):
  File "node.py", line 996, in _init_gcs_client
ray.exceptions.AuthenticationError: RPC error: InvalidAuthToken: Authentication token is missing or incorrect."""
JOIN = """
import sys
import ray
try:
    ray.init(address=sys.argv[1], log_to_driver=False)
    print("joined", ray.get(ray.remote(num_cpus=0)(lambda: 6 * 7).remote(), timeout=60))
except ConnectionError:
    print("refused")
"""


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No token in the environment, nor in the home folder."""
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ray://10.0.0.1:10001", r"outside of the cluster; .*--num-cpus=0 .*then  --address auto"),
        ("http://10.0.0.1:8265", r"outside of the cluster"),
        *(
            (address, r"--address: '.*Allowed: auto, or HOST:PORT")
            for address in ("here", "h:0", "h:99999", ":1", "a b:1")
        ),
        ("127.0.0.1:1", r"^no Ray answers at 127\.0\.0\.1:1 \(Connection refused\)\. Is it running"),
    ],
)
def test_an_address_that_cannot_be_one_is_refused_at_once(address: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        address_to_join(address)


def test_auto_goes_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert address_to_join("auto") == "auto"
    monkeypatch.setenv("RAY_ADDRESS", "nonsense")
    with pytest.raises(InputError, match=r"^RAY_ADDRESS: 'nonsense' is not the address of a Ray"):
        address_to_join("auto")


@pytest.mark.parametrize(
    ("message", "cause", "hint"),
    [
        ("Could not find any running Ray instance.", None, r"^no Ray runs .*ray start --head"),
        ("Failed to connect", TRACEBACK, r"joined: \S*AuthenticationError: RPC .*export RAY_AUTH_MODE=token"),
        (
            "Version mismatch:\n Ray: 2.59\n Python: 3.12",
            None,
            r"mismatch: Ray: 2.59 Python: 3.12\. .*the same versions",
        ),
        ("This node has an IP address of", None, r"ray start --address=h:1 --num-cpus=0 .*docs/cluster"),
    ],
)
def test_a_ray_that_cannot_be_joined_is_an_error_with_rays_message_and_what_to_do(
    message: str, cause: str | None, hint: str
) -> None:
    error = ConnectionError(message)
    error.__cause__ = cause and RuntimeError(cause)
    with pytest.raises(InputError, match=hint):
        raise cannot_join("h:1", error)


def test_a_token_that_is_here_is_used_unless_the_mode_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert given_token() == {} and "anyone who reaches its ports" in open_note("h:1")
    file = tmp_path / "home" / ".ray" / "auth_token"
    file.parent.mkdir(parents=True)
    file.write_text("a" * 64)
    assert given_token() == {"RAY_AUTH_MODE": "token"}
    file.unlink()
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a" * 64)
    assert given_token() == {"RAY_AUTH_MODE": "token"}
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert given_token() == {}
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    assert open_note("h:1") == ""


def test_a_token_of_our_own_is_readable_by_its_owner_alone_and_the_environment_is_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "theirs")
    before = dict(os.environ)
    with environment(own_token(tmp_path)):
        file = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
        assert not {"RAY_AUTH_TOKEN", "RAY_AUTH_MODE"} & set(os.environ)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600 and len(file.read_text()) == 64
    assert dict(os.environ) == before


@pytest.fixture
def own_ray() -> Iterator[tuple[str, Path]]:
    """Address and scratch folder of a Ray as a run starts it."""
    before = settings()
    with cluster(address=None, cpus=1, store_bytes=0, died=print) as own:
        yield ray.get_runtime_context().gcs_address, own.scratch
    assert not own.scratch.exists()
    assert settings() == before


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks at processes in /proc")
def test_our_own_ray_refuses_a_stranger_and_its_token_stays_in_its_file(own_ray: tuple[str, Path]) -> None:
    address, scratch = own_ray
    file = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
    token = file.read_text()
    assert file.parent == scratch and stat.S_IMODE(scratch.stat().st_mode) == 0o700
    assert ray.get(ray.remote(lambda: os.environ.get("RAY_AUTH_TOKEN_PATH")).remote(), timeout=60) == str(file)
    stranger = {"RAY_AUTH_MODE": "disabled"}
    guesser = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": "", "RAY_AUTH_TOKEN": "b" * 64}
    assert [joined(address, who) for who in (stranger, guesser, {})] == ["refused", "refused", "joined 42"]
    processes = processes_that_name(scratch)
    assert len(processes) >= 3, "head, raylet, and more"
    for process in processes:
        assert token not in (process / "cmdline").read_text(errors="replace")
        assert token not in (process / "environ").read_text(errors="replace")
    for log in scratch.rglob("*"):
        if log.is_file() and log != file:
            assert token.encode() not in log.read_bytes(), log


@pytest.mark.slow
def test_a_wrong_token_is_an_error_before_anything_runs(head, tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_text(suite_text())
    command = [sys.executable, HERE / "driver.py", tmp_path / "suite.yaml", tmp_path / "results", "", head.address]
    wrong = {**head.environment, "RAY_AUTH_TOKEN": "b" * 64}
    done = subprocess.run(command, text=True, env=wrong, capture_output=True, check=False, timeout=300)
    assert f"InputError: the Ray at {head.address} cannot be joined: " in done.stderr
    assert "AuthenticationError" in done.stderr and "b" * 64 not in done.stderr


def settings() -> dict[str, str]:
    """What this process's environment says to Ray."""
    return {name: value for name, value in os.environ.items() if name.startswith(("RAY_", "TUNE_"))}


def joined(address: str, variables: dict[str, str]) -> str:
    """What becomes of another process that joins; the time that Ray tries is cut short."""
    done = subprocess.run(
        [sys.executable, "-c", JOIN, address],
        env={**os.environ, "RAY_NUM_REDIS_GET_RETRIES": "2", **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.stdout, done.stderr
    return done.stdout.strip()


def processes_that_name(folder: Path) -> list[Path]:
    """The processes whose command line names the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (process / "cmdline").read_bytes():
                found.append(process)
        except OSError:
            continue  # it has ended since
    return found
