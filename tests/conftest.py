"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def processor_as_it_was() -> Iterator[None]:
    """A trial rounds denormal numbers to zero in its process; a test of floats that comes later must not notice."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


def _without_new_plugins() -> Iterator[None]:
    from rearec_bench.harness.utils.registry import TABLES

    before = {kind: dict(table._entries) for kind, table in TABLES.items()}
    yield
    for kind, table in TABLES.items():
        for name in table._entries.keys() - before[kind].keys():
            sys.modules.pop(table._entries.pop(name).target.partition(":")[0], None)


@pytest.fixture(scope="module", autouse=True)
def components_as_before_the_module() -> Iterator[None]:
    """What a fixture of a module registers as plug-ins is not known to the next module."""
    yield from _without_new_plugins()


@pytest.fixture(autouse=True)
def components_as_before_the_test() -> Iterator[None]:
    """What a test registers as plug-ins is not known to the next one."""
    yield from _without_new_plugins()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As a trial runs by default: small tensors gain nothing from threads, and lose much where others run, too."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real data beside the project; a reason to skip where it is absent, a failure in CI."""
    folder = Path(__file__).resolve().parents[1].parent / "shared"
    if not (folder / "data").is_dir():
        if os.environ.get("CI"):
            pytest.fail("CI runs with ../shared beside the project, and it is not there")
        pytest.skip("needs the real data of ../shared, which is not there")
    return folder


@pytest.fixture
def fake_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of this process start no Ray: their trials take turns in it."""
    from .harness.fake_ray import use

    use(monkeypatch)


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with six real trials of one epoch or two, made in this process; shared, so not to be changed."""
    import torch

    from rearec_bench.harness.datasets.catalog import load_dataset
    from rearec_bench.harness.store.store import Store

    from .harness.suites import run_here, suite_in

    folder = tmp_path_factory.mktemp("stored")
    suite = suite_in(
        folder,
        name="smoke",
        backbones="[sasrec: {width: 8, layers: 1, heads: 1, feed_forward: 8}]",
        strategies="[base, erl: {kl_weight: {search: [0.001, 0.01]}}]",
        seeds="[1, 2]",
        search="{trials: 2}",
        training="{lr: 0.01, batch_size: 512, max_len: 10, max_epochs: 2, packing: users}",
    )
    store, threads = Store(folder / "results"), torch.get_num_threads()
    run_here(suite, store, load_dataset("tiny", data_dir=folder))
    torch.set_num_threads(threads)
    return store.root
