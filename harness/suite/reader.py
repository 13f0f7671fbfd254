"""The tree of a suite file to a validated Suite, with every mistake of it reported at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..datasets.vectors.vectors import ENDINGS
from ..records.spec import TrainingSettings
from ..utils.errors import InputError
from ..utils.messages import hint
from ..utils.registry import REGISTRIES, load_plugin
from ..utils.yaml_model import read_parts
from ..utils.yaml_tree import Entry, Items, Mark, Node, Problems, Scalar, Table, children
from .checks import check_grid, check_rungs, check_seeds, check_size
from .extends import missing_file
from .model import Parameters, Space, Suite
from .parameters import check_together, parameters_of, space_of
from .rows import RowReader, check_defaults
from .schema import NAME, NAME_RULE, Searched, SuiteFile, UntilDecided

_MAY_BE_NULL = ("backbone_defaults", "references", "search", "training", "evaluation", "resources")
_LISTS = ("plugins", "datasets", "backbones", "strategies", "references", "steps", "seeds")


def read_suite(tree: Table, *, default_name: str, problems: Problems, data_dir: Path | None = None) -> Suite:
    """The suite of a merged tree.

    Args:
        default_name: name of the suite where the file gives none.
        problems: the problems known so far.
        data_dir: as in `load_suite`.

    Raises:
        SuiteError: all problems, the earlier ones included.
    """
    legible = not len(problems)
    tree = _normal(tree, problems)
    file = read_parts(SuiteFile, tree, problems)
    count = len(problems)
    plugins = _files(file, tree, "plugins", _load, problems)
    defaults = _node(tree, "backbone_defaults")
    table = defaults if isinstance(defaults, Table) else None
    explain = len(problems) == count
    if table is not None and explain:
        check_defaults(table, problems)
    rows = {key: _node(tree, key) for key in ("backbones", "strategies")}
    items = {key: node.items if isinstance(node, Items) else () for key, node in rows.items()}
    backbones = RowReader("backbones", problems, explain, defaults=table).read(items["backbones"])
    reader = RowReader("strategies", problems, explain, defaults=table, backbones=backbones)
    strategies = reader.read(items["strategies"])
    if not NAME.fullmatch(file.name or default_name):
        what = f"the file's name '{default_name}' cannot be the suite's. {NAME_RULE}"
        problems.add(tree.mark.under("name"), what)
    parts = {
        "name": file.name or default_name,
        "plugins": tuple(plugins.values()),
        "backbones": tuple(row.variant for row in backbones),
        "strategies": tuple(row.variant for row in strategies),
        "steps": _steps(getattr(file, "steps", ())),
        "training": _training(file, _node(tree, "training"), problems),
        "vectors": _vectors(file, tree, problems),
        **_seeds(getattr(file, "seeds", ())),
        **{key: getattr(file, key, ()) for key in ("datasets", "references")},
        **{key: getattr(file, key) for key in ("search", "evaluation", "resources")},
    }
    for check in (check_seeds, check_size, check_grid, check_rungs):
        check(tree, parts, problems)
    if data_dir is not None and legible:
        _check_datasets(_node(tree, "datasets"), data_dir, problems)
    if len(problems):
        raise problems.error()
    return Suite(**parts)


def _seeds(given: tuple[int, ...] | UntilDecided) -> dict[str, Any]:
    """The seeds of a suite; 1, 2, ... where they are added until rows are decided."""
    if isinstance(given, UntilDecided):
        return {"seeds": tuple(range(1, given.most + 1)), "until": given.until}
    return {"seeds": given}


def _check_datasets(node: Node | None, data_dir: Path, problems: Problems) -> None:
    """Refuse data sets that are neither prepared nor made by a recipe."""
    from ..datasets.catalog import no_such_dataset

    for item in node.items if isinstance(node, Items) else ():
        named = isinstance(item, Scalar) and NAME.fullmatch(item.text)
        if isinstance(item, Scalar) and named and (why := no_such_dataset(item.text, data_dir)):
            problems.add(item.mark, why)


def _node(tree: Table, key: str) -> Node | None:
    return tree.entries[key].value if key in tree.entries else None


def _normal(tree: Table, problems: Problems) -> Table:
    """The tree with short forms written out: a single value for a list of one, nothing for a section left out."""
    entries = dict(tree.entries)
    for key, entry in tree.entries.items():
        if isinstance(entry.value, Scalar):
            if entry.value.is_null and key in _MAY_BE_NULL:
                del entries[key]
            elif not entry.value.is_null and key in _LISTS:
                entries[key] = replace(entry, value=Items((entry.value,), entry.value.mark))
        elif key == "search" and isinstance(entry.value, Table):
            entries[key] = replace(entry, value=_one_budget(entry.value, problems))
        elif key == "evaluation" and isinstance(entry.value, Table):
            entries[key] = replace(entry, value=_users_as_written(entry.value))
    datasets = _node(Table(entries, tree.mark), "datasets")
    vectors = entries.get("vectors")
    if vectors and isinstance(vectors.value, Scalar) and isinstance(datasets, Items) and len(datasets.items) == 1:
        name = datasets.items[0].text if isinstance(datasets.items[0], Scalar) else ""
        only = Entry(name, vectors.mark, vectors.value)
        entries["vectors"] = replace(vectors, value=Table({name: only}, vectors.value.mark))
    return Table(entries, Mark(tree.mark.source, 1, 1))


def _one_budget(search: Table, problems: Problems) -> Table:
    """The search; its budget is in trials or in epochs, whichever was given last where files and --set differ."""
    if not {"trials", "epochs"} <= search.entries.keys():
        return search
    trials, epochs = search.entries["trials"], search.entries["epochs"]
    is_null = isinstance(epochs.value, Scalar) and epochs.value.is_null
    if _precedence(trials.mark) == _precedence(epochs.mark) and not is_null:
        problems.add(epochs.mark, "trials is given, too. The budget of a cell is one of them: leave the other out.")
    ignored = "epochs" if is_null or _precedence(trials.mark) > _precedence(epochs.mark) else "trials"
    return Table({key: entry for key, entry in search.entries.items() if key != ignored}, search.mark)


def _users_as_written(evaluation: Table) -> Table:
    """The settings, with ids of users that a number would not keep, such as +7, as text."""
    entry = evaluation.entries.get("trace_users")
    if entry is None or not isinstance(entry.value, Items):
        return evaluation
    items = tuple(
        replace(item, quoted=True) if isinstance(item, Scalar) and item.text.startswith(("+", "-0")) else item
        for item in entry.value.items
    )
    return evaluation.with_entry(replace(entry, value=replace(entry.value, items=items)))


def _steps(steps: Any) -> tuple[int, ...] | Space:
    if isinstance(steps, Searched):
        return space_of(steps.search, steps.model_dump(mode="json")["search"], whole=True)
    return tuple(steps)


def _training(file: SuiteFile, node: Node | None, problems: Problems) -> Parameters:
    """All training settings; what is neither searched nor swept is fixed."""
    given = Parameters()
    if isinstance(node, Table):
        given = parameters_of(TrainingSettings, file.training, node)
        check_together(TrainingSettings, given, node, problems)
    defaults = TrainingSettings().model_dump(mode="json")
    varied = {*given.searched, *given.swept}
    fixed = {name: given.fixed.get(name, value) for name, value in defaults.items() if name not in varied}
    return given.model_copy(update={"fixed": fixed})


def _vectors(file: SuiteFile, tree: Table, problems: Problems) -> dict[str, str]:
    """Data set -> absolute path of its item vectors."""
    datasets = getattr(file, "datasets", ())
    for key in file.vectors:
        if datasets and key not in datasets:
            what = f"no data set of this suite has this name.{hint(key, datasets)} Known: {', '.join(datasets)}."
            problems.add(_node(tree, "vectors").entries[key].mark, what)  # type: ignore[union-attr]
    return _files(file, tree, "vectors", _check_vectors, problems)


def _files(
    file: SuiteFile, tree: Table, key: str, check: Callable[[Path, str], str], problems: Problems
) -> dict[str, str]:
    """Key or number -> absolute path of each file that is named relative to the file that names it."""
    node, paths = _node(tree, key), {}
    nodes = {} if node is None or not getattr(file, key) else children(node)
    for name, child in nodes.items():
        text = child.text if isinstance(child, Scalar) else ""
        path = Path(os.path.realpath(child.mark.source.folder / text))
        what = check(path, text)
        if what:
            problems.add(child.mark, what)
        paths[name] = str(path)
    return paths


def _precedence(mark: Mark) -> int:
    """Higher replaces lower: the command line, then the file itself, then what it extends."""
    return mark.source.rank if not mark.source.numbered else -mark.source.rank


def _check_vectors(path: Path, text: str) -> str:
    if path.suffix not in ENDINGS:
        return f"{text} does not end in {' or '.join(ENDINGS)}, as files of item vectors do."
    return "" if os.path.isfile(path) else missing_file(path, text)


def _load(path: Path, text: str) -> str:
    """Load a plug-in; the reason if that fails, else ""."""
    if not os.path.isfile(path):
        return missing_file(path, text)
    try:
        load_plugin(path, REGISTRIES)
    except InputError as error:
        return str(error)
    return ""
