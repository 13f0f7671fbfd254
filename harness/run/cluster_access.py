"""Access to a Ray: a token for one that is started here, and joining a running one."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import secrets
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..utils.errors import InputError

MODE, TOKEN, TOKEN_PATH = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"
_CONNECT_S = 3.0
_HOST_PORT = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):(?P<port>\d{1,5})")
_PAGE = "More: docs/cluster.md."

Environment = Mapping[str, "str | None"]


@contextlib.contextmanager
def environment(values: Environment) -> Iterator[None]:
    """Set variables of this process and of those that it starts; None removes one. Restored at the end."""
    before = {name: os.environ.get(name) for name in values}
    _set(values)
    try:
        yield
    finally:
        _set(before)


def own_token(folder: Path) -> Environment:
    """Variables that give a Ray started by this process a random token, in a file that only this user can read.

    Ray's processes inherit the path: the token is in no command line and in no environment. The mode is left to Ray,
    which asks for a token by default where it is started by `ray.init`.
    """
    file = folder / "token"
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(_token())
    return {MODE: None, TOKEN: None, TOKEN_PATH: str(file)}


def given_token() -> Environment:
    """Variables for joining a Ray: a token is used wherever there is one, unless RAY_AUTH_MODE is set otherwise."""
    if MODE in os.environ:
        return {}
    places = (os.environ.get(TOKEN), os.environ.get(TOKEN_PATH), (Path.home() / ".ray" / "auth_token").is_file())
    return {MODE: "token"} if any(places) else {}


def address_to_join(address: str) -> str:
    """The address for `ray.init`, checked before Ray tries it for minutes; for auto that of RAY_ADDRESS, if it is set.

    Raises:
        InputError: it is not an address, or nothing listens there.
    """
    source = "--address"
    if address == "auto":
        if not os.environ.get("RAY_ADDRESS"):
            return address
        source, address = "RAY_ADDRESS", os.environ["RAY_ADDRESS"]
    if "://" in address:
        raise InputError(
            f"{address} is the address of a Ray client, which is outside of the cluster; results are written on the "
            "machine that this command runs on, and for that it must be a node. Type  ray start --address=HOST:PORT "
            f"--num-cpus=0 --num-gpus=0  to make it one that runs no trials itself, then  --address auto. {_PAGE}"
        )
    match = _HOST_PORT.fullmatch(address)
    if match is None or not 0 < int(match["port"]) < 2**16:
        raise InputError(
            f"{source}: '{address}' is not the address of a Ray. Allowed: auto, or HOST:PORT, such as 10.0.0.1:6379."
        )
    try:
        socket.create_connection((match["host"].strip("[]"), int(match["port"])), timeout=_CONNECT_S).close()
    except OSError as error:
        raise InputError(
            f"no Ray answers at {address} ({error.strerror or error}). Is it running (`ray status` on its head node), "
            f"and is the port open from here? {_PAGE}"
        ) from error
    return address


def cannot_join(address: str, error: BaseException) -> InputError:
    """The error for a Ray that cannot be joined: the message of `ray.init`, and what joining needs."""
    text = str(error.__cause__ or error).strip()
    if "Could not find any running Ray instance" in text:
        return InputError(
            "no Ray runs on this machine (--address auto). Type  ray start --head  to start one, or "
            f"ray start --address=HOST:PORT  to make this machine a node of another one. {_PAGE}"
        )
    if "Traceback" in text:
        text = text.splitlines()[-1]
    return InputError(
        f"the Ray at {address} cannot be joined: {' '.join(text.split()).rstrip('.')}. Needed are the token that it "
        f"was started with (`ray get-auth-token` on a node prints it; type  export {MODE}=token), the same versions of "
        f"Ray and Python as on its nodes, and a node on this machine (ray start --address={address} --num-cpus=0 "
        f"--num-gpus=0  makes it one that runs no trials itself). {_PAGE}"
    )


def open_note(address: str) -> str:
    """The warning for a Ray that was joined without a token; "" where one was used."""
    if os.environ.get(MODE, "").lower() == "token":
        return ""
    return f"The Ray at {address} requires no token: anyone who reaches its ports can run code on it (docs/cluster.md)."


@functools.cache
def _token() -> str:
    """One for the whole process, as Ray keeps the first that it has read."""
    return secrets.token_hex(32)


def _set(values: Environment) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
