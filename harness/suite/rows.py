"""The lists `backbones` and `strategies` of a suite: kinds, names, settings and what each row is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ..utils.errors import InputError
from ..utils.messages import hint, shown
from ..utils.registry import BACKBONES, STRATEGIES, Registry
from ..utils.yaml_tree import Entry, Mark, Node, Problems, Scalar, Table
from .checks import rows_of, too_many_rows
from .extends import row_name
from .labels import row_label, swept_values
from .model import Parameters, Space, Variant
from .parameters import check_together, read_component
from .schema import RowName

_BASE = "base"
_NOT_SWEPT = "cannot be swept here. Give one value or {search: [...]}, and each further one a row of its own."
_OWN_KEYS: Mapping[str, Mapping[str, Any]] = {
    "backbones": {"name": RowName},
    "strategies": {"name": RowName, "against": str, "on": str, "backbone": dict[str, Any]},
}


@dataclass(frozen=True)
class Row:
    """A row without mistakes; `node` is its mapping as written, defaults included."""

    variant: Variant
    settings: Any
    node: Table


@dataclass
class RowReader:
    """Reads one of the two lists.

    Attributes:
        section: "backbones" or "strategies".
        explain: False where a broken plug-in explains unknown kinds already.
        defaults: settings of all backbones that have such a setting, those that strategies name for themselves too.
        backbones: for strategies: the rows whose settings `backbone` may change.
    """

    section: str
    problems: Problems
    explain: bool = True
    defaults: Table | None = None
    backbones: Sequence[Row] = ()
    _names: dict[str, Mark] = field(default_factory=dict)

    @property
    def registry(self) -> Registry:
        """The registry of the kinds."""
        return BACKBONES if self.section == "backbones" else STRATEGIES

    def read(self, items: Sequence[Node]) -> tuple[Row, ...]:
        """The rows that have no mistakes."""
        rows = tuple(row for item in items if (row := self._row(item)) is not None)
        return self._compared(rows) if self.section == "strategies" else rows

    def _row(self, item: Node) -> Row | None:
        kind, node = self._split(item)
        settings = self._settings(kind, item) if kind else None
        if settings is None:
            return None
        if isinstance(node, Scalar) and node.is_null:
            node = Table({}, node.mark)
        written = node.entries if isinstance(node, Table) else {}
        name, is_named = row_name(item), self._note_name(item, kind, written.get("name"))
        if isinstance(node, Table) and self.section == "backbones":
            node = _filled(node, self.defaults, settings)
        read = read_component(settings, node, self.problems, own=_OWN_KEYS[self.section])
        if read is None or not isinstance(node, Table):
            return None
        parameters, own = read
        if not check_together(settings, parameters, node, self.problems) or not is_named:
            return None
        if (too_many := too_many_rows(rows_of(parameters))) is not None:
            self.problems.add(node.mark, too_many)
            return None
        facts = _backbone_facts(settings) if self.section == "backbones" else {"uses_steps": settings.uses_steps}
        is_apart = own.get("on") is not None
        on = self._own_backbone(node) if is_apart else None
        changed = self._changed_backbone(node) if own.get("backbone") is not None and not is_apart else Parameters()
        against = own.get("against") or ""
        variant = Variant(
            name=name,
            kind=kind,
            parameters=parameters,
            against=against,
            on=on,
            backbone=changed.fixed,
            backbone_search=changed.searched,
            **facts,
        )
        return Row(variant, settings, node)

    def _split(self, item: Node) -> tuple[str, Node]:
        """Kind and settings of one item of the list; no kind where it is something else."""
        if isinstance(item, Scalar) and not item.is_null:
            return item.text, Table({}, item.mark.under(item.text))
        if isinstance(item, Table) and len(item.entries) == 1:
            entry = next(iter(item.entries.values()))
            return entry.key, entry.value
        if isinstance(item, Table) and item.entries:
            kind = next(iter(item.entries))
            what = f"one name an item, found {', '.join(item.entries)}. Indent the settings of {kind} below it."
        else:
            written = "an empty mapping" if isinstance(item, Table) else shown(item)
            what = f"{written} is not a {self.registry.kind}. Write its name, or its name: {{settings}}."
        self.problems.add(item.mark, what)
        return "", item

    def _settings(self, kind: str, item: Node) -> Any:
        known = self.registry.names()
        if kind in known:
            try:
                return self.registry.settings(kind)
            except (InputError, ImportError, AttributeError) as error:
                last = str(error).strip().splitlines()[-1]
                self.problems.add(item.mark, f"{self.registry.kind} '{kind}' cannot be used: {last}")
        elif self.explain:
            refused = self.registry.refused(kind)
            near = f" {refused}" if refused else hint(kind, known)
            self.problems.add(item.mark, f"unknown {self.registry.kind} '{kind}'.{near} Known: {', '.join(known)}.")
        return None

    def _note_name(self, item: Node, kind: str, entry: Entry | None) -> bool:
        """Record a row's name, unless another row or kind has it."""
        name, mark = row_name(item), entry.value.mark if entry else item.mark
        if entry is not None and name != kind and name in self.registry.names():
            what = f"'{name}' is the name of another {self.registry.kind}. Choose a name of its own."
        elif name in self._names:
            first = self._names[name]
            place = f"line {first.line}" if first.source.numbered else first.source.label
            example = "." if entry else f", such as {kind}: {{name: {kind}_2}}."
            what = f"two rows are called '{name}', the first in {place}. Give one of them a name of its own{example}"
        else:
            self._names[name] = mark
            return True
        self.problems.add(mark, what)
        return False

    def _own_backbone(self, row: Table) -> Variant | None:
        """The backbone that a strategy's row names for itself; its settings stand below `backbone`."""
        item = row.entries["on"].value
        kind = item.text if isinstance(item, Scalar) else ""
        reader = RowReader("backbones", self.problems, self.explain)
        settings = reader._settings(kind, item)
        own = row.entries["backbone"].value if "backbone" in row.entries else None
        if settings is None or not (own is None or isinstance(own, Table)):
            return None
        node = _filled(own or Table({}, item.mark), self.defaults, settings)
        read = read_component(settings, node, self.problems, word=f"hyper-parameter of {kind}")
        if read is None or not check_together(settings, read[0], node, self.problems):
            return None
        for key in read[0].swept:
            self.problems.add(node.entries[key].value.mark, _NOT_SWEPT)
        return Variant(name=kind, kind=kind, parameters=read[0], **_backbone_facts(settings))

    def _changed_backbone(self, row: Table) -> Parameters:
        """The settings of the backbone that a strategy's row fixes or searches."""
        changed = row.entries["backbone"].value
        if not isinstance(changed, Table) or not changed.entries:
            self.problems.add(changed.mark, "the mapping is empty. Write settings, such as {layers: 4}.")
            return Parameters()
        fixed: dict[str, Any] = {}
        searched: dict[str, Space] = {}
        for backbone in self.backbones:
            name, rest = backbone.variant.name, backbone.variant.parameters
            read = read_component(backbone.settings, changed, self.problems, word=f"hyper-parameter of {name}")
            if read is None:
                continue
            own = read[0]
            for key in own.swept:
                self.problems.add(changed.entries[key].value.mark, _NOT_SWEPT)
            for key in changed.entries.keys() & rest.swept.keys():
                what = f"the backbone {name} sweeps it. Fix it in one of the two places."
                self.problems.add(changed.entries[key].mark, what)
            fixed |= own.fixed
            searched |= own.searched
            kept = [
                {key: value for key, value in part.items() if key not in changed.entries}
                for part in (rest.fixed, rest.searched)
            ]
            merged = Parameters(fixed={**kept[0], **own.fixed}, searched={**kept[1], **own.searched}, swept=rest.swept)
            if not own.swept and not changed.entries.keys() & rest.swept.keys():
                check_together(backbone.settings, merged, changed, self.problems)
        return Parameters(fixed=fixed, searched=searched)

    def _compared(self, rows: tuple[Row, ...]) -> tuple[Row, ...]:
        """The rows with the name of what each is compared with: its own choice, else `base` where that is a row."""
        labels = {
            row.variant.name: [row_label(row.variant.name, values) for values in swept_values(row.variant.parameters)]
            for row in rows
        }
        has_base = labels.get(_BASE) == [_BASE]
        compared = []
        for row in rows:
            against, name = row.variant.against, row.variant.name
            known = [label for other, names in labels.items() for label in names if other != name]
            is_broken = against in self._names and against not in labels  # its own mistakes are reported already
            if not against and has_base and name != _BASE:
                against = _BASE
            elif against and against not in known and not is_broken:
                self.problems.add(row.node.entries["against"].value.mark, _no_row(against, name, known, labels))
            compared.append(Row(row.variant.model_copy(update={"against": against}), row.settings, row.node))
        return tuple(compared)


def _filled(node: Table, defaults: Table | None, settings: Any) -> Table:
    """A row's mapping, with the defaults of all backbones that it has and does not set."""
    if defaults is None:
        return node
    known = {key: entry for key, entry in defaults.entries.items() if key in settings.model_fields}
    return Table({**node.entries, **{key: known[key] for key in known if key not in node.entries}}, node.mark)


def check_defaults(defaults: Table, problems: Problems) -> None:
    """Refuse defaults that no registered backbone has, whether the suite uses that backbone or not."""
    known: set[str] = set()
    for name in BACKBONES.names():
        with suppress(InputError, ImportError, AttributeError):
            known |= set(BACKBONES.settings(name).model_fields)
    for key, entry in defaults.entries.items():
        if key not in known:
            near = hint(key, known)
            problems.add(entry.mark, f"no backbone has this setting.{near} Known: {', '.join(sorted(known))}.")


def _no_row(against: str, name: str, known: Sequence[str], labels: Mapping[str, Sequence[str]]) -> str:
    if against == name:
        return "a row cannot be compared with itself."
    if against in labels:
        return f"{against} is swept. Name one of its rows: {', '.join(labels[against])}."
    return f"no row is called {against}.{hint(against, known)} Known: {', '.join(known) or 'none'}."


def _backbone_facts(settings: Any) -> Mapping[str, Any]:
    reasons = {packing: settings.supports(packing=packing) for packing in ("none", "users")}
    return {
        "unsupported": {packing: reason for packing, reason in reasons.items() if reason},
        "text_based": settings.text_based,
    }
