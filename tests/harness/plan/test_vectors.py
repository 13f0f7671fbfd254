"""Item vectors on their way from a data set or a file through a suite into the trials of text-based backbones."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.datasets import prepare as preparation
from rearec_bench.harness.datasets.embed import embed
from rearec_bench.harness.monitor.terminal import LineReporter
from rearec_bench.harness.plan.cells import expand
from rearec_bench.harness.plan.queue import Signal, SuiteQueue
from rearec_bench.harness.records.spec import TrialSpec
from rearec_bench.harness.report.plan import plan_report
from rearec_bench.harness.report.report import render_report
from rearec_bench.harness.run import runner as execute
from rearec_bench.harness.run.rerun import rerun
from rearec_bench.harness.run.runner import RunOptions, dry_run, run_suite
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.suite.load import Suite
from rearec_bench.harness.trial.start import run_trial
from rearec_bench.harness.utils.errors import DatasetError

from ..suites import loaded, suite_in, suite_text

N = 12
SUITE = {
    "datasets": "[mine]",
    "backbones": "[sasrec, morec]",
    "backbone_defaults": "{width: 8, layers: 1, heads: 1, feed_forward: 8}",
    "training": "{lr: 0.01, batch_size: 64, max_len: 10, max_epochs: 2}",
}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """`mine`, a prepared data set of N items without texts."""
    draw = np.random.default_rng(0)
    lines = [f"u{user} " + " ".join(f"i{item}" for item in draw.permutation(N)) for user in range(30)]
    (tmp_path / "sequences.txt").write_text("\n".join(lines) + "\n")
    preparation.prepare("sequences", source=tmp_path, data_dir=tmp_path / "data", name="mine")
    return tmp_path / "data"


@pytest.fixture
def own(data_dir: Path, tmp_path: Path) -> Path:
    """A file of vectors, (N, 3)."""
    np.save(tmp_path / "own.npy", np.random.default_rng(1).normal(size=(N, 3)).astype(np.float32))
    return tmp_path / "own.npy"


@pytest.fixture
def suite_of(tmp_path: Path) -> Callable[..., Suite]:
    return lambda **parts: suite_in(tmp_path, name="texts", **{**SUITE, **parts})


def specs(suite: Suite, data_dir: Path) -> Iterator[TrialSpec]:
    cells = expand(suite)
    datasets = execute.load_all(suite, cells, data_dir)
    queue = SuiteQueue(
        cells,
        fingerprints={name: data.fingerprint for name, data in datasets.items()},
        vectors={name: data.vectors.fingerprint for name, data in datasets.items() if data.vectors is not None},
        device="cpu",
        stored=lambda key: None,
    )
    while not isinstance(job := queue.next(), Signal):
        yield job.spec


def run(suite: Suite, store: Store, data_dir: Path) -> StringIO:
    out = StringIO()
    options = RunOptions(cpus=2, max_concurrent=1)
    outcome = run_suite(suite, store=store, data_dir=data_dir, options=options, reporter=LineReporter(out))
    assert not outcome.failed, outcome.failed
    return out


# ---- before anything starts


def test_without_vectors_nothing_starts_and_the_command_is_named(
    data_dir: Path, tmp_path: Path, suite_of: Callable[..., Suite]
) -> None:
    shutil.copytree(data_dir / "mine", data_dir / "other")
    shutil.copytree(data_dir / "mine", data_dir / "third")
    np.save(tmp_path / "vectors.npy", np.ones((N, 2), np.float32))
    suite = suite_of(
        vectors=f"{{third: {tmp_path / 'vectors.npy'}}}",
        datasets="[mine, tiny, other, third]",
        backbones="[sasrec, unisrec, {unisrec: {name: wide, experts: 2}}, morec]",
    )
    store = Store(tmp_path / "results")
    words = (
        "mine has no item vectors, which unisrec and morec need. Type:  rearec-bench embed mine\n"
        "other has no item vectors, which unisrec and morec need. Type:  rearec-bench embed other"
    )
    for start in (
        lambda: run(suite, store, data_dir),
        lambda: plan_report(suite, store=store, data_dir=data_dir),
        lambda: dry_run(suite, data_dir=data_dir, say=print),
    ):
        with pytest.raises(DatasetError) as caught:
            start()
        assert str(caught.value) == words
    assert not store.root.exists()


def test_a_suite_without_text_based_backbones_needs_no_vectors(data_dir: Path, suite_of: Callable[..., Suite]) -> None:
    suite = suite_of(backbones="[sasrec]")
    assert [spec.vectors for spec in specs(suite, data_dir)] == [""]
    assert execute.load_all(suite, expand(suite), data_dir)["mine"].vectors is None
    text = plan_report(suite_of(datasets="[ml-100k]"), store=Store(data_dir / "results"), data_dir=data_dir)
    assert "ml-100k is not prepared." in text, "that is told before vectors are asked for"


def test_a_file_that_does_not_fit_stops_run_and_plan(
    data_dir: Path, tmp_path: Path, suite_of: Callable[..., Suite]
) -> None:
    np.save(tmp_path / "short.npy", np.ones((N - 1, 2), np.float32))
    suite = suite_of(vectors="short.npy")
    store = Store(tmp_path / "results")
    for start in (
        lambda: run(suite, store, data_dir),
        lambda: plan_report(suite, store=store, data_dir=data_dir),
    ):
        with pytest.raises(DatasetError, match=r"short.npy: its shape is 11 x 2; the data set has 12 items"):
            start()
    assert not store.root.exists()


# ---- the suite's key, and the trials' keys


def test_the_suite_holds_absolute_paths(own: Path, tmp_path: Path, suite_of: Callable[..., Suite]) -> None:
    (tmp_path / "parent.yaml").write_text(suite_text(**SUITE, vectors="own.npy"))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "child.yaml").write_text("extends: ../parent.yaml\n")
    for suite in (loaded(tmp_path / "sub/child.yaml"), suite_of(vectors="{mine: ./own.npy}")):
        assert suite.vectors == {"mine": str(own)}


def test_vectors_enter_the_keys_of_text_based_trials_alone(
    own: Path, data_dir: Path, suite_of: Callable[..., Suite]
) -> None:
    plain, text = specs(suite_of(vectors="own.npy"), data_dir)
    loaded = catalog.load_dataset("mine", data_dir=data_dir, vectors=own).vectors
    assert loaded is not None
    assert (plain.vectors, text.vectors) == ("", loaded.fingerprint)
    np.save(own, np.load(own) + 1)
    plain_again, text_again = specs(suite_of(vectors="own.npy"), data_dir)
    assert plain_again.key == plain.key
    assert text_again.key != text.key
    (alone,) = specs(suite_of(backbones="[sasrec]"), data_dir)
    assert alone.key == plain.key
    assert "vectors" not in plain.identity()


@pytest.mark.slow
def test_plan_and_run_mean_the_same_trials(
    own: Path, data_dir: Path, tmp_path: Path, suite_of: Callable[..., Suite]
) -> None:
    embed("mine", data_dir=data_dir, encoder=f"file:{own}")
    store = Store(tmp_path / "results")
    for suite in (suite_of(), suite_of(vectors="own.npy")):
        for spec in specs(suite, data_dir):
            store.write(run_trial(spec, catalog.load_dataset("mine", data_dir=data_dir, vectors=True)))
        assert "2 trials: 2 stored, 0 to run" in plan_report(suite, store=store, data_dir=data_dir)
    assert len(store.keys()) == 2, "the same values have the same fingerprint, wherever they come from"


# ---- trials


def test_a_trial_with_other_vectors_fails(own: Path, data_dir: Path, suite_of: Callable[..., Suite]) -> None:
    _, spec = specs(suite_of(vectors="own.npy"), data_dir)
    data = catalog.load_dataset("mine", data_dir=data_dir, vectors=own)
    assert run_trial(spec, data).status == "done"
    for other in (
        dataclasses.replace(data, vectors=None),
        dataclasses.replace(data, vectors=dataclasses.replace(data.vectors, fingerprint="0" * 64)),
    ):
        result = run_trial(spec, other)
        assert result.status == "failed"
        assert "the item vectors of mine are not those of the trial" in str(result.reason)


def test_the_model_is_given_the_values_and_not_their_memory(
    own: Path, data_dir: Path, suite_of: Callable[..., Suite]
) -> None:
    from rearec_bench.harness.trial.model_trial import ModelTrial

    _, spec = specs(suite_of(vectors="own.npy"), data_dir)
    data = catalog.load_dataset("mine", data_dir=data_dir, vectors=own)
    text = ModelTrial(spec, data).model.backbone.text
    assert (text[:N].numpy() == np.load(own)).all()
    text.fill_(0)
    assert data.vectors is not None
    assert (data.vectors.values == np.load(own)).all()


@pytest.mark.slow
def test_two_data_sets_of_one_content_run_through_ray_with_vectors_of_their_own(
    own: Path, data_dir: Path, tmp_path: Path, suite_of: Callable[..., Suite]
) -> None:
    shutil.copytree(data_dir / "mine", data_dir / "other")
    embed("mine", data_dir=data_dir, encoder=f"file:{own}")
    np.save(tmp_path / "wide.npy", np.random.default_rng(2).normal(size=(N, 5)))
    suite = suite_of(vectors="{other: wide.npy}", datasets="[mine, other, tiny]")
    store = Store(tmp_path / "results")
    run(suite, store, data_dir)
    summaries = {
        (summary.spec.dataset, summary.spec.backbone.kind): summary for summary in map(store.summary, store.keys())
    }
    assert {summary.status for summary in summaries.values()} == {"done"}
    assert len(summaries) == 5, "the trials of sasrec on the two data sets are one"
    for name in ("mine", "other", "tiny"):
        key = summaries[name, "morec"].key
        assert rerun(key, store=store, data_dir=data_dir).identical, name
    facts = store.read_suite("texts")[1]["dataset_facts"]
    assert facts["mine"]["vectors"] == {"encoder": "file:own.npy", "width": 3}
    assert facts["other"]["vectors"] == {"encoder": "file:wide.npy", "width": 5}
    assert facts["tiny"]["vectors"]["encoder"] == "tfidf-svd"
    report = render_report(["texts"], store=store)
    assert "Item vectors of mine: file:own.npy, 3 wide." in report
    assert "Item vectors of other: file:wide.npy, 5 wide." in report


# ---- rerun


def test_rerun_asks_for_the_vectors_of_the_trial(
    own: Path, data_dir: Path, tmp_path: Path, suite_of: Callable[..., Suite]
) -> None:
    suite = suite_of(vectors="own.npy")
    store = Store(tmp_path / "results")
    _, spec = specs(suite, data_dir)
    store.write(run_trial(spec, catalog.load_dataset("mine", data_dir=data_dir, vectors=own)))
    with pytest.raises(DatasetError, match=r"mine has no item vectors\. Type:  rearec-bench embed mine"):
        rerun(spec.key, store=store, data_dir=data_dir)
    cell = {"search": [], "best": None, "final": {"1": spec.key}}
    index = {"fingerprints": {}, "dataset_facts": {}, "cells": {expand(suite)[1].id: cell}}
    store.write_suite(suite.name, suite.to_json(), index)
    assert rerun(spec.key, store=store, data_dir=data_dir).identical
    np.save(own, np.load(own) + 1)
    with pytest.raises(DatasetError) as caught:
        rerun(spec.key, store=store, data_dir=data_dir)
    assert f"not those of the trial: their fingerprint was {spec.vectors[:12]} and is " in str(caught.value)
    assert "rearec-bench embed mine" in str(caught.value)
