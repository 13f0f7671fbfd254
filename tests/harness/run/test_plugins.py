"""Plug-ins travel as text: a worker without the file has the same components, with the same digest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rearec_bench.harness.records.source import source_digest
from rearec_bench.harness.run.plugins import PluginFile, packaged_components
from rearec_bench.harness.suite.load import Suite
from rearec_bench.harness.utils import registry
from rearec_bench.harness.utils.errors import InputError, SuiteError
from rearec_bench.harness.utils.registry import BACKBONES, STRATEGIES, without_plugins

from ..suites import plugin_text, suite_in

PLUGIN = plugin_text("echo_travelling")
FAR = """
import sys
from rearec_bench.harness.records.source import source_digest
from rearec_bench.harness.run.plugins import PluginFile
from rearec_bench.harness.utils.registry import STRATEGIES
PluginFile("/not/here/travelling.py", sys.stdin.buffer.read()).load()
print(STRATEGIES.component("echo_travelling").__name__, source_digest("sasrec", "echo_travelling"))
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A plug-in file."""
    file = tmp_path / "travelling.py"
    file.write_text(PLUGIN)
    return file


def suite_with(plugin: Path) -> Suite:
    return suite_in(plugin.parent, strategies="[echo_travelling]", plugins="[travelling.py]")


@pytest.mark.slow
def test_a_worker_without_the_file_has_its_components_and_its_digest(plugin: Path) -> None:
    suite_with(plugin)
    here = source_digest("sasrec", "echo_travelling")
    done = subprocess.run(
        [sys.executable, "-c", FAR], input=PLUGIN.encode(), capture_output=True, check=False, timeout=120
    )
    assert done.stdout.decode().split() == ["Echo", here], done.stderr.decode()


def test_where_the_same_file_is_there_it_is_used(plugin: Path) -> None:
    PluginFile.read(str(plugin)).load()
    assert STRATEGIES.source_files("echo_travelling") == [plugin]


def test_an_edit_during_a_run_does_not_reach_workers_that_start_later(plugin: Path) -> None:
    file = PluginFile.read(str(plugin))
    plugin.write_text("raise RuntimeError('edited')\n")
    file.load()
    (copy,) = STRATEGIES.source_files("echo_travelling")
    assert copy != plugin and copy.read_text() == PLUGIN


def test_a_plugin_that_cannot_be_imported_on_a_node_says_why() -> None:
    held = PluginFile("/not/here/needs_more.py", b"import a_module_that_only_the_driver_has\n")
    with pytest.raises(InputError, match=r"needs_more\.py cannot be imported: .*a_module_that_only_the_driver_has"):
        held.load()


def test_without_plugins_components_of_packages_are_unknown(plugin: Path) -> None:
    STRATEGIES.add(registry.Entry("echo_packaged", "mine:Echo", origin="mine 1.0"))
    with (
        without_plugins(),
        pytest.raises(SuiteError, match=r"unknown strategy 'echo_packaged'\. It comes from mine 1\.0, a plug-in"),
    ):
        suite_in(plugin.parent, strategies="[echo_packaged]")
    with without_plugins():
        assert "echo_packaged" not in STRATEGIES.names()
        with pytest.raises(InputError, match="--no-plugins is given"):
            STRATEGIES.component("echo_packaged")
    assert "echo_packaged" in STRATEGIES.names()


def test_components_of_packages_are_what_nodes_are_asked_for(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = suite_with(plugin)
    assert packaged_components(suite) == (), "its file travels"
    STRATEGIES.add(registry.Entry("echo_packaged", "mine:Echo", origin="mine 1.0"))
    row = suite.strategies[0].model_copy(update={"kind": "echo_packaged"})
    assert packaged_components(suite.model_copy(update={"strategies": (row,)})) == (("strategy", "echo_packaged"),)
    box = registry.Entry("box_packaged", "mine:Box", origin="mine 1.0")
    monkeypatch.setitem(BACKBONES._entries, box.name, box)
    on = suite.backbones[0].model_copy(update={"kind": box.name})
    row = suite.strategies[0].model_copy(update={"on": on})
    assert packaged_components(suite.model_copy(update={"strategies": (row,)})) == (("backbone", box.name),)
