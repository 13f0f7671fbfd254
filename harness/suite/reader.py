"""The tree of a suite file to a validated Suite, with every mistake of it reported at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..datasets.vectors.vectors import ENDINGS
from ..records.spec import TrainingSettings
from ..utils.errors import InputError
from ..utils.messages import allowed, hint, shown
from ..utils.registry import BACKBONES, REGISTRIES, load_plugin
from ..utils.yaml_model import Location, read
from ..utils.yaml_tree import Items, Mark, Node, Problems, Scalar, Table
from .checks import check_grid, check_rungs, check_seeds, check_size
from .extends import missing_file
from .model import Parameters, Space, Suite
from .parameters import read_component, space_of
from .rows import DEFAULTS, RowReader, check_defaults
from .schema import NAME, NAME_RULE, FromZero, SuiteFile, Varied, type_of

_FIELDS = SuiteFile.model_fields
_LISTS = ("plugins", "datasets", "backbones", "strategies", "references", "steps", "seeds")
_BY_ITSELF = ("search", "evaluation", "resources")
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
        datasets = self._value("datasets")
        backbones, strategies = self._rows(explain=are_sound)
        return {
            "plugins": plugins,
            "datasets": datasets,
            "backbones": backbones,
            "strategies": strategies,
            "steps": self._steps(),
            "training": self._training(),
            "search": self._value("search", self._search()),
            "vectors": self._vectors(datasets),
            "name": self._name(default_name),
            **{key: self._value(key) for key in ("references", "seeds", "evaluation", "resources")},
        }

    def _check_keys(self) -> None:
        for key, entry in self._tree.entries.items():
            if key not in _FIELDS:
                what = f"unknown key.{hint(key, _FIELDS)} Known: {', '.join(sorted(_FIELDS))}."
                self._problems.add(entry.mark, key, what)
        for key, field in _FIELDS.items():
            if field.is_required() and key not in self._tree.entries:
                self._problems.add(self._top, key, f"missing. {_example(key)}.")

    def _node(self, key: str) -> Node | None:
        """What is written for a key; a single value of a list may stand without brackets."""
        entry = self._tree.entries.get(key)
        if entry is None:
            return None
        node = entry.value
        if key in _LISTS and isinstance(node, Scalar) and (not node.is_null or key == "references"):
            return Items(() if node.is_null else (node,), node.mark)
        return node

    def _value(self, key: str, node: Node | None = None) -> Any:
        """A key's value by its type in `SuiteFile`."""
        field, node = _FIELDS[key], node or self._node(key)
        if node is None or (key in _BY_ITSELF and isinstance(node, Scalar) and node.is_null):
            return () if field.is_required() else field.default

        def said(location: Location, wrong: Node) -> str:
            if key in _BY_ITSELF and location:
                return allowed(field.annotation.model_fields[location[0]])  # type: ignore[union-attr]
            return _ALLOWED.get(key, "")

        value = read(type_of(field), node, where=key, problems=self._problems, allowed=said)
        if value is not None:
            return value
        return () if key in _LISTS else field.default

    def _name(self, default: str) -> str:
        if self._node("name") is None and not NAME.fullmatch(default):
            what = f"the file's name '{default}' cannot be the suite's. {NAME_RULE}"
            self._problems.add(self._top, "name", what)
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
            self._problems.add(epochs.mark, "search.epochs", what)
        ignored = "epochs" if is_null or _precedence(trials.mark) > _precedence(epochs.mark) else "trials"
        return Table({key: entry for key, entry in node.entries.items() if key != ignored}, node.mark)

    def _plugins(self) -> tuple[tuple[str, ...], bool]:
        """Paths of the plug-ins, loaded; and whether all of them are sound."""
        before = len(self._problems)
        names, node = self._value("plugins"), self._node("plugins")
        items = node.items if names and isinstance(node, Items) else ()
        paths = [self._file(item, "plugins", _load) for item in items]
        return tuple(filter(None, paths)), len(self._problems) == before

    def _file(self, node: Node, where: str, check: Callable[[Path, str], str]) -> str:
        """The absolute path of a file that is named relative to the file where its name stands; "" for a wrong one."""
        text = node.text if isinstance(node, Scalar) else ""
        path = Path(os.path.realpath(node.mark.source.folder / text))
        what = check(path, text)
        if what:
            self._problems.add(node.mark, where, what)
        return "" if what else str(path)

    def _rows(self, *, explain: bool) -> tuple[Any, Any]:
        defaults = self._node(DEFAULTS)
        if defaults is not None and not (isinstance(defaults, Scalar) and defaults.is_null):
            self._value(DEFAULTS)
        if isinstance(defaults, Table) and explain:
            check_defaults(defaults, self._problems)
        table = defaults if isinstance(defaults, Table) else None
        backbones = RowReader("backbones", self._problems, explain, defaults=table).read(self._items("backbones"))
        strategies = RowReader("strategies", self._problems, explain, backbones=backbones)
        rows = strategies.read(self._items("strategies"))
        return tuple(row.variant for row in backbones), tuple(row.variant for row in rows)

    def _items(self, key: str) -> Items:
        node = self._node(key)
        if isinstance(node, Items) and node.items:
            return node
        self._value(key)
        return Items((), self._top)

    def _steps(self) -> tuple[int, ...] | Space:
        node = self._node("steps")
        if not isinstance(node, Table):
            return tuple(self._value("steps"))
        found = read(Varied[FromZero], node, where="steps", problems=self._problems)
        if found is None:
            return ()
        if found.sweep is not None:
            self._problems.add(node.mark, "steps", f"a sweep of steps is a plain list. {_example('steps')}.")
            return ()
        return space_of(found.search, found.model_dump(mode="json")["search"], whole=True)

    def _training(self) -> Parameters:
        node = self._node("training") or Table({}, self._tree.mark)
        found = read_component(TrainingSettings, node, where="training", problems=self._problems)
        if found is None:
            return Parameters(fixed=TrainingSettings().model_dump(mode="json"))
        fixed = {
            name: found.parameters.fixed.get(name, value)
            for name, value in TrainingSettings().model_dump(mode="json").items()
            if name not in found.parameters.searched and name not in found.parameters.swept
        }
        return found.parameters.model_copy(update={"fixed": fixed})

    def _vectors(self, datasets: tuple[str, ...]) -> dict[str, str]:
        """Data set -> file of item vectors; a single file where there is a single data set."""
        node = self._node("vectors")
        if isinstance(node, Scalar) and not node.is_null and len(datasets) == 1:
            path = self._file(node, "vectors", _check_vectors)
            return {datasets[0]: path} if path else {}
        if node is not None and not isinstance(node, Table):
            example = f"vectors: {{{datasets[0] if datasets else 'tiny'}: vectors.npy}}"
            what = f"{shown(node)} is not a mapping of data sets to files. Write one, such as {example}."
            self._problems.add(node.mark, "vectors", what)
        if not isinstance(node, Table) or not self._value("vectors"):
            return {}
        files = {}
        for key, entry in node.entries.items():
            if key in datasets:
                files[key] = self._file(entry.value, f"vectors.{key}", _check_vectors)
            elif datasets:
                what = f"no data set of this suite has this name.{hint(key, datasets)} Known: {', '.join(datasets)}."
                self._problems.add(entry.mark, f"vectors.{key}", what)
        return files


def _example(key: str) -> str:
    examples = _FIELDS[key].examples
    return f"Write it, such as {examples[0]}" if examples else ""


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
