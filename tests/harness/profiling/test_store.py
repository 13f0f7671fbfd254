"""Profiles on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rearec_bench.harness.profile.store import ProfileStore
from rearec_bench.harness.utils.errors import StoreError

from . import made


def test_what_was_written_is_read_in_the_order_in_which_it_was_taken(tmp_path: Path) -> None:
    store = ProfileStore(tmp_path / "results")
    late, early = made.profile(taken_at=2.0), made.profile(taken_at=1.0, suite="other")
    store.write(late)
    store.write(early)
    assert store.read() == [early, late]
    assert store.read(["mine"]) == [late]
    assert store.read(["nobody"]) == []
    said = json.loads(store.path(late).read_text())
    assert (said["schema"], said["id"]) == (1, late.subject.id)
    assert said["subject"]["spec"]["strategy"]["kind"] == "prl"


def test_a_repeated_profile_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    store = ProfileStore(tmp_path)
    store.write(made.profile(taken_at=1.0))
    again = made.profile(taken_at=2.0, times={0: (5.0,), 1: (6.0,), 2: (7.0,)})
    store.write(again)
    assert store.read() == [again]
    assert len(list((tmp_path / "profiles").iterdir())) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "cannot be read"),
        ('{"schema": 1, "lines": []}', "cannot be read"),
        ('{"schema": 2}', "schema version 2; this version of rearec-bench reads 1"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, content: str, words: str) -> None:
    store, profile = ProfileStore(tmp_path), made.profile()
    store.write(profile)
    store.path(profile).write_text(content)
    with pytest.raises(StoreError) as error:
        store.read()
    assert words in str(error.value)
    assert str(store.path(profile)) in str(error.value)


def test_a_folder_without_its_file_is_not_a_profile_and_one_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "profiles" / ("0" * 12)).mkdir(parents=True)
    (tmp_path / "profiles" / "notes").mkdir()
    assert ProfileStore(tmp_path / "nowhere").read() == []
    assert ProfileStore(tmp_path).read() == []
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "profiles").write_text("a file")
    with pytest.raises(StoreError, match="cannot be written"):
        ProfileStore(tmp_path / "results").write(made.profile())
