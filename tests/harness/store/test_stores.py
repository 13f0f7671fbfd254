"""A store of every earlier version is read, gone on with and brought up to date.

`stores/v1` was written by the program before suite files were sealed: two suites of made-up trials, one with a
reference and a search, one with a diverged and a failed trial. A new version of the format adds a folder here, and none
changes.
"""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load

from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.plan.cells import Cell, expand
from rearec_bench.harness.plan.queue import Signal, SuiteQueue
from rearec_bench.harness.report.report import render_report
from rearec_bench.harness.report.tables.registry import TABLES
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.store.suites import READABLE as SUITES_READABLE
from rearec_bench.harness.store.suites import SCHEMA as SUITES_SCHEMA
from rearec_bench.harness.store.trial_folder import READABLE as TRIALS_READABLE
from rearec_bench.harness.store.verify import verify
from rearec_bench.harness.suite.model import Suite

STORES = Path(__file__).parents[1] / "stores"
VERSIONS = sorted(path.name for path in STORES.iterdir())


@pytest.fixture(params=VERSIONS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    shutil.copytree(STORES / request.param, tmp_path / "results")
    return Store(tmp_path / "results")


def raw(store: Store, key: str) -> dict[str, Any]:
    return json.loads((store.root / "trials" / key / "result.json").read_text())


def test_there_is_a_store_of_every_earlier_version() -> None:
    assert set(VERSIONS) >= {f"v{version}" for version in SUITES_READABLE if version != SUITES_SCHEMA}
    held = {json.loads(path.read_text())["schema"] for path in STORES.glob("*/trials/*/manifest.json")}
    assert held == set(TRIALS_READABLE)


def test_every_trial_is_read_with_the_numbers_of_its_files(store: Store) -> None:
    assert len(store.keys()) == 10
    kinds = set()
    for key in sorted(store.keys()):
        result, said, folder = store.read(key), raw(store, key), store.root / "trials" / key
        kinds.add(result.status)
        assert (result.key, result.status, result.best_epoch) == (key, said["status"], said["best_epoch"])
        for split, held in (("valid", result.validation), ("test", result.test)):
            assert (held is None) == (said[split] is None)
            if held is None:
                continue
            assert held.readout == said[split]["readout"]
            columns = pq.read_table(io.BytesIO((folder / f"{split}.parquet").read_bytes())).to_pydict()
            assert held.rows.readout_ranks.tolist() == columns["readout_ranks"]
            assert held.rows.step_ranks[:, -1].tolist() == columns[f"step_ranks.{result.spec.steps}"]
            if held.traces is not None:
                states = load((folder / f"traces_{split}.safetensors").read_bytes())["states"]
                assert np.array_equal(held.traces.states, states)
    assert kinds == {"done", "diverged", "failed"}


def test_its_tables_have_the_means_of_its_files(store: Store) -> None:
    index = json.loads((store.root / "suites" / "first" / "index.json").read_text())
    expected = {}
    for cell in index["cells"].values():
        runs = [raw(store, key) for key in cell["final"].values()]
        kind = runs[0]["spec"]["strategy"]["kind"]
        expected[kind] = float(np.mean([run["test"]["readout"]["ndcg@20"] for run in runs]))
    records = json.loads(render_report(["first"], store=store, format="json"))["tables"][0]["records"]
    shown = {row["strategy"]: row["mean"] for row in records if row["metric"] == "ndcg@20"}
    assert len(shown) == 3 and sorted(shown.values()) == pytest.approx(sorted(expected.values()), abs=1e-15)
    for table in TABLES:
        text = render_report(None, store=store, table=table)
        assert "tiny" in text or (table in ("ablation", "sensitivity") and "No row of this suite" in text)


def test_a_run_goes_on_where_it_ended(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for the trials of its own engine: a later engine's are others."""
    of_today = Cell.spec
    monkeypatch.setattr(Cell, "spec", lambda *args, **given: dataclasses.replace(of_today(*args, **given), engine=1))
    fingerprint = catalog.load_dataset("tiny", data_dir=tmp_path).fingerprint
    shared = next(iter(store.read_suite("trouble")[1]["cells"].values()))["final"]["1"]
    for name, gone in (("first", ()), ("trouble", ()), ("trouble", (shared,)), ("first", (shared,))):
        for key in gone:
            store.delete(key)
        suite = Suite.from_json(store.read_suite(name)[0])
        queue = SuiteQueue(expand(suite), fingerprints={"tiny": fingerprint}, device="cpu", stored=store.lookup)
        jobs = []
        while not isinstance(job := queue.next(), Signal):
            jobs.append(job)
        assert [job.key for job in jobs] == list(gone) and queue.left == len(gone)
        assert store.damaged == {}


def test_it_verifies_and_is_brought_up_to_date_without_another_word(store: Store) -> None:
    before = {name: store.read_suite(name) for name in store.suites()}
    assert verify(store).findings == ()
    text = render_report(None, store=store, format="csv")
    for name, content in before.items():
        store.write_suite(name, *content)
        for file in ("suite.json", "index.json"):
            assert json.loads((store.suite_folder(name) / file).read_text())["schema"] == SUITES_SCHEMA
    assert {name: store.read_suite(name) for name in store.suites()} == before
    assert verify(store).findings == () and render_report(None, store=store, format="csv") == text


def test_every_file_that_is_written_says_its_version(stored: Path) -> None:
    from safetensors import safe_open

    seen = set()
    for path in [*stored.rglob("*.json"), *stored.rglob("*.parquet"), *stored.rglob("*.safetensors")]:
        if path.suffix == ".json":
            schema = json.loads(path.read_text())["schema"]
        elif path.suffix == ".parquet":
            schema = json.loads(pq.read_schema(path).metadata[b"rearec_bench"])["schema"]
        else:
            with safe_open(path, framework="numpy") as file:
                schema = int(file.metadata()["schema"])
        assert isinstance(schema, int), path
        seen.add(path.name)
    assert seen >= {"suite.json", "index.json", "manifest.json", "result.json", "test.parquet"}
