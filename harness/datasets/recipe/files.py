"""Recipe files: strict YAML to a `Recipe`, all mistakes of a file told at once with their places."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ...utils.errors import DatasetError
from ...utils.messages import did_you_mean, shown
from ...utils.yaml_tree import Items, Mark, Node, Problems, Scalar, Source, Table, parse
from .recipe import Recipe, SplitRule

_FOLDER = Path(__file__).parents[1] / "recipes"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@lru_cache(maxsize=1)
def shipped_recipes() -> Mapping[str, Recipe]:
    """Name -> recipe, of those that come with the package; sorted."""
    return {path.stem: read_recipe(path) for path in sorted(_FOLDER.glob("*.yaml"))}


def read_recipe(path: Path) -> Recipe:
    """Read a recipe file.

    Args:
        path: YAML with the keys of `Recipe`.

    Returns:
        The recipe; called like the file where it gives no name.

    Raises:
        DatasetError: no such file, or all mistakes of it, with line, column and what is allowed.
    """
    if not path.is_file():
        raise DatasetError(f"there is no recipe file {path}.")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 text: {error}.") from error
    problems = Problems()
    source = Source(str(path), path.parent)
    tree = parse(text, source, problems)
    if tree is None or not isinstance(tree, Table):
        if not len(problems):
            problems.add(Mark(source, 1, 1), "", "a recipe is a mapping, such as  reader: csv.")
        raise _refused(problems)
    if "file" in tree.entries:
        problems.add(tree.entries["file"].mark, "file", "unknown key. Did you mean 'files'?")
    recipe = _validated(tree, problems)
    if recipe is None or len(problems):
        raise _refused(problems)
    name = recipe.name or path.stem
    if not _NAME.fullmatch(name):
        problems.add(
            tree.mark, "name", f"'{name}' cannot name a data set. Give it a name: letters, digits, '.', '_', '-'."
        )
        raise _refused(problems)
    return recipe.model_copy(update={"name": name, "file": "" if path.parent == _FOLDER else str(path)})


def _validated(tree: Table, problems: Problems) -> Recipe | None:
    try:
        return Recipe.model_validate(_plain(tree))
    except ValidationError as error:
        for one in error.errors():
            node, mark, where = _place(tree, one["loc"])
            problems.add(mark, where, _sentence(one, node))
        return None


def _refused(problems: Problems) -> DatasetError:
    return DatasetError(str(problems.error()))


def _plain(node: Node) -> Any:
    """The values as they were written; pydantic reads them by the declared types."""
    if isinstance(node, Scalar):
        return None if node.is_null else node.text
    if isinstance(node, Items):
        return [_plain(item) for item in node.items]
    return {key: _plain(entry.value) for key, entry in node.entries.items()}


def _place(tree: Table, location: Iterable[int | str]) -> tuple[Node, Mark, str]:
    """The deepest node that a location leads to, where it stands, and its dotted path."""
    node: Node = tree
    mark = tree.mark
    path: list[str] = []
    for step in location:
        if isinstance(node, Table) and str(step) in node.entries:
            entry = node.entries[str(step)]
            node, mark = entry.value, entry.mark
            path.append(str(step))
        elif isinstance(node, Items) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
            mark = node.mark
            path.append(str(step))
        elif str(step) not in ("[key]", "kind", "at"):
            path.append(str(step))
    return node, mark, ".".join(path)


def _sentence(error: ErrorDetails, node: Node) -> str:
    kind, location = error["type"], error["loc"]
    if kind == "extra_forbidden":
        known = [key for key in _keys(location[:-1]) if key != "file"]
        return f"unknown key.{did_you_mean(str(location[-1]), known)} Known: {', '.join(known)}."
    if kind == "missing":
        return _MISSING.get(str(location[0]), "is missing.") if len(location) == 1 else "is missing."
    if kind == "value_error":
        return f"{error['ctx']['error']}."
    if kind == "literal_error":
        allowed = error["ctx"]["expected"].replace(" or ", ", ").replace("'", "")
        return f"{shown(node)} is not allowed.{did_you_mean(shown(node), allowed.split(', '))} Allowed: {allowed}."
    said = error["msg"].removeprefix("Input ")
    return f"{shown(node)}: {said[0].lower()}{said[1:]}."


_MISSING = {
    "reader": "say who reads the files, such as reader: csv.",
    "split": "say how rows are split, such as split: {quantiles: [0.8, 0.9]} or split: leave_one_out.",
}


def _keys(location: tuple[int | str, ...]) -> list[str]:
    model: Any = Recipe
    for step in location:
        model = _model_of(model.model_fields[str(step)].annotation) if str(step) in model.model_fields else None
        if model is None:
            return []
    if model is SplitRule:
        return ["quantiles", "time_range", "times", "leave_one_out", "given"]
    return list(model.model_fields)


def _model_of(annotation: Any) -> Any:
    for member in (annotation, *get_args(annotation)):
        if isinstance(member, type) and issubclass(member, BaseModel):
            return member
    return None
