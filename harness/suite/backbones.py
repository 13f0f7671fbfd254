"""What a suite says about backbones beside their own rows: `backbone_defaults`, and `backbone` in a strategy's row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..utils.errors import InputError
from ..utils.messages import did_you_mean, shown
from ..utils.registry import Registry
from ..utils.yaml_tree import Node, Problems, Scalar, Table
from .model import Variant
from .parameters import Section, read_parameters

DEFAULTS = "backbone_defaults"
OWN = "backbone"


@dataclass(frozen=True)
class Encoder:
    """A backbone of the suite that has no mistakes.

    Attributes:
        variant: what was read of it.
        settings: its settings class.
        node: its settings as written, defaults included and its name left out.
    """

    variant: Variant
    settings: Any
    node: Table


def with_defaults(node: Node, defaults: Table, settings: Any) -> tuple[Node, frozenset[str]]:
    """A backbone's settings, with those defaults that it has and does not set itself.

    Args:
        node: the settings as written.
        defaults: the mapping `backbone_defaults`.
        settings: the backbone's settings class.

    Returns:
        The settings, and which of them come from the defaults; the node itself where it is no mapping.
    """
    if not isinstance(node, Table) and not (isinstance(node, Scalar) and node.is_null):
        return node, frozenset()
    own = node.entries if isinstance(node, Table) else {}
    added = {key: entry for key, entry in defaults.entries.items() if key in settings.model_fields and key not in own}
    return Table({**own, **added}, node.mark), frozenset(added)


def defaults_of(node: Node | None, problems: Problems) -> Table | None:
    """The mapping `backbone_defaults`; None where there is none, or where it is something else."""
    if node is None or (isinstance(node, Scalar) and node.is_null):
        return None
    if not isinstance(node, Table):
        problems.add(node.mark, DEFAULTS, f"{shown(node)} is not a mapping of settings (key: value).")
        return None
    return node


def check_defaults(defaults: Table, registry: Registry, problems: Problems) -> None:
    """Refuse defaults that no backbone has; one that only others than the suite's have is no mistake.

    Args:
        defaults: the mapping `backbone_defaults`.
        registry: all backbones.
        problems: gets every mistake.
    """
    known = sorted(_all_settings(registry))
    for entry in defaults.entries.values():
        if entry.key not in known:
            near = did_you_mean(entry.key, known)
            what = f"no backbone has this setting.{near} Known: {', '.join(known)}."
            problems.add(entry.mark, f"{DEFAULTS}.{entry.key}", what)


def read_own_backbone(
    node: Node, *, where: str, encoders: tuple[Encoder, ...], problems: Problems
) -> Mapping[str, Any]:
    """The settings of the backbone that a strategy's row changes: one plain value each.

    Args:
        node: what stands behind `backbone:`.
        where: dotted path of it.
        encoders: the suite's backbones; each must have the settings, and accept them together with its own.
        problems: gets every mistake.

    Returns:
        Name to value; empty where something is wrong.
    """
    if not isinstance(node, Table) or not node.entries:
        such = "the backbone's settings, such as {layers: 4}."
        found = f"{shown(node)} is not a mapping of" if not isinstance(node, Table) else "the mapping is empty. Give"
        problems.add(node.mark, where, f"{found} {such}")
        return {}
    before = len(problems)
    for entry in node.entries.values():
        if isinstance(entry.value, Table) and set(entry.value.entries) & {"search", "sweep"}:
            what = "cannot be searched or swept here. Give one value, and each further one a row of its own."
            problems.add(entry.value.mark, f"{where}.{entry.key}", what)
        for encoder in encoders:
            if entry.key in encoder.variant.parameters.swept:
                what = f"the backbone {encoder.variant.name} sweeps it. Fix it in one of the two places."
                problems.add(entry.mark, f"{where}.{entry.key}", what)
    if len(problems) > before:
        return {}
    values: dict[str, Any] = {}
    for encoder in encoders:
        merged = Table({**encoder.node.entries, **node.entries}, node.mark)
        section = Section(encoder.settings, where, f"hyper-parameter of {encoder.variant.name}", varying=True)
        parameters = read_parameters(merged, section, problems)
        if parameters is not None:
            values |= {key: parameters.fixed[key] for key in node.entries if key in parameters.fixed}
    return values if len(problems) == before else {}


def _all_settings(registry: Registry) -> set[str]:
    """Names of the settings of all backbones that can be imported."""
    names: set[str] = set()
    for name in registry.names():
        try:
            names |= set(registry.settings(name).model_fields)
        except (InputError, ImportError, AttributeError):
            continue
    return names
