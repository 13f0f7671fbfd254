"""`results verify`: what it finds, what it moves, and that nothing else is touched."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from click.testing import Result

from rearec_bench.harness.store.store import Store
from rearec_bench.harness.store.suites import log_lines, sealed
from rearec_bench.harness.store.verify import verify

from ..typed import typed

V1 = Path(__file__).parents[1] / "stores" / "v1"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    shutil.copytree(V1, tmp_path / "results")
    store = Store(tmp_path / "results")
    for name in store.suites():
        store.write_suite(name, *store.read_suite(name))
    return store


def command(store: Store, *words: str) -> Result:
    return typed("results", "verify", "--results", store.root, *words)


def kinds(store: Store) -> list[tuple[str, str]]:
    return [(one.kind, one.path.relative_to(store.root).as_posix()) for one in verify(store).findings]


def final_of(store: Store, suite: str = "first") -> str:
    cells = store.read_suite(suite)[1]["cells"].values()
    return next(key for cell in cells for key in cell["final"].values())


def test_a_whole_store_is_said_to_be_whole_and_files_of_killed_writers_go_with_fix(store: Store) -> None:
    left = store.trials / f".tmp~{'0' * 32}~elsewhere~1~00000000"
    left.mkdir()
    os.utime(left, (1, 1))
    done = command(store)
    assert (done.exit_code, done.output) == (0, "10 trials, 2 suites: all as they were written.\n")
    assert command(store, "--fix").exit_code == 0 and not left.exists()


def test_a_damaged_trial_is_moved_with_its_reason_and_leaves_the_indexes(store: Store) -> None:
    key = final_of(store)
    file = store.folder(key) / "test.parquet"
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(bytes(content))
    before = {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()}
    done = command(store)
    assert done.exit_code == 1 and f"{key}: the checksum of test.parquet does not match the manifest" in done.stdout
    assert "1 of its" in done.stdout
    assert done.stderr.endswith(f"rearec-bench results verify --results {store.root} --fix\n")
    assert {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file()} == before
    fixed = command(store, "--fix")
    assert fixed.exit_code == 0
    (reason,) = (store.root / "quarantine").glob("*.json")
    assert json.loads(reason.read_text())["was"] == f"trials/{key}"
    assert "checksum of test.parquet" in json.loads(reason.read_text())["why"]
    assert (reason.with_suffix("") / "test.parquet").read_bytes() == bytes(content)
    assert not store.has(key) and all(key not in json.dumps(store.read_suite(name)) for name in store.suites())
    assert command(store).exit_code == 0


def test_an_index_of_trials_that_are_gone_is_mended_and_namesakes_do_not_meet_in_the_quarantine(store: Store) -> None:
    key = final_of(store)
    store.delete(key)
    found = verify(store).findings
    assert {one.kind for one in found} == {"missing"} and "1 of its" in found[0].why
    assert command(store).exit_code == 1
    assert command(store, "--fix").exit_code == 0 and command(store).exit_code == 0
    places = set()
    for _ in range(3):
        store.folder(key).mkdir(exist_ok=True)
        places.add(store.quarantine(store.folder(key), "a reason"))
    assert len(places) == 3 and all(place.is_dir() for place in places)


def test_what_belongs_to_nobody_is_found_and_what_is_hidden_is_not(store: Store) -> None:
    (store.root / "trials" / "notes.txt").write_text("mine")
    (store.folder(final_of(store)) / "plot.png").write_text("mine")
    (store.root / "suites" / "no such\x1b[2J").mkdir()
    (store.root / "trials" / ".DS_Store").write_text("")
    (store.root / "mine").mkdir()
    found = kinds(store)
    assert [kind for kind, _ in found] == ["foreign"] * 3
    assert "\x1b" not in command(store).output
    assert command(store, "--fix").exit_code == 0
    assert command(store).exit_code == 0 and len(store.keys()) == 10 and (store.root / "mine").is_dir()


def test_files_of_a_suite_that_are_not_what_was_written_are_found(store: Store) -> None:
    one, other = (store.suite_folder(name) for name in ("first", "trouble"))
    shutil.copy(one / "suite.json", store.root / "kept")
    shutil.copy(other / "suite.json", one / "suite.json")
    assert ("suite", "suites/first/suite.json") in kinds(store)
    shutil.copy(store.root / "kept", one / "suite.json")
    index = json.loads((one / "index.json").read_text())
    cells = list(index["cells"].values())
    cells[0]["final"]["1"], cells[1]["final"]["1"] = cells[1]["final"]["1"], cells[0]["final"]["1"]
    (one / "index.json").write_text(json.dumps(index))
    assert kinds(store) == [("index", "suites/first/index.json")]
    (one / "suite.json").write_bytes(sealed({"name": "first"}, folder="first", file="suite.json"))
    found = kinds(store)
    assert ("suite", "suites/first/suite.json") in found
    assert command(store, "--fix").exit_code == 0
    assert command(store).exit_code == 0 and store.suites() == ["trouble"]


def test_lines_of_a_log_that_cannot_be_read_are_counted_and_no_damage(store: Store) -> None:
    log = store.suite_folder("first") / "run.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole + b'\x00\x00\n[1]\n{"schema": 99}\n\xff{}\n' + whole.splitlines()[0][:50])
    done = command(store)
    assert done.exit_code == 0 and "5 log lines cannot be read" in done.output
    assert log_lines(log.read_bytes()) == (whole.decode().splitlines(), 5)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    done = command(Store(tmp_path / "none"))
    assert done.exit_code == 1 and "there is no folder" in done.stderr and not (tmp_path / "none").exists()
    assert command(Store(tmp_path / "none"), "--fix").exit_code == 1 and not (tmp_path / "none").exists()


def test_fix_waits_for_nobody_and_refuses_while_a_run_writes(store: Store) -> None:
    with Store(store.root).locked("suite 'first'"):
        done = command(store, "--fix")
        assert done.exit_code == 2 and "suite 'first' (process" in done.stderr
        assert command(store).exit_code == 0
