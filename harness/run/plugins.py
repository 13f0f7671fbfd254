"""Plug-in files on their way to workers: they travel as text, so that nodes need no file system in common."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..utils.errors import InputError
from ..utils.registry import BUILT_IN, REGISTRIES, TABLES, load_plugin
from .nodes import Components
from .scratch import new_folder

if TYPE_CHECKING:
    from ..plan.cells import Cell
    from ..suite.model import Suite


@dataclass(frozen=True)
class PluginFile:
    """A plug-in as the driver read it when the run began, and its path on the driver's node."""

    path: str
    content: bytes

    @classmethod
    def read(cls, path: str) -> PluginFile:
        """Read a plug-in; `InputError` if it cannot be read."""
        try:
            return cls(path, Path(path).read_bytes())
        except OSError as error:
            raise InputError(f"the plug-in {path} cannot be read: {error.strerror or error}.") from error

    def load(self) -> None:
        """Register its components in this process, from the file itself where it exists here with the same content.

        Raises:
            InputError: it cannot be imported here.
        """
        file = Path(self.path)
        if not self._is(file):
            file = _copy(file.name, self.content)
        load_plugin(file, REGISTRIES)

    def _is(self, file: Path) -> bool:
        try:
            return file.read_bytes() == self.content
        except OSError:
            return False


def packaged_components(suite: Suite) -> Components:
    """The components of a suite that come from installed packages."""
    own_backbones = (row.on for row in suite.strategies if row.on is not None)
    used = [("backbone", row.kind) for row in (*suite.backbones, *own_backbones)]
    used += [("strategy", row.kind) for row in suite.strategies]
    used += [("reference", name) for name in suite.references]
    known = {BUILT_IN, *suite.plugins}
    return tuple((kind, name) for kind, name in dict.fromkeys(used) if TABLES[kind].origin(name) not in known)


def warning(suite: Suite) -> str:
    """The warning before a suite runs code from outside the package; "" if it does not."""
    names = [Path(plugin).name for plugin in suite.plugins]
    names += [TABLES[kind].origin(name) for kind, name in packaged_components(suite)]
    if not names:
        return ""
    return (
        f"This suite runs code of plug-ins with your rights, here and on all nodes: {', '.join(dict.fromkeys(names))}. "
        "Refuse it with --no-plugins."
    )


def suite_of_plugin(path: Path) -> Suite:
    """A suite on the data set `tiny` that has every component of a plug-in with built-in ones; see `is_own`.

    Raises:
        InputError: it cannot be imported, or it offers nothing.
        SuiteError: a component's settings cannot be used.
    """
    from ..suite.load import load_suite

    if not path.is_file():
        raise InputError(f"there is no file {path}.")
    plugin = os.path.realpath(path)  # as a suite names it
    PluginFile.read(plugin).load()
    own = {
        kind: [name for name in registry.names() if registry.origin(name) == plugin]
        for kind, registry in REGISTRIES.items()
    }
    if not any(own.values()):
        raise InputError(
            f"{path.name} offers no component. A plug-in has a dict of names and classes at its top level, such as "
            'STRATEGIES = {"mine": Mine} or BACKBONES = {"mine": Mine}.'
        )
    strategies = REGISTRIES["strategy"]
    built_in = [name for name in strategies.names() if strategies.origin(name) == BUILT_IN]
    tree = {
        "name": "check",
        "plugins": [plugin],
        "datasets": ["tiny"],
        "backbones": [*own["backbone"], *(["sasrec", "bert4rec"] if own["strategy"] else [])],
        "strategies": [*(built_in if own["backbone"] else []), *own["strategy"]],
        "steps": [0, 2],
        "seeds": [1],
        "training": {"max_len": 20, "batch_size": 256, "packing": "auto"},
    }
    file = new_folder() / "check.yaml"
    file.write_text(json.dumps(tree), encoding="utf-8")  # JSON is YAML
    return load_suite(file)


def is_own(cell: Cell, suite: Suite) -> bool:
    """Whether the backbone or the strategy of a cell is one of the suite's plug-ins."""
    chosen = {"backbone": cell.chosen_backbone.kind, "strategy": cell.chosen_strategy.kind}
    return any(REGISTRIES[kind].origin(name) in suite.plugins for kind, name in chosen.items())


@lru_cache
def _copy(name: str, content: bytes) -> Path:
    """A copy for this process; those of ended processes are removed."""
    file = new_folder() / name
    file.write_bytes(content)
    return file
