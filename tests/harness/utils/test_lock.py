"""One process writes to a results folder; the others are told which, and nobody waits for the dead."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import filelock
import pytest

from rearec_bench.harness.store.store import Store
from rearec_bench.harness.utils import lock
from rearec_bench.harness.utils.errors import InputError, StoreError, StoreInUse
from rearec_bench.harness.utils.lock import LEASE, NAME, writer_of

FIRST = """
import sys
from pathlib import Path
from rearec_bench.harness.utils import lock
lock._needs_lease = lambda root: sys.argv[2] == "lease"
with lock.hold(Path(sys.argv[1]), "suite 'first'", wait=False, say=print):
    print("locked", flush=True)
    sys.stdin.readline()
"""


@contextlib.contextmanager
def first_writer(root: Path, kind: str = "flock") -> Iterator[subprocess.Popen[str]]:
    """Another process that has the lock until its standard input ends."""
    command = [sys.executable, "-c", FIRST, str(root), kind]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdin is not None and other.stdout is not None and other.stdout.readline() == "locked\n"
    try:
        yield other
    finally:
        other.stdin.close()
        other.wait()
        other.stdout.close()


def write(root: Path, *, wait: bool = False) -> None:
    with Store(root).locked("suite 'second'", wait=wait):
        pass


@pytest.fixture
def another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The lease of another machine, on a file system without flocks."""
    monkeypatch.setattr(lock, "_needs_lease", lambda root: True)
    monkeypatch.setattr(lock, "LEASE_S", 1.0)
    monkeypatch.setattr(lock, "POLL_S", 0.05)

    def unsupported(*args: object, **kwargs: object) -> bool:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(filelock.FileLock, "acquire", unsupported)
    monkeypatch.setattr(filelock, "lock_descriptor", unsupported)
    (tmp_path / NAME).write_text('{"doing": "suite \'first\'", "pid": 1, "host": "elsewhere", "since": 1e9}')
    (tmp_path / LEASE).write_text("filelock/2\npid=1\nhost=elsewhere\nmode=lease\ntoken=aa\nduration=1.0\n")
    return tmp_path / LEASE


def test_a_second_writer_is_refused_with_the_name_of_the_first(tmp_path: Path) -> None:
    with first_writer(tmp_path) as other:
        words = rf"suite 'first' \(process {other.pid} on .*, since 2.*--wait"
        with pytest.raises(StoreInUse, match=words) as raised:
            write(tmp_path)
        assert isinstance(raised.value, InputError)  # nothing was started
        assert Store(tmp_path).keys() == set()  # reading goes on
        writer = writer_of(tmp_path)
        assert writer is not None and (writer.pid, writer.host) == (other.pid, socket.gethostname())
    assert writer_of(tmp_path) is None and not (tmp_path / NAME).exists()
    write(tmp_path)


def test_two_writers_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    with Store(tmp_path).locked("suite 'first'"), pytest.raises(StoreInUse, match=f"'first'.*{os.getpid()}"):
        write(tmp_path)


def test_a_dead_writer_holds_up_nobody(tmp_path: Path) -> None:
    with first_writer(tmp_path) as other:
        other.kill()
        other.wait()
        assert (tmp_path / NAME).exists() and writer_of(tmp_path) is None
        write(tmp_path)


def test_waiting_ends_with_the_first_and_says_whom_it_waits_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "POLL_S", 0.05)
    said: list[str] = []
    with first_writer(tmp_path) as other:
        assert other.stdin is not None
        threading.Timer(0.4, other.stdin.close).start()
        start = time.monotonic()
        with Store(tmp_path, tell=said.append).locked("suite 'second'", wait=True):
            assert 0.3 < time.monotonic() - start < 10
    assert len(said) == 1 and said[0].startswith(f"waiting for suite 'first' (process {other.pid} on ")


@pytest.mark.slow
def test_of_many_that_come_at_once_one_has_it_at_a_time(tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from rearec_bench.harness.utils import lock
lock.POLL_S = 0.01
root, inside = Path(sys.argv[1]), Path(sys.argv[2])
for _ in range(15):
    with lock.hold(root, "suite", wait=True, say=lambda line: None):
        inside.touch(exist_ok=False)
        time.sleep(0.001)
        inside.unlink()
    lock.writer_of(root)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "results"), str(tmp_path / "inside")]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    ended = [(process.communicate(timeout=120)[1], process.returncode) for process in running]
    assert ended == [("", 0)] * 4


def test_asking_who_writes_does_not_refuse_a_writer_that_comes_then(tmp_path: Path) -> None:
    (tmp_path / NAME).touch()
    handle = os.open(tmp_path / NAME, os.O_RDONLY)
    assert filelock.lock_descriptor(handle)
    threading.Timer(lock._BRIEF_S / 2, os.close, (handle,)).start()
    write(tmp_path)


def test_a_link_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results").symlink_to(tmp_path / "gone")
    with pytest.raises(StoreError, match=r"results cannot be written: File exists"):
        write(tmp_path / "results")


def test_another_machine_has_the_lease_while_it_touches_it(tmp_path: Path, another_machine: Path) -> None:
    over = threading.Event()

    def beat() -> None:
        while not over.wait(0.05):
            os.utime(another_machine)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(StoreInUse, match="process 1 on elsewhere"):
            write(tmp_path)
        assert str(writer_of(tmp_path)).startswith("suite 'first' (process 1 on elsewhere")
    finally:
        over.set()
        thread.join()
    start = time.monotonic()
    write(tmp_path)  # it has stopped: the lease is taken after its time
    assert 0.8 < time.monotonic() - start < 10
    assert not another_machine.exists()


def test_a_dead_process_of_this_machine_loses_its_lease_at_once(tmp_path: Path, another_machine: Path) -> None:
    another_machine.unlink()
    with first_writer(tmp_path, "lease") as other:
        other.kill()
        other.wait()
        record = another_machine.read_text()
        another_machine.write_text(record.replace("duration=60.0", "duration=1.0"))
        start = time.monotonic()
        write(tmp_path)
        assert time.monotonic() - start < 0.9


def test_only_file_systems_known_to_be_local_do_without_a_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = tmp_path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for kind, needed in (("ext4", False), ("nfs4", True), ("fuse.sshfs", True), ("lustre", True)):
        line = f"30 1 {number} / / rw shared:1 - {kind} source rw\n"
        monkeypatch.setattr(Path, "read_text", lambda path, line=line: line)
        assert lock._needs_lease(tmp_path) is needed
    monkeypatch.setattr(Path, "read_text", lambda path: "30 1 999:999 / / rw - ext4 source rw\n")
    assert lock._needs_lease(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": "x"}', b"\xff\x00"])
def test_an_unreadable_lock_file_holds_up_nobody(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    write(tmp_path)


def test_a_folder_that_is_replaced_while_it_is_written_to_is_noticed(tmp_path: Path) -> None:
    root = tmp_path / "results"
    store = Store(root)
    with store.locked("suite"):
        store.write_suite("s", {"name": "s"}, {"cells": {}})
        root.rename(tmp_path / "moved")
        with pytest.raises(StoreError, match="was removed or replaced while this run wrote to it"):
            store.write_suite("s", {"name": "s"}, {"cells": {"x": {}}})
        assert not root.exists()
        write(root)
    assert Store(tmp_path / "moved").read_suite("s") == ({"name": "s"}, {"cells": {}})


def test_a_folder_that_stays_empty_is_removed_again(tmp_path: Path) -> None:
    write(tmp_path / "results")
    assert list(tmp_path.iterdir()) == []
