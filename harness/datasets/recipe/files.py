"""Recipe files: strict YAML to a `Recipe`, all mistakes of a file reported at once with their places."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from ...utils.errors import DatasetError
from ...utils.yaml_model import read
from ...utils.yaml_tree import Problems, Source, parse_file
from .recipe import Recipe

_FOLDER = Path(__file__).parents[1] / "recipes"
DATASET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@lru_cache(maxsize=1)
def shipped_recipes() -> Mapping[str, Recipe]:
    """Name -> recipe, of those that come with the package; sorted."""
    return {path.stem: read_recipe(path) for path in sorted(_FOLDER.glob("*.yaml"))}


def read_recipe(path: Path) -> Recipe:
    """The recipe in a YAML file with the keys of `Recipe`; without a name it is called like the file.

    Raises:
        DatasetError: no such file, or all mistakes of it, with line, column and what is allowed.
    """
    if not path.is_file():
        ships = f" One that ships takes no --recipe:  rearec-bench prepare {path} --source DIR"
        raise DatasetError(f"there is no recipe file {path}.{ships if str(path) in shipped_recipes() else ''}")
    problems = Problems()
    tree = parse_file(path, Source(str(path), path.parent), problems)
    if tree is None:
        raise _refused(problems)
    if "file" in tree.entries:
        problems.add(tree.entries["file"].mark, "unknown key. Did you mean 'files'?")
    recipe = read(Recipe, tree, problems, strict=False)
    if recipe is None or len(problems):
        raise _refused(problems)
    name = recipe.name or path.stem
    if not DATASET_NAME.fullmatch(name):
        what = f"'{name}' cannot name a data set. Give it a name: letters, digits, '.', '_', '-'."
        problems.add(tree.mark.under("name"), what)
        raise _refused(problems)
    return recipe.model_copy(update={"name": name, "file": "" if path.parent == _FOLDER else str(path)})


def _refused(problems: Problems) -> DatasetError:
    return DatasetError(str(problems.error()))
