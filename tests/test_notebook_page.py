"""docs/notebook.md, run from top to bottom, and the frames against the store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import rearec_bench
from rearec_bench.cli import main
from rearec_bench.harness.store.frames import Frames, load_results
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.utils.errors import InputError

from .test_docs import ROOT, blocks

PAGE = (ROOT / "docs" / "notebook.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the suite that the page names has been run."""
    folder = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        ran = CliRunner().invoke(main, ["run", "smoke"])
    assert ran.exit_code == 0, ran.output
    return folder


@pytest.fixture(scope="module")
def held(place: Path) -> Frames:
    """The frames of that folder."""
    return load_results(place / "results")


def test_the_pages_code_runs_and_its_numbers_are_the_stores(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    names: dict[str, object] = {}
    for block in blocks(PAGE, "python"):
        exec(compile(block, "docs/notebook.md", "exec"), names)  # noqa: S102 - the page of this repository
    store = Store(place / "results")
    summary = store.summary(names["key"])
    assert names["recall"] == pytest.approx(summary.test["recall@20"])
    assert names["optimum"] >= names["recall"]
    assert set(names["by_step"].index) == set(names["final"]["strategy"])
    assert len(names["table"]) == len(names["found"].comparisons) > 0
    assert (names["means"]["count"] >= 1).all()


def test_every_trial_of_the_index_has_a_line(place: Path, held: Frames) -> None:
    store = Store(place / "results")
    _, index = store.read_suite("smoke")
    keys = {key for entry in index["cells"].values() for key in (*entry["search"], *entry["final"].values()) if key}
    assert set(held.trials["key"]) == keys
    for line in held.trials.to_dict("records"):
        summary = store.summary(line["key"])
        assert line["status"] == summary.status and line["seed"] == summary.spec.seed
        if summary.test is not None:
            assert line["test_ndcg@20"] == summary.test["ndcg@20"]
        else:
            assert np.isnan(line["test_ndcg@20"])
    assert len(held.epochs) == sum(len(store.summary(key).history) for key in keys)


def test_rows_are_those_of_the_store(place: Path, held: Frames) -> None:
    key = held.trials.query("purpose == 'final' and steps > 0")["key"].iloc[0]
    rows, stored = held.rows(key[:10]), Store(place / "results").rows(key, "test")
    assert rows["rank"].tolist() == stored.readout_ranks.tolist()
    assert rows.filter(like="rank_step_").to_numpy().tolist() == stored.step_ranks.tolist()
    assert rows[[f"top_{place + 1}" for place in range(10)]].to_numpy().tolist() == stored.top_items.tolist()


def test_what_is_not_there_is_said(place: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no results folder"):
        load_results(tmp_path / "nothing")
    with pytest.raises(InputError, match=r"unknown suite 'smok'\. Stored: smoke\."):
        load_results(place / "results", suites=["smok"])


def test_an_empty_store_has_empty_frames(tmp_path: Path) -> None:
    found = load_results(tmp_path)
    assert found.trials.empty and found.steps.empty and found.epochs.empty
    assert "key" in found.trials.columns


def test_the_name_is_the_packages() -> None:
    assert rearec_bench.load_results is load_results
    with pytest.raises(AttributeError, match="no attribute 'load_result'"):
        rearec_bench.load_result  # noqa: B018
