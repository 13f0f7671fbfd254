"""Whatever happens to a stored trial: no command crashes, none shows a wrong number, and the trial can run again.

Each case harms one trial (or two) of a small store in one way, drawn by a seed, and then types every command that reads
the store. A table may show the numbers of the whole store, or those of the store without the harmed trials, saying so.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
import shutil
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.plan.cells import expand
from rearec_bench.harness.plan.queue import Signal, SuiteQueue
from rearec_bench.harness.records.results import TrialResult
from rearec_bench.harness.records.spec import ENGINE_VERSION
from rearec_bench.harness.run import runner as execute
from rearec_bench.harness.run.outcome import RunOutcome
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.store.trial_folder import MANIFEST

from ..typed import typed

V1 = Path(__file__).parents[1] / "stores" / "v1"
TABLES = ("overall", "ceiling", "steps", "adaptive")
SUITE = """
name: first
datasets: [tiny]
backbones: [sasrec: {width: 8, layers: 1, heads: 1, feed_forward: 8}]
strategies: [base, erl: {kl_weight: {search: [0.001, 0.01]}}]
steps: [1]
seeds: [1, 2]
references: [popularity]
search: {trials: 2}
training: {lr: 0.01, batch_size: 512, max_len: 10, max_epochs: 2, packing: users}
"""
MANY, BLOCK = 1000, 50
OTHERS: tuple[Any, ...] = (None, "x", [], {}, [None], {"x": 1}, "nan" * 9)
Harm = Callable[[random.Random, Path, Path], None]


class World:
    """A small whole store, its trials, and what its tables show without some of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.suite = folder / "first.yaml"
        self.suite.write_text(SUITE)
        old, self.store = Store(V1), Store(folder / "whole")
        made = {key: as_of_today(old.read(key)) for key in sorted(old.keys())}
        self.results = {result.key: result for result in made.values()}
        for result in self.results.values():
            self.store.write(result)
        suite, index = old.read_suite("first")
        text = json.dumps(index)
        for key, result in made.items():
            text = text.replace(key, result.key)
        self.store.write_suite("first", suite, json.loads(text))
        shutil.copy(V1 / "suites" / "first" / "run.jsonl", self.store.suite_folder("first"))
        index = self.store.read_suite("first")[1]
        self.used = sorted({key for cell in index["cells"].values() for key in cell["final"].values()})
        self.used += [key for cell in index["cells"].values() for key in cell["search"]]
        self.fingerprint = catalog.load_dataset("tiny", data_dir=folder).fingerprint
        self.without = cache(self._without)

    def _without(self, table: str, lost: frozenset[str]) -> list[dict[str, Any]]:
        """The records of a table of the whole store, less some trials."""
        root = self.folder / "less"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(self.store.root, root)
        for key in lost:
            shutil.rmtree(root / "trials" / key)
        return shown(report(root, table))["records"]

    def run_suite(self, suite: Any, *, store: Store, **given: Any) -> RunOutcome:
        """What a run does with the store, without Ray: the queue decides, and a trial comes out as it did before."""
        queue = SuiteQueue(expand(suite), fingerprints={"tiny": self.fingerprint}, device="cpu", stored=store.lookup)
        while not isinstance(job := queue.next(), Signal):
            store.write(self.results[job.key], replace=True)
            queue.tell(store.summary(job.key))
        header = {name: value for name, value in Store(V1).read_suite("first")[1].items() if name != "cells"}
        store.write_suite("first", suite.to_json(), {**header, "cells": queue.index()})
        return RunOutcome(0, 0, (), (), False, queue.left, queue.started, 0.0, 0.0)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


def as_of_today(result: TrialResult) -> TrialResult:
    """A trial as if today's engine had made it: the suite asks for it."""
    return dataclasses.replace(result, spec=dataclasses.replace(result.spec, engine=ENGINE_VERSION))


def report(root: Path, table: str) -> Result:
    return typed("report", "first", "--results", str(root), "--table", table, "--format", "json")


def shown(done: Result) -> dict[str, Any]:
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)["tables"][0]


# ---- harm


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())


def zeroed(draw: random.Random, content: bytes) -> bytes:
    start = draw.randrange(len(content))
    return content[:start] + bytes(len(content[start : start + 512])) + content[start + 512 :]


def flipped(draw: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 8))):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


BYTES: dict[str, Callable[[random.Random, bytes], bytes | None]] = {
    "truncated": lambda draw, content: content[: draw.randrange(len(content))],
    "flipped": flipped,
    "zeroed": zeroed,
    "lengthened": lambda draw, content: content + draw.randbytes(draw.randrange(1, 99)),
    "emptied": lambda draw, content: b"",
    "deleted": lambda draw, content: None,
}


def spoilt(draw: random.Random, path: Path, kind: str) -> None:
    """A file with other bytes, or none."""
    content = BYTES[kind](draw, path.read_bytes())
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)


def of_bytes(kind: str) -> Harm:
    def harm(draw: random.Random, folder: Path, other: Path) -> None:
        spoilt(draw, draw.choice(files_of(folder)), kind)

    return harm


def swapped(draw: random.Random, folder: Path, other: Path) -> None:
    if len(files_of(folder)) > 2:
        exchange(*draw.sample(files_of(folder), 2))


def swapped_between_trials(draw: random.Random, folder: Path, other: Path) -> None:
    shared = sorted({path.name for path in files_of(folder)} & {path.name for path in files_of(other)})
    for name in draw.sample(shared, draw.randrange(1, len(shared) + 1)):
        exchange(folder / name, other / name)


def swapped_trials(draw: random.Random, folder: Path, other: Path) -> None:
    exchange(folder, other)


def garbage(draw: random.Random, folder: Path, other: Path) -> None:
    contents = (b"{}", b"[]", b"null", b"1e999", b'"x"', b"[" * 99999, b"\xff\xfe", b'{"schema": 1}', b"NaN")
    (folder / draw.choice((MANIFEST, "result.json"))).write_bytes(draw.choice(contents))


def of_another_type(draw: random.Random, folder: Path, other: Path) -> None:
    """A value of another type where nobody expects it, in a file whose checksum is right."""
    name = draw.choice((MANIFEST, "result.json", "result.json"))
    data = json.loads((folder / name).read_text())
    unread = [data.get("environment"), data.get("sizes")]
    holder, place = draw.choice([(holder, place) for holder, place in places(data) if holder not in unread])
    holder[place] = draw.choice([value for value in OTHERS if type(value) is not type(holder[place])])
    signed(folder, name, data)


def of_another_schema(draw: random.Random, folder: Path, other: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    signed(folder, MANIFEST, {**manifest, "schema": draw.choice((0, 2, 99, "1", None, True, [1], 1.5))})


def of_another_spec(draw: random.Random, folder: Path, other: Path) -> None:
    data = json.loads((folder / "result.json").read_text())
    data["spec"]["dataset_fingerprint"] = "0" * 64
    signed(folder, "result.json", data)


def become_a_file(draw: random.Random, folder: Path, other: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("x") if draw.random() < 0.5 else folder.symlink_to("nowhere")


OTHER_HARMS: tuple[Harm, ...] = (swapped, swapped_between_trials, swapped_trials, garbage)
OTHER_HARMS += (of_another_type, of_another_schema, of_another_spec, become_a_file)
HARMS = {kind: of_bytes(kind) for kind in BYTES} | {harm.__name__: harm for harm in OTHER_HARMS}
QUICK = ("flipped", "swapped_between_trials", "garbage", "of_another_type", "of_another_schema", "become_a_file")
"""Those of the fast tests; `faults` has all of them, many times."""


def exchange(one: Path, other: Path) -> None:
    between = one.with_name("between")
    one.rename(between)
    other.rename(one)
    between.rename(other)


def signed(folder: Path, name: str, data: Any) -> None:
    """Write a file, and its checksum and size into the manifest."""
    content = json.dumps(data).encode()
    (folder / name).write_bytes(content)
    if name != MANIFEST:
        manifest = json.loads((folder / MANIFEST).read_text())
        manifest["files"][name] = hashlib.sha256(content).hexdigest()
        if "sizes" in manifest:
            manifest["sizes"][name] = len(content)
        (folder / MANIFEST).write_text(json.dumps(manifest))


def places(data: Any) -> Any:
    """Every (container, key) below a value."""
    for key, value in list(data.items() if isinstance(data, dict) else enumerate(data)):
        yield data, key
        if isinstance(value, dict | list):
            yield from places(value)


def meaning(folder: Path) -> Any:
    """What a trial's folder says: everything but the looks of its manifest."""
    if not folder.is_dir():
        return None
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        said = [manifest[name] for name in ("schema", "key", "files")]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        said = [None]
    return repr(said), {path.name: path.read_bytes() for path in files_of(folder) if path.name != MANIFEST}


# ---- cases


def harmed(world: World, root: Path, number: int) -> tuple[str, list[str], list[str]]:
    """A copy of the store with one harm: its name, whom it was for, and which trials do not say what they said."""
    draw = random.Random(number)  # noqa: S311 - no secret
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(world.store.root, root)
    if draw.random() < 0.2:
        for path in root.glob(f"trials/*/{MANIFEST}"):  # as the first version wrote it
            manifest = json.loads(path.read_text())
            del manifest["sizes"]
            path.write_text(json.dumps(manifest))
    keys = draw.sample(world.used, 2)
    before = {key: meaning(root / "trials" / key) for key in keys}
    harm = list(HARMS)[number % len(HARMS)]
    HARMS[harm](draw, *(root / "trials" / key for key in keys))
    return harm, keys, [key for key in keys if meaning(root / "trials" / key) != before[key]]


def left_out(world: World, root: Path, keys: list[str]) -> list[str]:
    """The trials that each table leaves out and names; its numbers are those of the store without them."""
    named: set[str] = set()
    for table in TABLES:
        found = shown(report(root, table))
        lines = [line for line in found["protocol"] if line.startswith("Left out")]
        said = [key for key in keys if any(f"trial {key[:8]} is damaged" in line for line in lines)]
        assert found["records"] == world.without(table, frozenset(said)), (table, lines)
        named |= set(said)
    return sorted(named)


def check(world: World, root: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    harm, keys, lost = harmed(world, root, number)
    where = ("--results", str(root))
    assert typed("plan", str(world.suite), *where).exit_code == 0
    left_out(world, root, keys)
    for key in keys:
        typed("show", key, *where)
    verified = typed("results", "verify", *where)
    named = {key for key in world.results if key in verified.output}
    assert set(lost) <= named <= set(keys), (number, harm, verified.output)
    assert verified.exit_code == (1 if named else 0), (number, harm, verified.output)
    if number % 2:
        assert typed("results", "verify", "--fix", *where).exit_code == 0
        assert typed("results", "verify", *where).exit_code == 0
        assert not lost or len(list((root / "quarantine").glob("*.json"))) >= len(lost)
    monkeypatch.setattr(execute, "run_suite", world.run_suite)
    done = typed("run", str(world.suite), *where)
    assert done.exit_code == 0, (number, harm, done.output)
    assert not (left_out(world, root, keys) and number % 2), (number, harm)


@pytest.mark.parametrize("harm", QUICK)
def test_whatever_harms_a_trial_no_command_crashes_or_lies(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    check(world, tmp_path / "results", list(HARMS).index(harm) + len(HARMS) * QUICK.index(harm), monkeypatch)


@pytest.mark.faults
@pytest.mark.parametrize("block", range(MANY // BLOCK))
def test_a_thousand_harms(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    for number in range(BLOCK * block, BLOCK * (block + 1)):
        check(world, tmp_path / "results", number, monkeypatch)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param(name, kind, marks=() if (place + turn) % 3 == 0 else pytest.mark.faults)
        for place, name in enumerate(("suite.json", "index.json", "run.jsonl"))
        for turn, kind in enumerate(BYTES)
    ],
)
def test_whatever_harms_a_suites_files_no_command_crashes_or_lies(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    root = tmp_path / "results"
    shutil.copytree(world.store.root, root)
    file = root / "suites" / "first" / name
    before = file.read_bytes()
    spoilt(random.Random(kind), file, kind)  # noqa: S311 - no secret
    where = ("--results", str(root))
    for table in TABLES:
        done = report(root, table)
        if done.exit_code == 0:
            assert shown(done)["records"] == world.without(table, frozenset())
        else:
            assert "is damaged" in done.stderr or "unknown suite 'first'" in done.stderr or "no suite" in done.stderr
            assert name != "run.jsonl"
    assert typed("show", world.used[0], *where).exit_code == 0
    assert typed("plan", str(world.suite), *where).exit_code == 0
    if not file.exists() or file.read_bytes() != before:
        typed("results", "verify", *where)
    assert typed("results", "verify", "--fix", *where).exit_code == 0
    assert typed("results", "verify", *where).exit_code == 0
    monkeypatch.setattr(execute, "run_suite", partial(world.run_suite))
    assert typed("run", str(world.suite), *where).exit_code == 0
    for table in TABLES:
        assert shown(report(root, table))["records"] == world.without(table, frozenset())
    assert typed("results", "verify", *where).exit_code == 0


def test_a_report_says_what_it_leaves_out(world: World, tmp_path: Path) -> None:
    root = tmp_path / "results"
    shutil.copytree(world.store.root, root)
    final = next(key for key in world.used if world.results[key].spec.strategy.kind == "erl")
    (root / "trials" / final / "result.json").write_text("{}")
    text = typed("report", "first", "--results", str(root)).output
    assert f"Left out: trial {final[:8]} is damaged (result.json has 2 bytes of " in text
    assert f"rearec-bench results verify --fix --results {root}  and run again" in text
    assert "1/2 final runs (seed" in text and "damaged)" in text
    planned = typed("plan", str(world.suite), "--results", str(root)).output
    assert f"Trial {final[:8]} is damaged and counts as not run" in planned and "1 to run" in planned
    refused = typed("show", final, "--results", str(root))
    assert refused.exit_code == 1 and "rearec-bench results verify --fix" in refused.stderr
