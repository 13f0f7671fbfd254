"""Suite files: one YAML file names data sets x backbones x strategies x steps x seeds; the public face of `suite_*`."""

from __future__ import annotations

from pathlib import Path

from ..utils.errors import SuiteError
from ..utils.yaml_tree import Problems
from .bundled import shipped_suites
from .extends import read_tree
from .model import Parameters, Resources, SearchSettings, Space, Suite, Variant

__all__ = ["Parameters", "Resources", "SearchSettings", "Space", "Suite", "Variant", "load_suite", "suites_on"]


def load_suite(path: Path, *, overrides: tuple[str, ...] = (), data_dir: Path | None = None) -> Suite:
    """Read, merge and validate a suite file; later code need not check it again.

    Args:
        path: as the user typed it; messages repeat it.
        overrides: texts "key.path=value" of the command line, applied in order; values are YAML.
        data_dir: the prepared data sets; None to leave out whether those of the suite exist.

    Raises:
        SuiteError: with every problem of the file, of what it extends and of the overrides, sorted by line.
    """
    from .reader import read_suite  # reports need no reader, whose models take a while to build

    problems = Problems()
    tree = read_tree(path, overrides=overrides, problems=problems)
    if tree is None:
        raise problems.error()
    return read_suite(tree, default_name=path.stem, problems=problems, data_dir=data_dir)


def suites_on(dataset: str) -> list[str]:
    """Names of the bundled suites on a data set: first those named after it, then by number of data sets."""
    sizes: dict[str, int] = {}
    for name, path in shipped_suites().items():
        try:
            suite = load_suite(path)
        except SuiteError:  # only extended by others, not a suite by itself
            continue
        if dataset in suite.datasets:
            sizes[name] = len(suite.datasets)
    return sorted(sizes, key=lambda name: (_bare(name) != _bare(dataset), -sizes[name], name))


def _bare(name: str) -> str:
    return name.replace("-", "").replace("_", "")
