"""The tree of a suite file to a validated Suite, with every mistake of it reported at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_origin

from ..datasets.vectors.vectors import ENDINGS
from ..records.spec import TrainingSettings
from ..utils.errors import InputError
from ..utils.messages import allowed, hint, shown
from ..utils.registry import BACKBONES, REGISTRIES, load_plugin
from ..utils.yaml_model import Location, missing, read
from ..utils.yaml_tree import Items, Mark, Node, Problems, Scalar, Table
from .checks import check_grid, check_rungs, check_seeds, check_size
from .extends import missing_file
from .model import Parameters, Space, Suite, Variant
from .parameters import read_component, space_of
from .rows import RowReader, check_defaults
from .schema import NAME, NAME_RULE, FromZero, SuiteFile, Varied, type_of

_FIELDS = SuiteFile.model_fields
_MAY_BE_NULL = ("backbone_defaults", "references", "search", "training", "evaluation", "resources")
_ALLOWED = {"steps": "whole numbers from 0, or {search: [...]}", "seeds": "whole numbers from 0"}


def read_suite(tree: Table, *, default_name: str, problems: Problems) -> Suite:
    """The suite of a merged tree.

    Args:
        tree: the suite file with what it extends and the overrides.
        default_name: name of the suite where the file gives none.
        problems: what was found wrong so far.

    Returns:
        The suite.

    Raises:
        SuiteError: all problems, those found before included.
    """
    reader = _Reader(tree, problems)
    parts = reader.parts(default_name)
    check_seeds(tree, parts, problems)
    check_size(tree, parts, problems)
    check_grid(tree, parts, problems)
    check_rungs(tree, parts, problems)
    if len(problems):
        raise problems.error()
    return Suite(**parts)


class _Reader:
    """Reads one key after the other; a key with mistakes reads as empty or as its default."""

    def __init__(self, tree: Table, problems: Problems) -> None:
        self._tree = tree
        self._problems = problems
        self._top = Mark(tree.mark.source, 1, 1)

    def parts(self, default_name: str) -> dict[str, Any]:
        """The fields of a Suite."""
        self._check_keys()
        plugins, are_sound = self._plugins()
        backbones, strategies = self._rows(explain=are_sound)
        values = {key: self._value(key) for key in ("datasets", "references", "seeds", "evaluation", "resources")}
        return {
            **values,
            "plugins": plugins,
            "backbones": backbones,
            "strategies": strategies,
            "steps": self._steps(),
            "training": self._training(),
            "search": self._value("search", self._search()),
            "vectors": self._vectors(values["datasets"]),
            "name": self._name(default_name),
        }

    def _check_keys(self) -> None:
        for key, entry in self._tree.entries.items():
            if key not in _FIELDS:
                known = ", ".join(sorted(_FIELDS))
                self._problems.add(entry.mark, f"unknown key.{hint(key, _FIELDS)} Known: {known}.")
        for key, field in _FIELDS.items():
            if field.is_required() and key not in self._tree.entries:
                self._problems.add(self._top.under(key), missing(field))

    def _node(self, key: str) -> Node | None:
        """What is written for a key; a single value of a list may stand without brackets."""
        node = self._tree.entries[key].value if key in self._tree.entries else None
        if isinstance(node, Scalar) and not node.is_null and get_origin(_FIELDS[key].annotation) is tuple:
            return Items((node,), node.mark)
        return None if isinstance(node, Scalar) and node.is_null and key in _MAY_BE_NULL else node

    def _value(self, key: str, node: Node | None = None) -> Any:
        """A key's value by its type in `SuiteFile`."""
        field, node = _FIELDS[key], node or self._node(key)
        empty: Any = () if field.is_required() else field.default

        def said(location: Location, value: Node) -> str:
            fields = getattr(field.annotation, "model_fields", {})
            return allowed(fields[location[0]]) if location and location[0] in fields else _ALLOWED.get(key, "")

        value = None if node is None else read(type_of(field), node, self._problems, allowed=said)
        return empty if value is None else value

    def _name(self, default: str) -> str:
        if self._node("name") is None and not NAME.fullmatch(default):
            self._problems.add(
                self._top.under("name"), f"the file's name '{default}' cannot be the suite's. {NAME_RULE}"
            )
        return self._value("name") or default

    def _search(self) -> Node | None:
        """The search; its budget is in trials or in epochs, whichever was said last where files and --set differ."""
        node = self._node("search")
        if not isinstance(node, Table) or not {"trials", "epochs"} <= node.entries.keys():
            return node
        trials, epochs = node.entries["trials"], node.entries["epochs"]
        is_null = isinstance(epochs.value, Scalar) and epochs.value.is_null
        if _precedence(trials.mark) == _precedence(epochs.mark) and not is_null:
            what = "trials is given, too. The budget of a cell is one of them: leave the other out."
            self._problems.add(epochs.mark, what)
        ignored = "epochs" if is_null or _precedence(trials.mark) > _precedence(epochs.mark) else "trials"
        return Table({key: entry for key, entry in node.entries.items() if key != ignored}, node.mark)

    def _plugins(self) -> tuple[tuple[str, ...], bool]:
        """Paths of the plug-ins, loaded; and whether all of them are sound."""
        before = len(self._problems)
        names, node = self._value("plugins"), self._node("plugins")
        paths = [self._file(item, _load) for item in node.items] if names and isinstance(node, Items) else []
        return tuple(filter(None, paths)), len(self._problems) == before

    def _file(self, node: Node, check: Callable[[Path, str], str]) -> str:
        """The absolute path of a file that is named relative to the file where its name stands; "" for a wrong one."""
        text = node.text if isinstance(node, Scalar) else ""
        path = Path(os.path.realpath(node.mark.source.folder / text))
        what = check(path, text)
        if what:
            self._problems.add(node.mark, what)
        return "" if what else str(path)

    def _rows(self, *, explain: bool) -> tuple[tuple[Variant, ...], tuple[Variant, ...]]:
        self._value("backbone_defaults")
        defaults = self._node("backbone_defaults")
        table = defaults if isinstance(defaults, Table) else None
        if table is not None and explain:
            check_defaults(table, self._problems)
        items = {}
        for key in ("backbones", "strategies"):
            self._value(key)
            node = self._node(key)
            items[key] = node.items if isinstance(node, Items) else ()
        backbones = RowReader("backbones", self._problems, explain, defaults=table).read(items["backbones"])
        strategies = RowReader("strategies", self._problems, explain, backbones=backbones).read(items["strategies"])
        return tuple(row.variant for row in backbones), tuple(row.variant for row in strategies)

    def _steps(self) -> tuple[int, ...] | Space:
        node = self._node("steps")
        if not isinstance(node, Table):
            return tuple(self._value("steps"))
        found = read(Varied[FromZero], node, self._problems)
        if found is None or found.search is None:
            if found is not None:
                self._problems.add(node.mark, "a sweep of steps is a plain list, such as steps: [1, 2].")
            return ()
        return space_of(found.search, found.model_dump(mode="json")["search"], whole=True)

    def _training(self) -> Parameters:
        node = self._node("training") or Table({}, self._tree.mark)
        defaults = TrainingSettings().model_dump(mode="json")
        found = read_component(TrainingSettings, node, self._problems)
        given = found[0] if found else Parameters()
        varied = {*given.searched, *given.swept}
        fixed = {name: given.fixed.get(name, value) for name, value in defaults.items() if name not in varied}
        return given.model_copy(update={"fixed": fixed})

    def _vectors(self, datasets: tuple[str, ...]) -> dict[str, str]:
        """Data set -> file of item vectors; a single file where there is a single data set."""
        node = self._node("vectors")
        if isinstance(node, Scalar) and len(datasets) == 1:
            path = self._file(node, _check_vectors)
            return {datasets[0]: path} if path else {}
        if node is not None and not isinstance(node, Table):
            example = f"vectors: {{{datasets[0] if datasets else 'tiny'}: vectors.npy}}"
            what = f"{shown(node)} is not a mapping of data sets to files. Write one, such as {example}."
            self._problems.add(node.mark, what)
        if not isinstance(node, Table) or not self._value("vectors"):
            return {}
        files = {}
        for key, entry in node.entries.items():
            if key in datasets:
                files[key] = self._file(entry.value, _check_vectors)
            elif datasets:
                what = f"no data set of this suite has this name.{hint(key, datasets)} Known: {', '.join(datasets)}."
                self._problems.add(entry.mark, what)
        return files


def _precedence(mark: Mark) -> int:
    """Higher for what replaces the other: the command line, then the file itself, then what it extends."""
    return mark.source.rank if not mark.source.numbered else -mark.source.rank


def _check_vectors(path: Path, text: str) -> str:
    if path.suffix not in ENDINGS:
        return f"{text} does not end in {' or '.join(ENDINGS)}, as files of item vectors do."
    return "" if os.path.isfile(path) else missing_file(path, text)


def _load(path: Path, text: str) -> str:
    """Load a plug-in; what is wrong with it, "" for nothing."""
    if not os.path.isfile(path):
        return missing_file(path, text)
    try:
        if load_plugin(path, REGISTRIES) is not None:
            return ""
    except InputError as error:
        return str(error)
    try:
        BACKBONES.entry(path.stem)  # a broken plug-in is listed under its stem, with its traceback
        reason = "its import failed"
    except InputError as error:
        reason = str(error).strip().splitlines()[-1].rstrip(".")
    return f"{text} cannot be imported: {reason}."
