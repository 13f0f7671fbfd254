"""Limits of a shell and of a machine that Ray does not survive are told before it starts, each with its remedy."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from rearec_bench.harness.run import limits
from rearec_bench.harness.utils.errors import InputError

SPACE = namedtuple("SPACE", "f_bavail f_frsize")


def limited(monkeypatch: pytest.MonkeyPatch, **given: tuple[int, int]) -> list[tuple[int, tuple[int, int]]]:
    """Limits as given, and those that are set meanwhile."""
    before = {resource.RLIMIT_NOFILE: (65536, 65536), resource.RLIMIT_AS: (-1, -1)}
    before |= {getattr(resource, name): pair for name, pair in given.items()}
    changed: list[tuple[int, tuple[int, int]]] = []
    monkeypatch.setattr(resource, "getrlimit", before.__getitem__)
    monkeypatch.setattr(resource, "setrlimit", lambda kind, pair: changed.append((kind, pair)))
    return changed


def test_a_low_soft_limit_of_open_files_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = limited(monkeypatch, RLIMIT_NOFILE=(64, 4096))
    limits.raise_limits()
    assert changed == [(resource.RLIMIT_NOFILE, (4096, 4096))]
    changed = limited(monkeypatch)
    limits.raise_limits()
    assert changed == []


@pytest.mark.parametrize(
    ("name", "pair", "remedy"),
    [("RLIMIT_NOFILE", (64, 64), "ulimit -Hn 65536"), ("RLIMIT_AS", (2**34, 2**34), "ulimit -v unlimited")],
)
def test_what_cannot_be_raised_is_told_with_what_to_type(
    monkeypatch: pytest.MonkeyPatch, name: str, pair: tuple[int, int], remedy: str
) -> None:
    limited(monkeypatch, **{name: pair})
    with pytest.raises(InputError, match=remedy):
        limits.raise_limits()


@pytest.mark.parametrize("word", [b"\xff/mine.yaml", b"--results=r\xe9"])
def test_a_command_line_that_ray_cannot_store_is_told_before_it_starts(
    monkeypatch: pytest.MonkeyPatch, word: bytes
) -> None:
    limited(monkeypatch)
    monkeypatch.setattr(sys, "argv", ["rearec-bench", "run", os.fsdecode(word)])
    with pytest.raises(InputError, match=r"not UTF-8 text, and this one has .*�"):
        limits.raise_limits()


@pytest.mark.parametrize(
    ("writable", "free_mb", "said"),
    [(False, 1000, "read-only"), (True, 3, "has 3 MiB free"), (True, 1000, "")],
)
def test_a_shared_memory_that_cannot_be_used_is_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, writable: bool, free_mb: int, said: str
) -> None:
    monkeypatch.setattr(limits, "_SHM", tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: writable)
    monkeypatch.setattr(os, "statvfs", lambda path: SPACE(free_mb * 1024, 1024))
    assert said in limits.why_not() and bool(limits.why_not()) == bool(said)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("command", ["list", "--help"])
def test_a_full_output_is_one_line(command: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "rearec_bench", command], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr


def test_a_path_that_is_no_utf8_holds_data_and_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rearec_bench.harness.monitor.progress_writer import working_folder

    folder = os.fsdecode(bytes(tmp_path) + b"/b\xe9d")
    os.mkdir(folder)
    monkeypatch.chdir(folder)
    working_folder().encode("utf-8")
    assert working_folder().startswith(str(tmp_path))
