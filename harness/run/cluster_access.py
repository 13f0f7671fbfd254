"""The way into a Ray: a token of its own for one that is started here, a look inside one that is joined."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..utils.errors import InputError

MODE, TOKEN, TOKEN_PATH = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"
_CONNECT_S = 3.0
_QUICK = {"RAY_py_gcs_connect_timeout_s": "3", "RAY_gcs_rpc_server_connect_timeout_s": "1"}
_ANSWER_S = 10.0
_HOST_PORT = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):(?P<port>\d{1,5})")
_PAGE = "More: docs/cluster.md."

Environment = Mapping[str, "str | None"]


@dataclass(frozen=True)
class Door:
    """How a Ray that is there can be joined.

    Attributes:
        address: HOST:PORT.
        environment: variables that let this process in; None where one must not be set.
        note: what the user should know of it, "" where there is nothing.
    """

    address: str
    environment: Environment
    note: str = ""


def own_token(folder: Path) -> Environment:
    """A random token for a Ray that is about to be started, in a file that only this user can read.

    Its processes inherit the path, so that the token stands in no command line and in no environment.

    Args:
        folder: that ends with the run.

    Returns:
        The variables that Ray reads.
    """
    file = folder / "token"
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(secrets.token_hex(32))
    return {MODE: "token", TOKEN: None, TOKEN_PATH: str(file)}


@contextlib.contextmanager
def environment(values: Environment) -> Iterator[None]:
    """Variables of this process and of those that it starts; as they were afterwards."""
    before = {name: os.environ.get(name) for name in values}
    _set(values)
    try:
        yield
    finally:
        _set(before)


@contextlib.contextmanager
def let_in(values: Environment) -> Iterator[None]:
    """Within it, Ray goes by these variables; Ray keeps what it has read of them, and is told to read again."""
    try:
        with environment(values):
            _read_again()
            yield
    finally:
        _read_again()


def find_door(address: str) -> Door:
    """Look at a running Ray before joining it: Ray itself is silent for half a minute where it is not let in.

    Args:
        address: auto or HOST:PORT.

    Returns:
        How to join it.

    Raises:
        InputError: it is not there, asks for another token, is of another version, or this machine is no node of it.
    """
    place = _place(address)
    _check_port(place)
    with let_in({**_QUICK, MODE: "disabled"}):
        gcs = _knock(place)
        if gcs is not None:
            _look_inside(gcs, place)
    asked = os.environ.get(MODE, "").lower()
    if gcs is not None:
        return _open_door(place, asked)
    return _locked_door(place, asked)


def _open_door(place: str, asked: str) -> Door:
    if asked == "token":
        raise InputError(
            f"the Ray at {place} asks for no token, though {MODE}=token is set here: whoever reaches its ports can run "
            f"code on it. Start it again with {MODE}=token on every node, or type  export {MODE}=disabled  to join it "
            f"as it is. {_PAGE}"
        )
    note = f"The Ray at {place} asks for no token: whoever reaches its ports can run code on it (docs/cluster.md)."
    return Door(place, {MODE: "disabled"}, note)


def _locked_door(place: str, asked: str) -> Door:
    source = _token_source()
    if asked == "disabled":
        raise InputError(
            f"the Ray at {place} asks for a token, and {MODE}=disabled is set here. Type  export {MODE}=token. {_PAGE}"
        )
    if not source:
        raise InputError(
            f"the Ray at {place} asks for a token, and there is none here. Copy the one that it was started with: into "
            f"~/.ray/auth_token, or into a file that {TOKEN_PATH} names (`ray get-auth-token` on a node of it prints "
            f"it). {_PAGE}"
        )
    values = {MODE: "token"}
    with let_in({**_QUICK, **values}):
        gcs = _knock(place)
        if gcs is None:
            raise InputError(
                f"the Ray at {place} asks for a token, and {source} is not the one that it was started with. Copy that "
                f"one (`ray get-auth-token` on a node of it prints it). {_PAGE}"
            )
        _look_inside(gcs, place)
    return Door(place, values)


def _place(address: str) -> str:
    """The HOST:PORT that an address means."""
    given = address
    if address == "auto":
        from ray._private import services

        try:
            address = services.get_ray_address_from_environment("auto", None)
        except ConnectionError:
            raise InputError(
                "no Ray runs on this machine (--address auto). Type  ray start --head  to start one, or "
                f"ray start --address=HOST:PORT  to make this machine a node of another one. {_PAGE}"
            ) from None
    if "://" in address:
        raise InputError(
            f"{address} is the address of a Ray client, which is outside of the cluster; results are written on the "
            "machine that this command runs on, and for that it must be a node. Type  ray start --address=HOST:PORT "
            "--num-cpus=0 --num-gpus=0  to make it one that runs no trials itself, then  --address auto. " + _PAGE
        )
    found = _HOST_PORT.fullmatch(address)
    if found is None or not 0 < int(found["port"]) < 2**16:
        where = "RAY_ADDRESS" if given != address else "--address"
        raise InputError(
            f"{where}: '{address}' is not the address of a Ray. Allowed: auto, or HOST:PORT, such as 10.0.0.1:6379."
        )
    return address


def _check_port(place: str) -> None:
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()
    except OSError as error:
        raise InputError(
            f"no Ray answers at {place} ({error.strerror or error}). Is it running (`ray status` on its head node), "
            f"and is the port open from here? {_PAGE}"
        ) from error


def _knock(place: str) -> Any:
    """A connection to the head of a Ray, None where it asks for another token than this process has."""
    from ray.exceptions import AuthenticationError, RayError

    try:
        with _hushed():
            return _core().GcsClient(address=place)
    except AuthenticationError:
        return None
    except (RayError, OSError, ValueError) as error:
        raise InputError(
            f"what listens at {place} is no Ray, or one that does not answer ({_first_line(error)}). The port that "
            f"`ray start --head` has printed is meant, 6379 if you did not choose another. {_PAGE}"
        ) from error


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Ray's C++ part warns of each refusal, on stderr and whatever its log level; what it means is said by us."""
    held, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(held, 2)
        os.close(held)
        os.close(nowhere)


def _look_inside(gcs: Any, place: str) -> None:
    """What Ray would find out late: another version, or that this machine is no node."""
    from ray._private import services
    from ray._private.utils import compute_version_info
    from ray.exceptions import RayError

    try:
        theirs = _versions(gcs)
        nodes = _alive(gcs)
    except (RayError, ValueError, AttributeError, LookupError):
        return  # what it looks like inside is Ray's own business: joining it says what is wrong
    check_versions(place, theirs, compute_version_info()[:2])
    check_membership(place, nodes, services.find_node_ids)


def check_versions(place: str, theirs: tuple[str, str], ours: tuple[str, str]) -> None:
    """Refuse a Ray of another version.

    Args:
        place: its address.
        theirs: version of Ray, version of Python.
        ours: the same of this process.

    Raises:
        InputError: they differ.
    """
    differing = [
        f"{name} {there}, and {name} {here} here"
        for name, there, here in zip(("Ray", "Python"), theirs, ours, strict=True)
        if there != here
    ]
    if differing:
        raise InputError(
            f"the Ray at {place} runs {'; '.join(differing)}. All nodes and this process need the same: install the "
            f"same versions everywhere, then start Ray again on each node (ray stop; ray start ...). {_PAGE}"
        )


def check_membership(place: str, nodes: frozenset[str], here: Callable[[], Any]) -> None:
    """Refuse to run beside a Ray: results are written by a process of it on this machine.

    Args:
        place: its address.
        nodes: ids of its nodes.
        here: finds the ids of nodes on this machine.

    Raises:
        InputError: none of its nodes is on this machine.
    """
    if not nodes & set(here()):
        raise InputError(
            f"this machine is no node of the Ray at {place}, and results are written on the machine that this command "
            f"runs on. Type  ray start --address={place} --num-cpus=0 --num-gpus=0  to make it one that runs no trials "
            f"itself, or run this on a node. {_PAGE}"
        )


def _versions(gcs: Any) -> tuple[str, str]:
    from ray._common.usage.usage_lib import get_cluster_metadata

    found = get_cluster_metadata(gcs)
    return found["ray_version"], found["python_version"]


def _alive(gcs: Any) -> frozenset[str]:
    from ray.core.generated.gcs_pb2 import GcsNodeInfo

    found = gcs.get_all_node_info(timeout=_ANSWER_S, state_filter=GcsNodeInfo.GcsNodeState.ALIVE)
    return frozenset(node.node_id.hex() for node in found.values())


def _token_source() -> str:
    """Where Ray would take a token from, in its own order; "" where there is none."""
    if os.environ.get(TOKEN, "").strip():
        return f"the one of {TOKEN}"
    named = os.environ.get(TOKEN_PATH, "")
    file = Path(named) if named else Path.home() / ".ray" / "auth_token"
    try:
        held = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        if named:
            raise InputError(f"{TOKEN_PATH}: {named} cannot be read ({_first_line(error)}).") from error
        return ""
    if named and not held:
        raise InputError(f"{TOKEN_PATH}: {named} is empty; it should hold the token of the Ray that is joined.")
    return f"the one in {file}" if held else ""


def _read_again() -> None:
    """Ray keeps mode and token; the mode goes first, as threads of an older connection may ask for a token still."""
    core = _core()
    core.Config.initialize("")
    core.AuthenticationTokenLoader.instance().reset_cache()


def _core() -> Any:
    """Ray's C++ part, of which its stub file knows little."""
    from ray import _raylet

    return _raylet


def _set(values: Environment) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
