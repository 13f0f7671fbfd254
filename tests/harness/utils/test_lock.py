"""One process writes to a results folder; the others are told which, and nobody waits for the dead."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rearec_bench.harness.store.store import Store
from rearec_bench.harness.utils import lock as store_lock
from rearec_bench.harness.utils.errors import InputError, StoreError, StoreInUse
from rearec_bench.harness.utils.lock import NAME, holder_of

HOLDER = """
import sys
from pathlib import Path
from rearec_bench.harness.store.store import Store
with Store(Path(sys.argv[1])).locked("suite 'first'"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextlib.contextmanager
def holding(root: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until it is told to end."""
    command = [sys.executable, "-c", HOLDER, str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        try:
            yield other
        finally:
            if other.poll() is None:
                release(other)
                other.wait()


def release(other: subprocess.Popen[str]) -> None:
    assert other.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        other.stdin.write("\n")
        other.stdin.flush()


def claim(root: Path, **fields: Any) -> Path:
    """A lock file that says who holds it, without an flock."""
    us = store_lock._us("suite 'first'")
    held = {"doing": "suite 'first'", "pid": us.pid, "host": us.host, "boot": us.boot, "began": us.began, "since": 1e9}
    root.mkdir(exist_ok=True)
    (root / NAME).write_text(json.dumps({**held, **fields}))
    return root / NAME


def test_a_second_writer_is_refused_with_the_name_of_the_first(tmp_path: Path) -> None:
    with holding(tmp_path) as other:
        words = rf"suite 'first' \(process {other.pid} on .*, since 2.*--wait"
        with pytest.raises(StoreInUse, match=words) as raised, Store(tmp_path).locked("suite 'second'"):
            pass
        assert isinstance(raised.value, InputError)  # nothing was started
        assert Store(tmp_path).keys() == set()  # reading goes on
    with Store(tmp_path).locked("suite 'second'"):
        assert holder_of(tmp_path).doing == "suite 'second'"  # type: ignore[union-attr]
    assert not (tmp_path / NAME).exists()


def test_a_dead_writer_holds_nothing(tmp_path: Path) -> None:
    with holding(tmp_path) as other:
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert holder_of(tmp_path).pid == other.pid  # type: ignore[union-attr]
        start = time.monotonic()
        with Store(tmp_path).locked("suite 'second'"):
            assert time.monotonic() - start < 2


def test_waiting_ends_with_the_first_and_says_whom_it_waits_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_lock, "POLL_S", 0.05)
    said: list[str] = []
    with holding(tmp_path) as other:
        threading.Timer(0.4, lambda: release(other)).start()
        start = time.monotonic()
        with Store(tmp_path, tell=said.append).locked("suite 'second'", wait=True):
            assert 0.3 < time.monotonic() - start < 10
    assert len(said) == 1 and said[0].startswith(f"waiting for suite 'first' (process {other.pid} on ")


def test_of_many_that_come_at_once_one_has_it_at_a_time(tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from rearec_bench.harness.utils import lock as store_lock
from rearec_bench.harness.store.store import Store
store_lock.POLL_S = 0.01
root, out = Path(sys.argv[1]), Path(sys.argv[2])
for _ in range(15):
    with Store(root).locked("suite", wait=True):
        (out / "inside").touch(exist_ok=False)
        time.sleep(0.001)
        (out / "inside").unlink()
"""
    (tmp_path / "out").mkdir()
    command = [sys.executable, "-c", code, str(tmp_path / "results"), str(tmp_path / "out")]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    ended = [(one.communicate(timeout=120)[1], one.returncode) for one in running]
    assert [status for _, status in ended] == [0, 0, 0, 0], [said for said, _ in ended]


def test_a_link_that_leads_nowhere_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "results").symlink_to(tmp_path / "gone")
    held = Store(tmp_path / "results").locked("suite")
    with pytest.raises(StoreError, match=r"results cannot be written: File exists"), held:
        pass


def test_a_holder_of_another_machine_lives_while_its_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("BEAT_S", 0.05), ("STALE_S", 0.4), ("WATCH_S", 0.3)):
        monkeypatch.setattr(store_lock, name, value)
    path = claim(tmp_path, host="elsewhere", boot="another", pid=1)
    with pytest.raises(StoreInUse, match="process 1 on elsewhere"), Store(tmp_path).locked("suite"):
        pass
    time.sleep(0.5)
    over = threading.Event()

    def beat() -> None:
        while not over.wait(0.05):
            os.utime(path)

    os.utime(path, (1, 1))  # looks long dead: a clock that jumped
    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(StoreInUse, match="elsewhere"), Store(tmp_path).locked("suite"):
            pass
    finally:
        over.set()
        thread.join()
    time.sleep(0.5)
    with Store(tmp_path).locked("suite 'second'"):
        assert holder_of(tmp_path).doing == "suite 'second'"  # type: ignore[union-attr]


def test_without_flocks_the_process_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_lock, "_flock", lambda handle: None)
    with holding(tmp_path / "other") as other:
        began = store_lock._began(other.pid)
        claim(tmp_path, pid=other.pid, began=began)
        with pytest.raises(StoreInUse, match=f"process {other.pid}"), Store(tmp_path).locked("suite"):
            pass
        claim(tmp_path, pid=other.pid, began=began + 1)  # another process has its number now
        with Store(tmp_path).locked("suite"):
            pass
    claim(tmp_path, pid=other.pid, began=began)
    with Store(tmp_path).locked("suite"):
        assert holder_of(tmp_path).pid == os.getpid()  # type: ignore[union-attr]


def test_a_holder_shows_that_it_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_lock, "BEAT_S", 0.02)
    with Store(tmp_path).locked("suite"):
        os.utime(tmp_path / NAME, (1, 1))
        time.sleep(0.3)
        assert (tmp_path / NAME).stat().st_mtime > 1


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": "x"}', b"\xff\x00"])
def test_a_lock_file_of_no_sense_holds_nobody_up(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    with Store(tmp_path).locked("suite"):
        pass


def test_a_folder_that_is_replaced_while_it_is_written_to_is_noticed(tmp_path: Path) -> None:
    root = tmp_path / "results"
    store = Store(root)
    with store.locked("suite"):
        store.write_suite("s", {"name": "s"}, {"cells": {}})
        root.rename(tmp_path / "moved")
        with pytest.raises(StoreError, match="was removed or replaced while this run wrote to it"):
            store.write_suite("s", {"name": "s"}, {"cells": {"x": {}}})
        assert not root.exists()
        with Store(root).locked("another"):
            pass
    assert Store(tmp_path / "moved").read_suite("s") == ({"name": "s"}, {"cells": {}})


def test_a_folder_that_nothing_came_into_goes_again(tmp_path: Path) -> None:
    with Store(tmp_path / "results").locked("suite"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_killed_writers_left_goes_under_the_lock_alone(tmp_path: Path) -> None:
    left = tmp_path / "trials" / f".tmp~{'0' * 32}~{store_lock._us('').host}~999999999~00000000"
    left.mkdir(parents=True)
    with holding(tmp_path / "x"):
        pass
    with Store(tmp_path).locked("one"):
        left.mkdir(parents=True, exist_ok=True)
        Store(tmp_path, clean=True)
        assert left.exists()
    Store(tmp_path, clean=True)
    assert not left.exists()
