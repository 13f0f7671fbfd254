"""docs/notebook.md, run from top to bottom, and the frames against the store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import rearec_bench
from rearec_bench.cli import main
from rearec_bench.harness.store.frames import load_results
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.utils.errors import InputError

from .harness import fake_ray
from .pages import blocks, page


@pytest.mark.slow
def test_the_pages_code_runs_and_its_numbers_are_the_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fake_ray.use(monkeypatch)
    ran = CliRunner().invoke(main, ["run", "smoke"])
    assert ran.exit_code == 0, ran.output
    names: dict[str, object] = {}
    for block in blocks(page("notebook"), "python"):
        exec(compile(block, "docs/notebook.md", "exec"), names)  # noqa: S102 - the page of this repository
    summary = Store(tmp_path / "results").summary(names["key"])
    assert names["recall"] == pytest.approx(summary.test["recall@20"])
    assert names["optimum"] >= names["recall"]
    assert set(names["by_step"].index) == set(names["final"]["strategy"])
    assert len(names["table"]) == len(names["found"].comparisons) > 0
    assert (names["means"]["count"] >= 1).all()


def test_every_trial_of_the_index_has_a_line(stored: Path) -> None:
    frames, store = load_results(stored), Store(stored)
    _, index = store.read_suite("smoke")
    keys = {key for entry in index["cells"].values() for key in (*entry["search"], *entry["final"].values()) if key}
    assert set(frames.trials["key"]) == keys
    for line in frames.trials.to_dict("records"):
        summary = store.summary(line["key"])
        assert line["status"] == summary.status and line["seed"] == summary.spec.seed
        if summary.test is not None:
            assert line["test_ndcg@20"] == summary.test["ndcg@20"]
        else:
            assert np.isnan(line["test_ndcg@20"])
    assert len(frames.epochs) == sum(len(store.summary(key).history) for key in keys)


def test_rows_are_those_of_the_store(stored: Path) -> None:
    frames = load_results(stored)
    key = frames.trials.query("purpose == 'final' and steps > 0")["key"].iloc[0]
    rows, stored = frames.rows(key[:10]), Store(stored).rows(key, "test")
    assert rows["rank"].tolist() == stored.readout_ranks.tolist()
    assert rows.filter(like="rank_step_").to_numpy().tolist() == stored.step_ranks.tolist()
    assert rows[[f"top_{place + 1}" for place in range(10)]].to_numpy().tolist() == stored.top_items.tolist()


def test_what_is_not_there_is_said(stored: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no results folder"):
        load_results(tmp_path / "nothing")
    with pytest.raises(InputError, match=r"unknown suite 'smok'\. Stored: smoke\."):
        load_results(stored, suites=["smok"])


def test_an_empty_store_has_empty_frames(tmp_path: Path) -> None:
    found = load_results(tmp_path)
    assert found.trials.empty and found.steps.empty and found.epochs.empty
    assert "key" in found.trials.columns


def test_the_name_is_the_packages() -> None:
    assert rearec_bench.load_results is load_results
    with pytest.raises(AttributeError, match="no attribute 'load_result'"):
        rearec_bench.load_result  # noqa: B018
