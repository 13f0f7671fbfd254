"""Names to components, lazily: a table of `name -> "module:attribute"` that imports nothing until asked."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from .errors import InputError
from .text import hint

BUILT_IN = "built in"

_built_in_only: ContextVar[bool] = ContextVar("built_in_only", default=False)


@contextmanager
def without_plugins() -> Iterator[None]:
    """Load no plug-in code during the block: plug-in files are an error, components of packages are unknown."""
    before = _built_in_only.set(True)
    try:
        yield
    finally:
        _built_in_only.reset(before)


@dataclass(frozen=True)
class Entry:
    """Where a component comes from.

    Attributes:
        name: in suite files.
        target: "module:attribute" of the component.
        settings: "module:attribute" of its settings class; "" for the component's own `Settings`. The built-in ones
            keep their settings in modules that import no torch, so that listing and validating are fast.
        origin: "built in", the plug-in file, or the distribution that brought it.
    """

    name: str
    target: str
    settings: str = ""
    origin: str = BUILT_IN


class Registry:
    """A table of components of one kind ("backbone", "strategy")."""

    def __init__(self, kind: str, group: str, entries: tuple[Entry, ...], *, reserved: str = "") -> None:
        self.kind = kind
        self._reserved = reserved
        self._group = group
        self._entries: dict[str, Entry] = {}
        self._scanned = False
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """Register an entry; a name that is taken by another target, or reserved, is an error."""
        if entry.name == self._reserved:
            raise InputError(f"'{entry.name}' of {entry.origin} cannot be a {self.kind}: the name is taken. Rename it.")
        other = self._entries.get(entry.name)
        if other is not None and other != entry:
            raise InputError(
                f"{self.kind} '{entry.name}' is registered twice: by {other.origin} ({other.target}) and by "
                f"{entry.origin} ({entry.target}). Rename one of them."
            )
        self._entries[entry.name] = entry

    def names(self) -> list[str]:
        """All names, sorted."""
        self._scan()
        return sorted(self._offered())

    def entry(self, name: str) -> Entry:
        """The entry of a name; for an unknown one an InputError with the nearest."""
        self._scan()
        offered = self._offered()
        if name not in offered:
            near = f" {self.refused(name)}" if name in self._entries else hint(name, offered)
            raise InputError(f"unknown {self.kind} '{name}'.{near} Known: {', '.join(sorted(offered))}.")
        return offered[name]

    def refused(self, name: str) -> str:
        """Why an existing component is not offered; "" if there is none of the name."""
        self._scan()
        if name not in self._entries or name in self._offered():
            return ""
        return f"It comes from {self._entries[name].origin}, a plug-in, and --no-plugins is given."

    def origin(self, name: str) -> str:
        """Where the component comes from, for people."""
        return self.entry(name).origin

    def component(self, name: str) -> Any:
        """The component class itself (imports torch for the built-in ones)."""
        return resolve(self.entry(name).target)

    def settings(self, name: str) -> Any:
        """The settings class of the component (imports no torch for the built-in ones)."""
        entry = self.entry(name)
        return resolve(entry.settings) if entry.settings else resolve(entry.target).Settings

    def source_files(self, name: str) -> list[Path]:
        """The files that hold the component and its settings, for the digest kept beside each result."""
        entry = self.entry(name)
        return [_module_file(target.partition(":")[0]) for target in (entry.target, entry.settings) if target]

    def _offered(self) -> dict[str, Entry]:
        if not _built_in_only.get():
            return self._entries
        return {name: entry for name, entry in self._entries.items() if entry.origin == BUILT_IN}

    def _scan(self) -> None:
        if self._scanned:
            return
        self._scanned = True
        for point in entry_points(group=self._group):
            origin = f"{point.dist.name} {point.dist.version}" if point.dist else "an entry point"
            self.add(Entry(point.name, point.value, origin=origin))


def resolve(target: str) -> Any:
    """The object that "module:attribute" names."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def load_plugin(path: Path, registries: dict[str, Registry]) -> None:
    """Import a plug-in file, and fill the registries "backbone" and "strategy".

    A plug-in is a Python file whose top level defines `BACKBONES` and / or `STRATEGIES`: dicts of name -> class.

    Raises:
        InputError: plug-ins are disabled, the file is not Python or cannot be imported, or one of its names is taken.
    """
    if _built_in_only.get():
        raise InputError(
            f"{path.name} is a plug-in, and --no-plugins is given. A plug-in is Python that runs with your rights: "
            "read it, then leave out --no-plugins."
        )
    name = f"rearec_bench_plugin_{path.stem}"
    module = sys.modules.get(name)
    if module is None or Path(module.__file__ or "") != path:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise InputError(f"plug-in {path} is not a Python file.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[name]
            reason = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")
            raise InputError(f"the plug-in {path.name} cannot be imported: {reason}.") from error
    for kind, table in (("backbone", "BACKBONES"), ("strategy", "STRATEGIES")):
        for label, cls in getattr(module, table, {}).items():
            registries[kind].add(Entry(label, f"{name}:{cls.__name__}", origin=str(path)))


def _module_file(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise InputError(f"the module {module} has no source file.")
    return Path(spec.origin)


_PACKAGE = __package__.partition(".")[0]


def _built_in(folder: str, *classes: str) -> tuple[Entry, ...]:
    """The classes of `models/FOLDER/`, each in a module of its name in small letters."""
    package = f"{_PACKAGE}.models.{folder}"
    return tuple(
        Entry(cls.lower(), f"{package}.{cls.lower()}:{cls}", f"{package}.settings:{cls}Settings") for cls in classes
    )


BACKBONES = Registry(
    "backbone",
    "rearec_bench.backbones",
    _built_in("backbones", "SASRec", "BERT4Rec", "ESASRec", "LARES", "UniSRec", "MoRec"),
)

STRATEGIES = Registry(
    "strategy",
    "rearec_bench.strategies",
    _built_in("strategies", "Base", "Naive", "RPE", "ERL", "PRL", "PLR", "ManCAR", "LARES"),
    reserved="reference",  # what reference rows have in place of a strategy
)

BASELINES = Registry(
    "reference",
    "rearec_bench.references",
    tuple(
        Entry(name, f"{_PACKAGE}.harness.trial.baselines:{cls}")
        for name, cls in (("popularity", "Popularity"), ("markov", "Markov"))
    ),
)

REGISTRIES = {"backbone": BACKBONES, "strategy": STRATEGIES}
TABLES = {**REGISTRIES, "reference": BASELINES}
