"""Checkpoints on disk: whole or not at all, damage is seen, and what nobody needs goes."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from rearec_bench.harness.store.checkpoints import Checkpoints
from rearec_bench.harness.trial.checkpoint import ABOUT, KEPT, MODEL, RESUME
from rearec_bench.harness.utils import files as atomic
from rearec_bench.harness.utils.errors import CheckpointError

KEY = "0123456789abcdef" * 2
OTHER = "f" * 32


def files_of(seed: int) -> dict[str, bytes]:
    draw = random.Random(seed)  # noqa: S311 - no secret
    return {name: draw.randbytes(100 + number) for number, name in enumerate((ABOUT, MODEL, RESUME))}


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path)


def test_what_is_read_is_what_was_written_last(checkpoints: Checkpoints) -> None:
    stamps = {checkpoints.stamp(KEY)}
    for seed in (1, 2):
        checkpoints.write(KEY, files_of(seed), "s")
        assert checkpoints.read(KEY) == files_of(seed)
        stamps.add(checkpoints.stamp(KEY))
    assert len(stamps) == 3
    assert checkpoints.keys() == {KEY}
    manifest = checkpoints.folder(KEY) / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "schema": 99}))
    with pytest.raises(CheckpointError, match="schema version 99"):
        checkpoints.read(KEY)


@pytest.mark.parametrize("key", ["../../x", "", "/etc/passwd"])
def test_a_key_cannot_leave_the_folder(tmp_path: Path, checkpoints: Checkpoints, key: str) -> None:
    with pytest.raises(CheckpointError):
        checkpoints.write(key, files_of(1), "s")
    assert not list(tmp_path.iterdir())


def test_the_one_before_stays_where_the_next_one_cannot_be_written(
    tmp_path: Path, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints.write(KEY, files_of(1), "s")
    write = atomic._write_synced

    def full(path: Path, content: bytes) -> None:
        write(path, content[:10])
        if path.name == RESUME:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(atomic, "_write_synced", full)
        with pytest.raises(CheckpointError, match="could not be written: No space left on device"):
            checkpoints.write(KEY, files_of(2), "s")
    assert checkpoints.read(KEY) == files_of(1)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == [KEY]


@pytest.mark.parametrize("kind", ["flip", "truncate", "delete", "swap", "empty"])
@pytest.mark.parametrize("name", [ABOUT, RESUME, "manifest.json"])
def test_every_damage_is_seen(checkpoints: Checkpoints, name: str, kind: str) -> None:
    draw = random.Random(f"{name} {kind}")  # noqa: S311 - no secret
    checkpoints.write(KEY, files_of(1), "s")
    victim = checkpoints.folder(KEY) / name
    content = bytearray(victim.read_bytes())
    if kind == "flip":
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        victim.write_bytes(content)
    elif kind == "truncate":
        victim.write_bytes(content[: draw.randrange(len(content))])
    elif kind == "delete":
        victim.unlink()
    elif kind == "swap":
        other = victim.with_name(MODEL)
        victim.write_bytes(other.read_bytes())
        other.write_bytes(content)
    else:
        victim.write_bytes(b"")
    assert checkpoints.resumable(KEY)
    try:
        found = checkpoints.read(KEY)
    except CheckpointError:
        return
    assert name == "manifest.json"  # a bit of the suite's name or of the white space
    assert found == files_of(1)


def test_a_finished_trial_leaves_nothing_or_its_weights(checkpoints: Checkpoints) -> None:
    checkpoints.write(KEY, files_of(1), "s")
    checkpoints.write(OTHER, files_of(2), "s")
    checkpoints.finish(KEY, keep=False)
    checkpoints.finish(OTHER, keep=True)
    checkpoints.finish("0" * 32, keep=True)
    assert checkpoints.keys() == {OTHER}
    assert {path.name for path in checkpoints.folder(OTHER).iterdir()} == {*KEPT, "manifest.json"}
    assert not checkpoints.resumable(OTHER)
    assert checkpoints.read(OTHER) == {name: files_of(2)[name] for name in KEPT}


def test_what_nobody_goes_on_from_is_cleared_and_the_rest_stays(tmp_path: Path, checkpoints: Checkpoints) -> None:
    mine, others, stored, kept, broken, broken_stored = (digit * 32 for digit in "123456")
    for key, suite in ((mine, "s"), (others, "t"), (stored, "t"), (kept, "s"), (broken, "t"), (broken_stored, "t")):
        checkpoints.write(key, files_of(1), suite)
    checkpoints.finish(kept, keep=True)
    for key in (broken, broken_stored):
        (checkpoints.folder(key) / "manifest.json").write_text("{")
    assert checkpoints.clear(suite="s", over=lambda key: key in (stored, kept, broken_stored)) == 3
    assert checkpoints.keys() == {others, kept, broken}
    assert checkpoints.clear(suite="t", over=lambda key: key == broken) == 2
    checkpoints.finish(kept, keep=False)
    assert checkpoints.clear(suite="t", over=lambda key: True) == 0
    assert not list(tmp_path.iterdir())
