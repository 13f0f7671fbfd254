"""The tree of a suite file to a validated Suite, with every mistake of it told at once."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from annotated_types import Ge

from ...models.settings import BackboneSettings, Settings, StrategySettings
from ..datasets.vectors.vectors import ENDINGS
from ..records.spec import EvaluationSettings, TrainingSettings
from ..utils.errors import InputError
from ..utils.messages import did_you_mean, shown
from ..utils.registry import BACKBONES, BASELINES, REGISTRIES, STRATEGIES, load_plugin
from ..utils.yaml_tree import Items, Mark, Node, Problems, Scalar, Table
from .backbones import DEFAULTS, OWN, Encoder, check_defaults, defaults_of
from .extends import missing_file
from .model import Parameters, Resources, SearchSettings, Space, Suite, Variant
from .parameters import Section, read_parameters, read_settings
from .rows import RowReader
from .size import MOST_POINTS, too_large
from .values import Declared, Mistake, read_each, read_space

_KNOWN = sorted({"extends", DEFAULTS, *Suite.model_fields})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_NAME_WORDS = "Allowed: letters, digits, '.', '_' and '-', at most 100, a letter or digit first."
_FROM_ZERO = Declared(int, (Ge(0),))
_REQUIRED = {
    "datasets": "Name the data sets, such as datasets: [tiny].",
    "backbones": "Name the sequence encoders, such as backbones: [sasrec].",
    "strategies": "Name the rows of the comparison, such as strategies: [base, erl, prl].",
    "steps": "Say how many reasoning steps, such as steps: [1, 2] or steps: {search: [1, 2]}.",
    "seeds": "Give the seeds of the final runs, such as seeds: [1, 2, 3].",
}


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
    reader = _SuiteReader(tree, problems)
    parts = reader.parts(default_name)
    if len(problems):
        raise problems.error()
    return Suite(**parts)


class _SuiteReader:
    """One method a section; a section with mistakes reads as empty or as its defaults."""

    def __init__(self, tree: Table, problems: Problems) -> None:
        self._tree = tree
        self._problems = problems

    def parts(self, default_name: str) -> dict[str, Any]:
        self._check_keys()
        plugins, broken = self._plugins()
        search = self._search()
        encoders = self._backbones(broken)
        parts = {
            "name": self._name(default_name),
            "plugins": plugins,
            "datasets": self._each("datasets", _dataset),
            "backbones": tuple(encoder.variant for encoder in encoders),
            "strategies": self._strategies(encoders, broken),
            "references": self._references(),
            "steps": self._steps(),
            "seeds": self._seeds(search.seed),
            "search": search,
            "training": self._training(),
            "evaluation": self._settings("evaluation", EvaluationSettings),
            "resources": self._settings("resources", Resources),
        }
        parts["vectors"] = self._vectors(parts["datasets"])
        if not len(self._problems) and (words := too_large(parts)) is not None:
            self._problems.add(Mark(self._tree.mark.source, 1, 1), "", words)
        if search.sampler == "grid":
            self._check_grid(parts)
        if search.pruner != "none":
            self._check_rungs(search, parts["training"])
        return parts

    def _check_keys(self) -> None:
        for entry in self._tree.entries.values():
            if entry.key not in _KNOWN:
                near = did_you_mean(entry.key, _KNOWN)
                self._problems.add(entry.mark, entry.key, f"unknown key.{near} Known: {', '.join(_KNOWN)}.")
        for key, advice in _REQUIRED.items():
            if key not in self._tree.entries:
                self._problems.add(Mark(self._tree.mark.source, 1, 1), key, f"missing. {advice}")

    def _value(self, key: str) -> Node | None:
        entry = self._tree.entries.get(key)
        return entry.value if entry else None

    def _listed(self, key: str) -> tuple[Node, ...]:
        """The values of a list; a single value may stand without brackets."""
        node = self._value(key)
        if node is None:
            return ()
        if isinstance(node, Scalar) and not node.is_null:
            return (node,)
        if isinstance(node, Items) and node.items:
            return node.items
        if isinstance(node, Table):
            what = "a mapping is not a list. Put '- ' before each of its items."
        else:
            what = f"the list is empty. {_REQUIRED.get(key, 'Leave it out, or give at least one.')}"
        self._problems.add(node.mark, key, what)
        return ()

    def _each(self, key: str, read: Callable[[Node], Any]) -> tuple[Any, ...]:
        return read_each(self._listed(key), read, self._reporter(key))

    def _reporter(self, where: str) -> Callable[[Mistake], None]:
        def report(mistake: Mistake) -> None:
            self._problems.add(mistake.mark, where, mistake.what)

        return report

    def _settings(self, key: str, settings: type[Settings]) -> Any:
        return read_settings(self._value(key), Section(settings, key), self._problems)

    def _search(self) -> SearchSettings:
        """The search; its budget is in trials or in epochs, whichever was said last where files and --set differ."""
        node = self._value("search")
        if isinstance(node, Table) and {"trials", "epochs"} <= set(node.entries):
            trials, epochs = node.entries["trials"], node.entries["epochs"]
            is_null = isinstance(epochs.value, Scalar) and epochs.value.is_null
            if _precedence(trials.mark) == _precedence(epochs.mark) and not is_null:
                what = "trials is given, too. The budget of a cell is one of them: leave the other out."
                self._problems.add(epochs.mark, "search.epochs", what)
            other = "epochs" if is_null or _precedence(trials.mark) > _precedence(epochs.mark) else "trials"
            node = Table({key: held for key, held in node.entries.items() if key != other}, node.mark)
        held: SearchSettings = read_settings(node, Section(SearchSettings, "search"), self._problems)
        return held

    def _name(self, default: str) -> str:
        node = self._value("name")
        if node is None:
            if not _NAME.fullmatch(default):
                mark = Mark(self._tree.mark.source, 1, 1)
                self._problems.add(mark, "name", f"the file's name '{default}' cannot be the suite's. {_NAME_WORDS}")
            return default
        if not isinstance(node, Scalar) or not _NAME.fullmatch(node.text):
            self._problems.add(node.mark, "name", f"{shown(node)} cannot be a name. {_NAME_WORDS}")
            return default
        return node.text

    def _plugins(self) -> tuple[tuple[str, ...], bool]:
        """Paths of the plug-ins, loaded; and whether one of them is broken."""
        if self._value("plugins") is None:
            return (), False
        nodes = self._listed("plugins")
        paths = read_each(nodes, _plugin, self._reporter("plugins"))
        return paths, len(paths) < len(nodes)

    def _backbones(self, broken: bool) -> tuple[Encoder, ...]:
        defaults = defaults_of(self._value(DEFAULTS), self._problems)
        reader = RowReader(
            BACKBONES,
            section="backbones",
            problems=self._problems,
            reserved=("name",),
            facts=_backbone_facts,
            unknown_kinds=not broken,
            defaults=defaults,
        )
        rows = reader.read(self._listed("backbones"))
        if defaults is not None and not broken:
            check_defaults(defaults, BACKBONES, self._problems)
        return tuple(Encoder(row, BACKBONES.settings(row.kind), reader.nodes[row.name]) for row in rows)

    def _strategies(self, encoders: tuple[Encoder, ...], broken: bool) -> tuple[Variant, ...]:
        reader = RowReader(
            STRATEGIES,
            section="strategies",
            problems=self._problems,
            reserved=("name", "against", OWN),
            facts=_strategy_facts,
            unknown_kinds=not broken,
            encoders=encoders,
        )
        return reader.read(self._listed("strategies"))

    def _references(self) -> tuple[str, ...]:
        """Names of references; an empty list drops those of the suite that this one extends."""
        node = self._value("references")
        if (isinstance(node, Items) and not node.items) or (isinstance(node, Scalar) and node.is_null):
            return ()
        return self._each("references", _reference)

    def _steps(self) -> tuple[int, ...] | Space:
        node = self._value("steps")
        if isinstance(node, Table):
            if list(node.entries) != ["search"]:
                what = "a mapping is neither a list of whole numbers nor {search: [...]}."
                self._problems.add(node.mark, "steps", what)
                return ()
            space = read_space(node.entries["search"].value, _FROM_ZERO, self._reporter("steps"))
            return space if space is not None else ()
        return self._each("steps", _step_count)

    def _seeds(self, search_seed: int) -> tuple[int, ...]:
        def read(node: Node) -> int:
            seed: int = _FROM_ZERO.read(node)
            if seed == search_seed:
                advice = "Final runs need seeds of their own: leave it out, or change search.seed."
                raise Mistake(node.mark, f"{seed} is the seed of the search. {advice}")
            return seed

        return self._each("seeds", read)

    def _training(self) -> Parameters:
        node = self._value("training") or Table({}, self._tree.mark)
        section = Section(TrainingSettings, "training", "hyper-parameter", varying=True)
        held = read_parameters(node, section, self._problems) or Parameters()
        defaults = TrainingSettings().model_dump(mode="json")
        fixed = {
            name: held.fixed.get(name, value)
            for name, value in defaults.items()
            if name not in held.searched and name not in held.swept
        }
        return held.model_copy(update={"fixed": fixed})

    def _vectors(self, datasets: tuple[str, ...]) -> dict[str, str]:
        """Data set -> file of item vectors; a single file where there is a single data set."""
        node = self._value("vectors")
        if node is None:
            return {}
        if isinstance(node, Scalar) and not node.is_null and len(datasets) == 1:
            return self._vector_files("vectors", {datasets[0]: node})
        if not isinstance(node, Table):
            example = f"vectors: {{{datasets[0] if datasets else 'tiny'}: vectors.npy}}"
            what = f"{shown(node)} is no mapping of data sets to files. Write one, such as {example}."
            self._problems.add(node.mark, "vectors", what)
            return {}
        for entry in node.entries.values():
            if datasets and entry.key not in datasets:
                near = did_you_mean(entry.key, datasets)
                what = f"no data set of this suite has this name.{near} Known: {', '.join(datasets)}."
                self._problems.add(entry.mark, f"vectors.{entry.key}", what)
        known = {key: entry.value for key, entry in node.entries.items() if key in datasets}
        return self._vector_files("vectors.{}", known)

    def _vector_files(self, where: str, nodes: Mapping[str, Node]) -> dict[str, str]:
        found = {}
        for name, node in nodes.items():
            try:
                found[name] = _vectors_file(node)
            except Mistake as mistake:
                self._problems.add(mistake.mark, where.format(name), mistake.what)
        return found

    def _check_grid(self, parts: Mapping[str, Any]) -> None:
        """The grid sampler goes through lists, not through ranges."""
        spaces = {f"training.{name}": space for name, space in parts["training"].searched.items()}
        for section in ("backbones", "strategies"):
            for row in parts[section]:
                spaces |= {f"{section}.{row.name}.{name}": space for name, space in row.parameters.searched.items()}
        if isinstance(parts["steps"], Space):
            spaces["steps"] = parts["steps"]
        endless = [name for name, space in spaces.items() if space.size is None or space.size > MOST_POINTS]
        search = self._value("search")
        if endless and isinstance(search, Table):
            what = f"grid goes through lists, and a range is given for {', '.join(endless)}."
            advice = "Give lists there, or take the sampler tpe or random."
            self._problems.add(search.entries["sampler"].value.mark, "search.sampler", f"{what} {advice}")

    def _check_rungs(self, search: SearchSettings, training: Parameters) -> None:
        """A pruner that never comes to a rung is a setting that does nothing."""
        space = training.searched.get("max_epochs")
        values = training.swept.get("max_epochs") or (space.choices or (space.high,) if space else ())
        most = max(values or (training.fixed.get("max_epochs", 0),))
        node = self._value("search")
        if isinstance(node, Table) and "pruner" in node.entries and search.grace >= most:
            entry = node.entries.get("grace", node.entries["pruner"])
            what = f"the first rung is at epoch {search.grace}, and no trial has more epochs than {most}"
            self._problems.add(entry.value.mark, f"search.{entry.key}", f"{what} (training.max_epochs). Allowed: less.")


def _precedence(mark: Mark) -> int:
    """Higher for what replaces the other: the command line, then the file itself, then what it extends."""
    return mark.source.rank if not mark.source.numbered else -mark.source.rank


def _dataset(node: Node) -> str:
    if not isinstance(node, Scalar) or not _NAME.fullmatch(node.text):
        raise Mistake(node.mark, f"{shown(node)} cannot be the name of a data set. {_NAME_WORDS}")
    return node.text


def _reference(node: Node) -> str:
    known = BASELINES.names()
    if not isinstance(node, Scalar) or node.is_null:
        raise Mistake(node.mark, f"{shown(node)} is not a reference. Write its name. Known: {', '.join(known)}.")
    if node.text not in known:
        near = did_you_mean(node.text, known)
        raise Mistake(node.mark, f"unknown reference '{node.text}'.{near} Known: {', '.join(known)}.")
    return node.text


def _vectors_file(node: Node) -> str:
    """The absolute path of a file with item vectors; what it holds is looked at when its data set is loaded."""
    if not isinstance(node, Scalar) or node.is_null:
        raise Mistake(node.mark, f"{shown(node)} is not the name of a file.")
    path = Path(os.path.realpath(node.mark.source.folder / node.text))
    if path.suffix not in ENDINGS:
        raise Mistake(node.mark, f"{node.text} does not end in {' or '.join(ENDINGS)}, as files of item vectors do.")
    if not os.path.isfile(path):
        raise Mistake(node.mark, missing_file(path, node.text))
    return str(path)


def _step_count(node: Node) -> int:
    try:
        return int(_FROM_ZERO.read(node))
    except Mistake as mistake:
        what = mistake.what.removesuffix(".")
        raise Mistake(mistake.mark, f"{what}, or {{search: [...]}}.") from None


def _plugin(node: Node) -> str:
    """Load a plug-in file; its absolute path."""
    if not isinstance(node, Scalar) or node.is_null:
        raise Mistake(node.mark, f"{shown(node)} is not the name of a Python file.")
    path = Path(os.path.realpath(node.mark.source.folder / node.text))
    if not os.path.isfile(path):
        raise Mistake(node.mark, missing_file(path, node.text))
    try:
        loaded = load_plugin(path, REGISTRIES)
    except InputError as error:
        raise Mistake(node.mark, str(error)) from None
    if loaded is None:
        raise Mistake(node.mark, f"{node.text} cannot be imported: {_last_line(path)}.")
    return str(path)


def _last_line(path: Path) -> str:
    """The error of a broken plug-in, which the registry keeps with its traceback."""
    try:
        BACKBONES.entry(path.stem)
    except InputError as error:
        return str(error).strip().splitlines()[-1].rstrip(".")
    return "its import failed"


def _backbone_facts(settings: type[BackboneSettings]) -> Mapping[str, Any]:
    reasons = {packing: settings.supports(packing=packing) for packing in ("none", "users")}
    return {
        "unsupported": {packing: reason for packing, reason in reasons.items() if reason},
        "text_based": settings.text_based,
    }


def _strategy_facts(settings: type[StrategySettings]) -> Mapping[str, Any]:
    return {"uses_steps": settings.uses_steps}
