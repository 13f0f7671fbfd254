"""What there is to choose from, as text: components with their settings, data sets, suites; imports no torch."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from ...models.settings import Settings
from ..datasets.describe import dataset_lines
from ..datasets.embed import ENCODERS
from ..records.spec import EvaluationSettings, TrainingSettings
from ..suite.bundled import shipped_suites, summary_of
from ..suite.labels import value_text
from ..suite.model import Resources, SearchSettings
from ..utils.errors import InputError
from ..utils.messages import allowed
from ..utils.registry import BACKBONES, BASELINES, STRATEGIES, Registry

_SECTIONS = (
    ("search", SearchSettings, "how hyper-parameters are searched"),
    ("training", TrainingSettings, "how every model is trained"),
    ("evaluation", EvaluationSettings, "how every model is evaluated"),
    ("resources", Resources, "what one trial occupies, and how it is looked after"),
)
_NARROWEST = 60


def inventory(*, data_dir: Path, width: int) -> str:
    """Everything that a suite can name, in blocks of lines at most `width` characters wide.

    Settings come with default, range, the paper's symbol and its grid.
    """
    width = max(width, _NARROWEST)
    blocks = [
        ["Backbones (backbones: in a suite)", *_components(BACKBONES, width)],
        ["Strategies (strategies:)", *_components(STRATEGIES, width)],
        ["References (references:), counts that are ranked without training", *_components(BASELINES, width)],
        *([f"{name}: {words}", *_settings(cls, width)] for name, cls, words in _SECTIONS),
        ["Data sets (datasets:)", *(f"  {line}" for line in dataset_lines(data_dir))],
        ["Encoders of item texts (rearec-bench embed NAME --encoder ENCODER)", *_named(ENCODERS, width)],
        [
            "Suites that ship (rearec-bench run NAME)",
            *_named({name: summary_of(path) for name, path in shipped_suites().items()}, width),
        ],
    ]
    return "\n\n".join("\n".join(block) for block in blocks)


def _components(registry: Registry, width: int) -> Iterator[str]:
    for name in registry.names():
        try:
            settings, origin = registry.settings(name), registry.origin(name)
        except (InputError, ImportError, AttributeError) as error:
            yield f"  {name}: cannot be used: {error}"
            continue
        words = (settings.__doc__ or "").strip().partition("\n")[0]
        source = "" if origin == "built in" else f" [{origin}]"
        yield from _wrapped(f"  {name:<10}", words + source, width)
        yield from _settings(settings, width)


def _named(words: Mapping[str, str], width: int) -> Iterator[str]:
    column = max(map(len, words)) + 1
    for name, summary in words.items():
        yield from _wrapped(f"  {name:<{column}}", summary, width)


def _settings(settings: type[Settings], width: int) -> Iterator[str]:
    try:
        defaults: Settings | None = settings()
    except ValidationError:  # a plug-in whose settings have no defaults
        defaults = None
    for name, field in settings.model_fields.items():
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        default = "required" if defaults is None else _shown(getattr(defaults, name))
        symbol = str(extra.get("symbol") or "")
        yield from _wrapped(f"    {name:<20} {default:<8} {symbol:<12}", _words(field, extra), width)


def _words(field: FieldInfo, extra: dict[str, Any]) -> str:
    words = [field.description or "", f"[{allowed(field) or getattr(field.annotation, '__name__', field.annotation)}]"]
    if extra.get("grid"):
        words.append(f"The paper searches {', '.join(map(_shown, extra['grid']))}.")
    return " ".join(word for word in words if word)


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_shown, value))}]"
    return value_text(value)


def _wrapped(head: str, words: str, width: int) -> list[str]:
    head = head if head.endswith(" ") else f"{head} "
    indent = " " * len(head)
    lines = textwrap.wrap(words, width, initial_indent=head, subsequent_indent=indent, break_on_hyphens=False)
    return lines or [head.rstrip()]
