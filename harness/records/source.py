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
_UNSEEN = frozenset({"annotation", "simple", "returns", "type_comment", "ctx", "kind"})
_NAMES = frozenset({"id", "attr", "arg", "name"})
_DEFINING = frozenset({ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.arg})
_NAMING = frozenset({ast.Name, ast.Attribute})
_ROUNDS = 2


@lru_cache(maxsize=256)
def source_digest(backbone: str, strategy: str) -> str:
    """A version of the digest and 16 hexadecimal digits, such as "2:0123456789abcdef", of today's files.

    `strategy` is `BASELINE` for a baseline, whose name is then in `backbone`. Imports neither torch nor the components.
    """
    is_baseline = strategy == BASELINE
    shared, engine = _engine(_ENTRY[is_baseline])
    files = BASELINES.source_files(backbone) if is_baseline else _components(backbone, strategy)
    own = _content([file for file in source_files(files) if file not in shared], engine.labels)
    return f"2:{_hash(sorted(engine.hashes + own.hashes))[:16]}"


def same_source(stored: str, backbone: str, strategy: str) -> bool:
    """Whether a stored digest, of any version, is today's, or one that is known to give the same numbers."""
    today = source_digest(backbone, strategy)
    return stored == today or {stored, today} <= _known().get(f"{backbone}/{strategy}", frozenset())


def source_files(entries: Iterable[Path]) -> list[Path]:
    """The files that computing a trial reaches by imports, its entry points among them."""
    reached: dict[Path, None] = {}
    waiting = [file.resolve() for file in entries]  # as _ROOT is, where the package is reached by a symbolic link
    while waiting:
        file = waiting.pop()
        if file not in reached:
            reached[file] = None
            waiting.extend(other for other in _imported(file) if _COMPUTES.fullmatch(_within(other)))
    return list(reached)


def _within(file: Path) -> str:
    return file.relative_to(_ROOT).as_posix() if file.is_relative_to(_ROOT) else ""


@dataclass(frozen=True)
class _Content:
    """What some files compute: the hash of each definition, and the hash behind each name ("" for a value)."""

    hashes: tuple[str, ...]
    labels: Mapping[str, str]


@lru_cache(maxsize=2)
def _engine(entry: Path) -> tuple[frozenset[Path], _Content]:
    """The files that every trial needs, and what they compute."""
    files = source_files([entry])
    return frozenset(files), _content(files, {})


def _content(files: Iterable[Path], known: Mapping[str, str]) -> _Content:
    """What files compute, given the labels of names that other files define.

    A definition counts by its content: names that the files define stand for their definitions, local names for
    their order of appearance, and names of others (torch, NumPy) for themselves.
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
    """Component pair to digests whose trials have the same numbers; tests have compared them."""
    return {pair: frozenset(digests) for pair, digests in json.loads(_KNOWN.read_text("utf-8")).items()}


def _components(backbone: str, strategy: str) -> list[Path]:
    return BACKBONES.source_files(backbone) + STRATEGIES.source_files(strategy)


@lru_cache(maxsize=256)
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _imported(file: Path) -> Iterator[Path]:
    """The files of this package that a file imports at run time."""
    for node in _statements(_tree(file).body):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = file.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            for candidate in (folder, *(folder / alias.name for alias in node.names)):
                if candidate.with_suffix(".py").is_file():
                    yield candidate.with_suffix(".py")


def _statements(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Statements and those within them, but for what type checkers alone read; expressions hold no imports."""
    for node in nodes:
        if not _type_checking(node):
            yield node
            for block in ("body", "orelse", "finalbody", "handlers", "cases"):
                yield from _statements(getattr(node, block, ()))


@dataclass(frozen=True)
class _Unit:
    """A definition, or another statement of a module or a class.

    Attributes:
        names: its names for other units.
        defines: all names that it defines, those within it included.
        between: its syntax tree as a sequence, cut at the names that it uses.
        uses: those names, in order; one fewer than pieces between them.
    """

    names: tuple[str, ...]
    defines: frozenset[str]
    between: tuple[str, ...]
    uses: tuple[str, ...]


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
        units += [_unit(part) for part in parts]
    return tuple(units)


def _unit(statement: ast.stmt) -> _Unit:
    defines: dict[str, None] = {}
    between: list[str] = []
    uses: list[str] = []
    tokens: list[str] = []

    def visit(node: ast.AST) -> None:
        kind = type(node)
        tokens.append("Assign" if kind is ast.AnnAssign else kind.__name__)
        if kind is ast.Raise:  # messages
            return
        stored = kind in _DEFINING or (kind in _NAMING and not isinstance(node.ctx, ast.Load))  # type: ignore[attr-defined]
        for field, value in ast.iter_fields(node):
            if field in _UNSEEN:
                continue
            for part in value if type(value) is list else (value,):
                if isinstance(part, ast.AST):
                    if not isinstance(part, ast.stmt) or _counts(part):
                        visit(part)
                elif field in _NAMES and type(part) is str:
                    if stored:
                        defines[part] = None
                    between.append("\0".join(tokens))
                    tokens.clear()
                    uses.append(part)
                elif not (type(part) is str and _PROSE.search(part)):
                    tokens.append(repr(part))

    visit(statement)
    between.append("\0".join(tokens))
    names = tuple(defines) if isinstance(statement, ast.Assign | ast.AnnAssign) else tuple(defines)[:1]
    return _Unit(names, frozenset(defines), tuple(between), tuple(uses))


def _counts(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Import | ast.ImportFrom | ast.Pass):
        return False
    if isinstance(statement, ast.Expr):
        return not isinstance(statement.value, ast.Constant)
    return not _type_checking(statement)


def _type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _labelled(unit: _Unit, labels: Mapping[str, str]) -> Iterator[str]:
    """The pieces of a definition with each name replaced by its label; values ("") are numbered as they appear."""
    order: dict[str, str] = {}
    for piece, name in zip(unit.between, unit.uses, strict=False):
        yield piece
        label = labels.get(name)
        if label is None or name.startswith("__"):
            yield name
        else:
            yield label or order.setdefault(name, f"#{len(order)}")
    yield unit.between[-1]


def _hash(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
