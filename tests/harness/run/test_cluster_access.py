"""Who is let into a Ray, and what somebody who is not is told at once."""

from __future__ import annotations

import importlib.util
import os
import secrets
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray._private import services

from rearec_bench.harness.run.cluster_access import Door, check_membership, check_versions, find_door, let_in, own_token
from rearec_bench.harness.utils.errors import InputError

HERE = Path(__file__).resolve().parents[1]
AT_ONCE_S = 10.0  # Ray needs half a minute, or a whole one


def bare_gcs(folder: Path, environment: dict[str, str]):
    spec = importlib.util.spec_from_file_location("bare_gcs", HERE / "bare_gcs.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.bare_gcs(folder, environment)


@pytest.fixture(scope="module")
def token() -> str:
    return secrets.token_hex(32)


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, token: str) -> Iterator[str]:
    """The address of a head that asks for the token."""
    folder = tmp_path_factory.mktemp("locked") / "head"
    with bare_gcs(folder, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}) as address:
        yield address


@pytest.fixture(scope="module")
def open_to_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a head that asks for none."""
    with bare_gcs(tmp_path_factory.mktemp("open") / "head", {"RAY_AUTH_MODE": "disabled"}) as address:
        yield address


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No token in the environment, nor in the home folder."""
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with let_in({}):
        yield


@pytest.fixture
def at_once() -> Iterator[None]:
    start = time.monotonic()
    yield
    assert time.monotonic() - start < AT_ONCE_S


def test_the_right_token_opens_the_door_whether_or_not_its_mode_is_set(
    locked: str, token: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", token)
    assert find_door(locked) == Door(locked, {"RAY_AUTH_MODE": "token"})
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    assert find_door(locked) == Door(locked, {"RAY_AUTH_MODE": "token"})
    assert "InvalidAuthToken" not in capfd.readouterr().err, "Ray warns of the knock without a token"


def test_the_token_in_the_home_folder_is_found(locked: str, token: str, tmp_path: Path) -> None:
    (tmp_path / "home" / ".ray").mkdir(parents=True)
    (tmp_path / "home" / ".ray" / "auth_token").write_text(token + "\n")
    assert find_door(locked).environment == {"RAY_AUTH_MODE": "token"}


@pytest.mark.usefixtures("at_once")
def test_a_missing_token_is_explained_at_once(locked: str) -> None:
    with pytest.raises(InputError, match=rf"^the Ray at {locked} asks for a token, and there is none here\. Copy "):
        find_door(locked)


@pytest.mark.usefixtures("at_once")
def test_a_wrong_token_is_explained_at_once_with_its_place(
    locked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("b" * 64)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(wrong))
    with pytest.raises(InputError, match=rf"asks for a token, and the one in {wrong} is not the one") as refused:
        find_door(locked)
    assert "bbbb" not in str(refused.value)


def test_a_token_file_that_is_named_and_not_there_is_no_crash(locked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "/not/there")
    with pytest.raises(InputError, match=r"^RAY_AUTH_TOKEN_PATH: /not/there cannot be read"):
        find_door(locked)


def test_a_mode_that_forbids_tokens_is_named(locked: str, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", token)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(InputError, match=r"RAY_AUTH_MODE=disabled is set here\. Type  export RAY_AUTH_MODE=token"):
        find_door(locked)


def test_a_ray_that_asks_for_no_token_is_joined_with_a_warning(open_to_all: str) -> None:
    door = find_door(open_to_all)
    assert door.environment == {"RAY_AUTH_MODE": "disabled"}
    assert "whoever reaches its ports can run code on it" in door.note


def test_somebody_who_wants_tokens_does_not_join_a_ray_without(
    open_to_all: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with pytest.raises(InputError, match=rf"^the Ray at {open_to_all} asks for no token, though RAY_AUTH_MODE=token"):
        find_door(open_to_all)


@pytest.mark.usefixtures("at_once")
def test_a_port_where_nobody_listens_is_said_at_once() -> None:
    with pytest.raises(InputError, match=r"^no Ray answers at 127\.0\.0\.1:1 \(Connection refused\)\. Is it running"):
        find_door("127.0.0.1:1")


@pytest.mark.usefixtures("at_once")
def test_something_else_that_listens_is_no_ray() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(InputError, match=rf"^what listens at {place} is no Ray, or one that does not answer"):
            find_door(place)


@pytest.mark.parametrize("address", ["ray://10.0.0.1:10001", "http://10.0.0.1:8265"])
def test_a_client_of_a_ray_is_refused_with_what_to_type(address: str) -> None:
    with pytest.raises(InputError, match=r"outside of the cluster; .*--num-cpus=0 .*then  --address auto"):
        find_door(address)


@pytest.mark.parametrize("address", ["here", "10.0.0.1", "10.0.0.1:0", "10.0.0.1:99999", ":6379", "a b:1", "local"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(InputError, match=r"is not the address of a Ray\. Allowed: auto, or HOST:PORT"):
        find_door(address)


def test_auto_without_a_ray_on_this_machine_says_how_to_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*given: object) -> str:
        raise ConnectionError("Could not find any running Ray instance.")

    monkeypatch.setattr(services, "get_ray_address_from_environment", none)
    with pytest.raises(InputError, match=r"^no Ray runs on this machine \(--address auto\)\. Type  ray start --head"):
        find_door("auto")


def test_auto_goes_where_the_environment_says(locked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", locked)
    with pytest.raises(InputError, match=rf"^the Ray at {locked} asks for a token"):
        find_door("auto")
    monkeypatch.setenv("RAY_ADDRESS", "nonsense")
    with pytest.raises(InputError, match=r"^RAY_ADDRESS: 'nonsense' is not the address of a Ray"):
        find_door("auto")


def test_another_version_is_refused_with_both() -> None:
    check_versions("h:1", ("2.60.0", "3.11.7"), ("2.60.0", "3.11.7"))
    with pytest.raises(
        InputError, match=r"^the Ray at h:1 runs Ray 2\.59\.0, and Ray 2\.60\.0 here; Python 3\.12\.1, "
    ):
        check_versions("h:1", ("2.59.0", "3.12.1"), ("2.60.0", "3.11.7"))


def test_a_machine_that_is_no_node_is_refused_with_what_to_type() -> None:
    check_membership("h:1", frozenset({"a", "b"}), lambda: {"b"})
    with pytest.raises(InputError, match=r"is no node of the Ray at h:1, .*ray start --address=h:1 --num-cpus=0"):
        check_membership("h:1", frozenset({"a"}), lambda: {"b"})


def test_a_token_of_our_own_is_random_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        values = own_token(tmp_path / name)
        file = Path(values["RAY_AUTH_TOKEN_PATH"] or "")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert values == {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": None,
            "RAY_AUTH_TOKEN_PATH": str(tmp_path / name / "token"),
        }
        made.append(file.read_text())
    assert len(set(made)) == 2 and all(len(token) == 64 for token in made)


def test_the_environment_is_afterwards_what_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "theirs")
    before = dict(os.environ)
    with let_in({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": None, "RAY_AUTH_TOKEN_PATH": "/some/file"}):
        assert "RAY_AUTH_TOKEN" not in os.environ
        assert os.environ["RAY_AUTH_MODE"] == "token"
    assert dict(os.environ) == before


def test_a_stranger_in_another_process_is_refused_and_a_friend_is_not(locked: str, token: str) -> None:
    assert knocking(locked, {"RAY_AUTH_MODE": "disabled"}) == "AuthenticationError"
    assert knocking(locked, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}) == "let in"


KNOCK = """
import sys
from ray._raylet import GcsClient
try:
    GcsClient(address=sys.argv[1]).internal_kv_keys(b"", namespace=None, timeout=5)
    print("let in")
except Exception as error:
    print(type(error).__name__)
"""


def knocking(address: str, environment: dict[str, str]) -> str:
    """What becomes of another process that tries to read what the head knows."""
    done = subprocess.run(
        [sys.executable, "-c", KNOCK, address],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return done.stdout.strip()
