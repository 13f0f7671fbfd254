"""Checkpoints on disk: whole or not at all, damage is seen, and what nobody needs goes."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

import pytest

from rearec_bench.harness.store import checkpoints as checkpoint_store
from rearec_bench.harness.store.checkpoints import Checkpoints, fetch, send
from rearec_bench.harness.trial.checkpoint import FILES, KEPT
from rearec_bench.harness.utils.errors import CheckpointError

KEY = "0123456789abcdef" * 2
OTHER = "f" * 32


def files_of(seed: int, size: int = 100) -> dict[str, bytes]:
    draw = random.Random(seed)  # noqa: S311 - no secret
    return {name: draw.randbytes(size + number) for number, name in enumerate(FILES)}


def in_pieces(files: dict[str, bytes]) -> dict[str, list[bytes]]:
    """Each file cut at odd places, with empty pieces between."""
    cuts = (0, 0, 1, 30, 31, 75, 75, 10**6)
    return {name: [content[a:b] for a, b in itertools.pairwise(cuts)] for name, content in files.items()}


def test_what_is_fetched_is_what_was_sent_whatever_the_size_of_the_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in (1, 7, 100, 101, 10_000):
        monkeypatch.setattr(checkpoint_store, "PART_BYTES", part)
        held = Checkpoints(tmp_path)
        sent = files_of(part)
        send(held, KEY, in_pieces(sent), suite="s")
        assert fetch(held, KEY) == sent
    assert held.keys() == {KEY}
    assert not list((tmp_path / "checkpoints" / ".staged").iterdir())


def test_an_empty_file_is_a_file(tmp_path: Path) -> None:
    held = Checkpoints(tmp_path)
    sent = {**files_of(1), FILES[1]: b""}
    send(held, KEY, in_pieces(sent), suite="s")
    assert fetch(held, KEY) == sent


def test_the_one_before_stays_until_the_next_one_is_whole(tmp_path: Path) -> None:
    held = Checkpoints(tmp_path)
    send(held, KEY, in_pieces(files_of(1)), suite="s")
    token = "a" * 32
    for name in FILES[:2]:
        held.put(KEY, token, name, 0, b"half")
    with pytest.raises(CheckpointError, match=f"{FILES[2]}, {FILES[3]} did not arrive"):
        held.commit(KEY, token, {"key": KEY, "files": dict.fromkeys(FILES, "")})
    assert fetch(Checkpoints(tmp_path, clean=True), KEY) == files_of(1)
    assert not (tmp_path / "checkpoints" / ".staged").exists()


def test_parts_that_a_new_collector_does_not_know_are_refused(tmp_path: Path) -> None:
    held = Checkpoints(tmp_path)
    held.put(KEY, "a" * 32, FILES[0], 0, b"12345")
    held = Checkpoints(tmp_path, clean=True)
    with pytest.raises(CheckpointError, match="does not go on at byte 5"):
        held.put(KEY, "a" * 32, FILES[0], 5, b"678")


@pytest.mark.parametrize("seed", range(40))
def test_every_damage_is_seen(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 - no secret
    held = Checkpoints(tmp_path)
    sent = files_of(seed)
    send(held, KEY, in_pieces(sent), suite="s")
    victim = draw.choice(sorted((tmp_path / "checkpoints" / KEY).iterdir()))
    kind = draw.choice(["flip", "truncate", "delete", "swap", "empty"])
    content = bytearray(victim.read_bytes())
    if kind == "flip":
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        victim.write_bytes(content)
    elif kind == "truncate":
        victim.write_bytes(content[: draw.randrange(len(content))])
    elif kind == "delete":
        victim.unlink()
    elif kind == "swap":
        other = victim.with_name(draw.choice([name for name in FILES if name != victim.name]))
        content, kept = other.read_bytes(), content
        other.write_bytes(kept)
        victim.write_bytes(content)
    else:
        victim.write_bytes(b"")
    assert held.resumable(KEY)
    try:
        found = fetch(held, KEY)
    except CheckpointError:
        return
    assert victim.name == "manifest.json"  # a bit of the suite's name or of the white space
    assert found == sent


def test_a_checkpoint_of_another_schema_is_refused(tmp_path: Path) -> None:
    held = Checkpoints(tmp_path)
    send(held, KEY, in_pieces(files_of(1)), suite="s")
    manifest = tmp_path / "checkpoints" / KEY / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "schema": 99}))
    with pytest.raises(CheckpointError, match="schema version 99"):
        fetch(held, KEY)


def test_a_finished_trial_leaves_nothing_or_its_weights(tmp_path: Path) -> None:
    held = Checkpoints(tmp_path)
    send(held, KEY, in_pieces(files_of(1)), suite="s")
    send(held, OTHER, in_pieces(files_of(2)), suite="s")
    held.finish(KEY, keep=False)
    held.finish(OTHER, keep=True)
    held.finish("0" * 32, keep=True)
    assert held.keys() == {OTHER}
    assert {path.name for path in held.folder(OTHER).iterdir()} == {*KEPT, "manifest.json"}
    assert not held.resumable(OTHER)
    assert fetch(held, OTHER) == {name: files_of(2)[name] for name in KEPT}


def test_what_nobody_goes_on_from_is_cleared_and_the_rest_stays(tmp_path: Path) -> None:
    held = Checkpoints(tmp_path)
    mine, others, stored, kept, broken, broken_stored = (digit * 32 for digit in "123456")
    for key, suite in ((mine, "s"), (others, "t"), (stored, "t"), (kept, "s"), (broken, "t"), (broken_stored, "t")):
        send(held, key, in_pieces(files_of(1)), suite=suite)
    held.finish(kept, keep=True)
    for key in (broken, broken_stored):
        (held.folder(key) / "manifest.json").write_text("{")
    assert held.clear(suite="s", over=lambda key: key in (stored, kept, broken_stored)) == 3
    assert held.keys() == {others, kept, broken}
    assert held.clear(suite="t", over=lambda key: key == broken) == 2
    held.finish(kept, keep=False)
    assert held.clear(suite="t", over=lambda key: True) == 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["../../x", "manifest.json", "", "/etc/passwd"])
def test_names_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    held = Checkpoints(tmp_path)
    with pytest.raises(CheckpointError):
        held.put(KEY, "a" * 32, name, 0, b"")
    with pytest.raises(CheckpointError):
        held.put(name, "a" * 32, FILES[0], 0, b"")
    with pytest.raises(CheckpointError):
        held.put(KEY, name, FILES[0], 0, b"")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("a file")
    with pytest.raises(CheckpointError, match="could not be written"):
        send(Checkpoints(tmp_path), KEY, in_pieces(files_of(1)), suite="s")
