"""A digest of the source that shapes a trial's numbers: kept beside each result and checkpoint, not part of its key.

The files are found by following imports from the trial's entry point and from its components. Moving a file or a
definition, renaming, comments, docstrings, annotations, messages and layout leave the digest as it is; a constant, an
operator, a call of something else change it.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..utils.registry import BACKBONES, BASELINES, STRATEGIES
from .spec import BASELINE

_ROOT = Path(__file__).resolve().parents[2]
_ENTRY = {False: _ROOT / "harness/trial/model_trial.py", True: _ROOT / "harness/trial/baseline_trial.py"}
_COMPUTES = re.compile(
    r"models/.*|harness/trial/(?!checkpoint|failure).*|harness/datasets/data/.*|harness/utils/seeds\.py"
)
"""What of the files that are reached counts: not those that carry, store or describe what was computed."""

_KNOWN = Path(__file__).with_name("known_sources.json")
_PROSE = re.compile(r"\w\W*\s+\W*\w")
_SAID = ("annotation", "simple", "returns", "type_comment", "ctx", "kind")
_NAMES = ("id", "attr", "arg", "name")
_ROUNDS = 2


@lru_cache(maxsize=256)
def source_digest(backbone: str, strategy: str) -> str:
    """A version of the digest and 16 hexadecimal digits, such as "2:0123456789abcdef".

    Args:
        backbone: name in the registry; of a baseline where the strategy is `BASELINE`.
        strategy: name in the registry, or `BASELINE`.

    Returns:
        The digest of today's files; it imports neither torch nor the components.
    """
    is_baseline = strategy == BASELINE
    shared, engine = _engine(_ENTRY[is_baseline])
    files = BASELINES.source_files(backbone) if is_baseline else _components(backbone, strategy)
    own = _content([file for file in source_files(files) if file not in shared], engine.labels)
    return f"2:{_hash(sorted(engine.hashes + own.hashes))[:16]}"


def same_source(stored: str, backbone: str, strategy: str) -> bool:
    """Whether the source that a digest was taken of is today's, or one that is known to give the same numbers.

    Args:
        stored: what `source_digest` was, of any version.
        backbone: as there.
        strategy: as there.
    """
    today = source_digest(backbone, strategy)
    return stored == today or {stored, today} <= _known().get(f"{backbone}/{strategy}", frozenset())


def source_files(entries: Iterable[Path]) -> list[Path]:
    """The files that computing a trial reaches by imports, its entry points among them.

    Args:
        entries: where to start.
    """
    found: dict[Path, None] = {}
    waiting = list(entries)
    while waiting:
        file = waiting.pop()
        if file not in found:
            found[file] = None
            waiting.extend(other for other in _imported(file) if _COMPUTES.fullmatch(_within(other)))
    return list(found)


def _within(file: Path) -> str:
    return file.relative_to(_ROOT).as_posix() if file.is_relative_to(_ROOT) else ""


def digest_of(files: Iterable[Path]) -> str:
    """16 hexadecimal digits over what source files compute, whatever they are called and whatever order they are in.

    A definition is known by its content: names that the files define count for what is behind them, local names for
    their order of appearance, and names of others (torch, NumPy) for themselves.
    """
    return _hash(sorted(_content(files, {}).hashes))[:16]


@dataclass(frozen=True)
class _Content:
    """What some files compute.

    Attributes:
        hashes: of each definition.
        labels: each name that they define, with the hash of what is behind it; "" for a value.
    """

    hashes: tuple[str, ...]
    labels: Mapping[str, str]


@lru_cache(maxsize=2)
def _engine(entry: Path) -> tuple[frozenset[Path], _Content]:
    """The files that every trial needs, and what they compute."""
    files = source_files([entry])
    return frozenset(files), _content(files, {})


def _content(files: Iterable[Path], known: Mapping[str, str]) -> _Content:
    """What files compute.

    Args:
        files: the files.
        known: labels of the names that other files define.
    """
    units = [unit for file in files for unit in _units(file)]
    fresh = {**known, **dict.fromkeys((name for unit in units for name in unit.defines if name not in known), "")}
    labels, hashes = fresh, []
    for _ in range(_ROUNDS):
        hashes = [_hash(_labelled(unit, labels)) for unit in units]
        behind: dict[str, list[str]] = defaultdict(list)
        for unit, hashed in zip(units, hashes, strict=True):
            for name in unit.names:
                behind[name].append(hashed)
        labels = fresh | {name: _hash(sorted([known.get(name, ""), *them])) for name, them in behind.items()}
    return _Content(tuple(hashes), labels)


@lru_cache(maxsize=1)
def _known() -> dict[str, frozenset[str]]:
    """Component pair to digests whose trials have the same numbers: the tests have run them side by side."""
    return {pair: frozenset(digests) for pair, digests in json.loads(_KNOWN.read_text("utf-8")).items()}


def _components(backbone: str, strategy: str) -> list[Path]:
    return BACKBONES.source_files(backbone) + STRATEGIES.source_files(strategy)


def _imported(file: Path) -> Iterator[Path]:
    """The files of this package that a file imports at run time."""
    for node in _walk(_tree(file).body):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = file.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            for candidate in (folder, *(folder / alias.name for alias in node.names)):
                if candidate.with_suffix(".py").is_file():
                    yield candidate.with_suffix(".py")


@lru_cache(maxsize=256)
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _walk(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """All nodes, but for what is read by type checkers alone."""
    for node in nodes:
        if _type_checking(node):
            continue
        yield node
        yield from _walk(ast.iter_child_nodes(node))


@dataclass(frozen=True)
class _Unit:
    """A definition, or another statement of a module or a class.

    Attributes:
        names: what it is called by others.
        defines: all names that it defines, those within it included.
        tokens: its syntax tree in a row; names are tuples, everything else is text.
    """

    names: tuple[str, ...]
    defines: frozenset[str]
    tokens: tuple[str | tuple[str], ...]


@lru_cache(maxsize=256)
def _units(file: Path) -> tuple[_Unit, ...]:
    """The statements of a module and of its classes that compute something."""
    units = []
    for statement in filter(_counts, _tree(file).body):
        parts = [statement]
        if isinstance(statement, ast.ClassDef):
            bare = copy.copy(statement)
            bare.body = []
            parts = [bare, *filter(_counts, statement.body)]
        for part in parts:
            defines = tuple(_defined(part))
            names = defines if isinstance(part, ast.Assign | ast.AnnAssign) else defines[:1]
            units.append(_Unit(names, frozenset(defines), tuple(_tokens(part))))
    return tuple(units)


def _counts(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Import | ast.ImportFrom | ast.Pass):
        return False
    if isinstance(statement, ast.Expr):
        return not isinstance(statement.value, ast.Constant)
    return not _type_checking(statement)


def _type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _defined(unit: ast.AST) -> Iterator[str]:
    """Every name that a statement defines: of functions, classes, arguments, variables and attributes."""
    for node in ast.walk(unit):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            yield node.attr


def _tokens(node: ast.AST) -> Iterator[str | tuple[str]]:
    """A syntax tree in a row, without annotations, error messages and prose."""
    yield "Assign" if isinstance(node, ast.AnnAssign) else type(node).__name__
    if isinstance(node, ast.Raise):
        return
    for field, value in ast.iter_fields(node):
        if field in _SAID:
            continue
        for part in value if isinstance(value, list) else (value,):
            if isinstance(part, ast.AST):
                if not isinstance(part, ast.stmt) or _counts(part):
                    yield from _tokens(part)
            elif field in _NAMES and isinstance(part, str):
                yield (part,)
            elif not (isinstance(part, str) and _PROSE.search(part)):
                yield repr(part)


def _labelled(unit: _Unit, labels: Mapping[str, str]) -> Iterator[str]:
    """The tokens with what is behind each name in its place.

    Args:
        unit: a definition.
        labels: of the names that the files define; "" for a value, which is numbered as it appears.
    """
    order: dict[str, str] = {}
    for token in unit.tokens:
        if isinstance(token, str):
            yield token
            continue
        label = labels.get(token[0])
        if label is None or token[0].startswith("__"):
            yield token[0]
        else:
            yield label or order.setdefault(token[0], f"#{len(order)}")


def _hash(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
