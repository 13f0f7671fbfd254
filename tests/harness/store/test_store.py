"""The store: whole or not at all, verified when read."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from rearec_bench.harness.records.results import TrialResult
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.utils.errors import StoreError


def arrays_of(result: TrialResult) -> Iterator[tuple[str, np.ndarray]]:
    for split, held in (("valid", result.validation), ("test", result.test)):
        if held is not None:
            for part in (held.rows, held.traces):
                if part is not None:
                    for field in dataclasses.fields(part):
                        yield f"{split}.{type(part).__name__}.{field.name}", getattr(part, field.name)


def without_arrays(result: TrialResult) -> dict[str, Any]:
    held = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    for split in ("validation", "test"):
        found = held[split]
        held[split] = found and (type(found), found.readout, found.steps, found.similarity)
    return held


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results")


@pytest.fixture
def made(store: Store, synthetic: ModuleType) -> TrialResult:
    """A trial that is stored."""
    result: TrialResult = synthetic.trial(synthetic.spec())
    store.write(result)
    return result


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_a_trial_comes_back_with_every_bit_of_its_arrays(store: Store, synthetic: ModuleType, steps: int) -> None:
    written = synthetic.trial(synthetic.spec(steps=steps))
    store.write(written)
    read = store.read(written.key)
    before, after = dict(arrays_of(written)), dict(arrays_of(read))
    assert before.keys() == after.keys() and len(before) == 26
    for name, array in before.items():
        assert (array.dtype, array.shape) == (after[name].dtype, after[name].shape), name
        assert array.tobytes() == after[name].tobytes(), name
    assert without_arrays(written) == without_arrays(read)


def test_half_precision_values_keep_their_bits_and_a_split_without_rows_its_shapes(
    store: Store, synthetic: ModuleType
) -> None:
    odd = np.array([[0x7E01, 0x7C00, 0xFC00], [0x8000, 0x0001, 0xFE55]], dtype=np.uint16).view(np.float16)
    made = synthetic.trial(synthetic.spec(steps=2), rows=2)
    none = {field.name: getattr(made.test.rows, field.name)[:0] for field in dataclasses.fields(made.test.rows)}
    valid = dataclasses.replace(made.validation, rows=dataclasses.replace(made.validation.rows, entropy=odd))
    test = dataclasses.replace(made.test, rows=dataclasses.replace(made.test.rows, **none))
    store.write(dataclasses.replace(made, validation=valid, test=test))
    assert store.rows(made.key, "valid").entropy.tobytes() == odd.tobytes()
    rows = store.rows(made.key, "test")
    assert rows.step_ranks.shape == (0, 3) and rows.entropy.dtype == np.float16


def test_summary_and_ranks_are_those_of_the_whole_result(store: Store, made: TrialResult) -> None:
    summary = store.summary(made.key)
    assert summary.key == made.key and summary.facts() == made.facts()
    assert made.validation is not None and made.test is not None
    assert (summary.validation, summary.test) == (made.validation.readout, made.test.readout)
    assert (summary.validation_steps, summary.test_steps) == (made.validation.steps, made.test.steps)
    for split in ("valid", "test"):
        rows, ranks = store.rows(made.key, split), store.ranks(made.key, split)
        for field in dataclasses.fields(ranks):
            read, whole = getattr(ranks, field.name), getattr(rows, field.name)
            assert (read.dtype, read.shape, read.tobytes()) == (whole.dtype, whole.shape, whole.tobytes()), field.name


def test_a_diverged_trial_comes_back_with_its_reason_and_losses_that_are_not_finite(
    store: Store, synthetic: ModuleType
) -> None:
    made = synthetic.trial(synthetic.spec(), status="diverged")
    last = dataclasses.replace(made.history[-1], losses={"total": float("nan"), "rec": float("inf")})
    store.write(dataclasses.replace(made, history=(*made.history[:-1], last)))
    read = store.read(made.key)
    assert (read.status, read.reason, read.traceback) == ("diverged", "loss not finite at epoch 3", "Traceback")
    assert (store.folder(read.key) / "traceback.txt").read_text() == "Traceback\n"
    assert np.isnan(read.history[-1].losses["total"]) and read.history[-1].losses["rec"] == float("inf")
    assert read.validation is None and read.test is None


def test_the_first_of_two_writes_stays_unless_it_is_replaced_or_deleted(store: Store, synthetic: ModuleType) -> None:
    first = synthetic.trial(synthetic.spec(), draw=1)
    second = synthetic.trial(synthetic.spec(), draw=2)
    store.write(first)
    store.write(second)
    assert store.summary(first.key).test == first.test.readout
    store.write(second, replace=True)
    assert store.summary(first.key).test == second.test.readout
    assert os.listdir(store.root / "trials") == [first.key]
    for _ in range(2):
        store.delete(first.key)
    assert not store.has(first.key) and os.listdir(store.trials) == []
    with pytest.raises(StoreError, match="is not stored"):
        store.read(first.key)


HARMS: dict[str, Callable[[bytes], bytes | None]] = {
    "gone": lambda content: None,
    "cut": lambda content: content[:20],
    "flipped": lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
}


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("name", ["manifest.json", "result.json", "valid.parquet", "traces_test.safetensors"])
def test_a_harmed_file_is_an_error_that_names_the_folder(store: Store, made: TrialResult, name: str, harm: str) -> None:
    file = store.folder(made.key) / name
    content = HARMS[harm](file.read_bytes())
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.raises(StoreError, match=f"{made.key} is damaged .*results verify --fix"):
        store.read(made.key)
    if harm != "flipped":  # a summary does not read rows
        with pytest.raises(StoreError, match=f"{made.key} is damaged"):
            store.summary(made.key)


def test_a_folder_of_another_trial_or_schema_is_an_error(store: Store, made: TrialResult) -> None:
    other = "0" * 32
    store.folder(made.key).rename(store.folder(other))
    with pytest.raises(StoreError, match=f"its manifest belongs to trial {made.key}"):
        store.summary(other)
    manifest = store.folder(other) / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "schema": 7}))
    with pytest.raises(StoreError, match="schema version 7; this version of rearec-bench reads version 1"):
        store.summary(other)


def test_a_search_trial_has_no_rows_of_test(store: Store, synthetic: ModuleType) -> None:
    made = synthetic.trial(synthetic.spec(purpose="search"))
    store.write(made)
    with pytest.raises(StoreError, match="no rows of 'test'"):
        store.rows(made.key, "test")
    with pytest.raises(StoreError, match=r"no split 'train'. Allowed: valid, test"):
        store.rows(made.key, "train")


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
import synthetic
from rearec_bench.harness.utils import files as atomic
from rearec_bench.harness.store.store import Store

store = Store(Path(sys.argv[1]))
replace = sys.argv[3] == "replace"
if replace:
    store.write(synthetic.trial(synthetic.spec(), draw=1))
calls = 0
real = getattr(atomic, sys.argv[4])

def deadly(*args, **kwargs):
    global calls
    calls += 1
    if calls == int(sys.argv[5]):
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **kwargs)

setattr(atomic, sys.argv[4], deadly)
store.write(synthetic.trial(synthetic.spec(), draw=2), replace=replace)
"""


@pytest.mark.parametrize(
    ("mode", "function", "call"),
    [("first", "_sync", 1), ("replace", "_write_synced", 2), ("replace", "_sync", 2)],
)
@pytest.mark.slow
def test_a_writer_killed_at_any_point_leaves_a_whole_trial_or_none(
    tmp_path: Path, synthetic: ModuleType, mode: str, function: str, call: int
) -> None:
    folder = str(Path(synthetic.__file__).parent)
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), folder, mode, function, str(call)])
    assert ended.returncode == -signal.SIGKILL
    left = [name for name in os.listdir(tmp_path / "trials") if name.startswith(".")]
    assert left, "the test killed too late"
    key = synthetic.spec().key
    store = Store(tmp_path)
    if mode == "first":
        assert store.keys() == set() and not store.has(key)
    clean(tmp_path)
    assert [name for name in os.listdir(tmp_path / "trials") if name.startswith(".")] == []
    assert store.keys() == ({key} if mode == "replace" else set())
    if mode == "replace":
        expected = synthetic.trial(synthetic.spec(), draw=1 if function == "_write_synced" else 2)
        assert store.read(key).test.readout == expected.test.readout


def clean(root: Path) -> None:
    """As the next writer does first."""
    with Store(root).locked("cleaning"):
        pass


def test_a_replacement_killed_between_its_renames_is_undone_by_cleaning(store: Store, made: TrialResult) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    name = f".old~{made.key}~{socket.gethostname()}~{gone.pid}~00000000"
    store.folder(made.key).rename(store.trials / name)
    assert not store.has(made.key)
    clean(store.root)
    assert store.read(made.key).facts() == made.facts()


def test_cleaning_leaves_the_files_of_a_writer_that_lives(store: Store) -> None:
    sleeper = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    try:
        used = store.root / "trials" / f".tmp~{'0' * 32}~{socket.gethostname()}~{sleeper.pid}~00000000"
        used.mkdir(parents=True)
        other = store.root / "trials" / ".keep"
        other.touch()
        clean(store.root)
        assert used.exists() and other.exists()
    finally:
        sleeper.communicate()
    clean(store.root)
    assert not used.exists() and other.exists()


def test_find_wants_one_key_and_says_what_else_there_is(store: Store) -> None:
    keys = ["a1" + "0" * 30, "a2" + "0" * 30, "b" * 32]
    for key in keys:
        store.folder(key).mkdir(parents=True)
    assert store.keys() == set(keys)
    assert [store.find(key[:2].upper()) for key in keys] == keys
    with pytest.raises(StoreError, match=r"2 trials have keys that start with 'a': .*Add digits"):
        store.find("a")
    for prefix in ("zz", ""):
        with pytest.raises(StoreError, match=f"no trial in .* has a key that starts with '{prefix}'"):
            store.find(prefix)


def test_suites_come_back_and_say_which_trials_they_use(store: Store) -> None:
    a, b, c = ("a" * 32, "b" * 32, "c" * 32)
    index = {"cells": {"x": {"search": [a, None], "best": a, "final": {"1": b}}}}
    store.write_suite("one", {"name": "one"}, index)
    store.write_suite("two", {"name": "two"}, {"cells": {}})
    assert store.suites() == ["one", "two"]
    assert store.read_suite("one") == ({"name": "one"}, index)
    assert (store.used_by(a), store.used_by(b), store.used_by(c)) == (["one"], ["one"], [])
    with pytest.raises(StoreError, match=r"no suite 'three' in .*Stored: one, two"):
        store.read_suite("three")


def test_a_suite_can_be_written_again_beside_its_log_and_its_damage_is_named(store: Store) -> None:
    store.write_suite("one", {"name": "one"}, {"cells": {}})
    (store.suite_folder("one") / "run.jsonl").write_text("{}\n")
    store.write_suite("one", {"name": "one"}, {"cells": {"x": {}}})
    assert store.read_suite("one")[1]["cells"] == {"x": {}}
    assert sorted(os.listdir(store.suite_folder("one"))) == ["index.json", "run.jsonl", "suite.json"]
    (store.suite_folder("one") / "index.json").write_text('{"schema": 1, "ce')
    with pytest.raises(StoreError, match=r"index\.json is damaged"):
        store.read_suite("one")


@pytest.mark.parametrize(
    "cell", [{"search": "x"}, {"best": "x"}, {"final": {"x": "0" * 32}}, {"final": {"1": None}}, {"note": 1}, []]
)
def test_an_index_of_other_types_is_damage_that_names_its_place(store: Store, cell: Any) -> None:
    store.write_suite("one", {"name": "one"}, {"cells": {"erl": cell}})
    with pytest.raises(StoreError, match=r"index\.json is damaged \(cells\.erl"):
        store.read_suite("one")


def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path, synthetic: ModuleType) -> None:
    (tmp_path / "trials").write_text("in the way")
    made = synthetic.trial(synthetic.spec())
    with pytest.raises(StoreError, match=f"{made.key} cannot be written"):
        Store(tmp_path).write(made)
