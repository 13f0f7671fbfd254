"""Typed settings of backbones, strategies and training, with the words that help, docs and `list` are made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo


class Settings(BaseModel):
    """Frozen, strict about names; every field is made by `param`.

    Attributes:
        version: raised by the author whenever the component's numbers change; part of every trial's key.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: ClassVar[int] = 1

    def identity(self) -> dict[str, Any]:
        """The settings as JSON values, without those `added` later that stand at their default.

        A trial's key is made of these: a setting that is added to a component leaves the keys of older trials as
        they were, as long as its default is the behaviour before it existed.
        """
        return self.without_added(self.model_dump(mode="json"))

    @classmethod
    def without_added(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Some settings' values, without those `added` later that stand at their default."""
        fields = cls.model_fields
        return {
            name: value
            for name, value in values.items()
            if not (_is_added(fields[name]) and value == fields[name].default)
        }


def _is_added(field: FieldInfo) -> bool:
    extra = field.json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("added"))


class BackboneSettings(Settings):
    """Settings that every backbone has; its own class adds more.

    A field `score_temperature`, where there is one, is what scores are divided by; without it they stay as they are.

    Attributes:
        causal: item states do not depend on later items, so that users can be packed.
        text_based: needs the item vectors of the data set; its constructor then takes `item_text` as well.
    """

    causal: ClassVar[bool] = True
    text_based: ClassVar[bool] = False

    @classmethod
    def supports(cls, *, packing: str) -> str | None:
        """Why this backbone cannot be trained with this packing, or None."""
        if packing == "users" and not cls.causal:
            return "packing 'users' needs a causal backbone; set training.packing: auto or none"
        return None

    def resolve(self, *, steps: int) -> Self:
        """The same settings with those of reasoning steps at their defaults where a trial has no steps.

        They change nothing there, and so its key does not depend on them.
        """
        return self


class StrategySettings(Settings):
    """Settings that every strategy has; its own class adds more.

    Attributes:
        uses_steps: False for strategies that do not reason (base): one cell whatever `steps` says.
        every_depth: one model serves every number of steps up to K, so that tables by K show all its states.
    """

    uses_steps: ClassVar[bool] = True
    every_depth: ClassVar[bool] = False

    def resolve(self, *, packing: str) -> Self:
        """The same settings with what "auto" means under a trial's packing, so that its key says it outright."""
        return self

    @property
    def passes_per_step(self) -> int:
        """How often training computes each reasoning step, in all views and streams; for estimates of time."""
        return 1

    @property
    def encodings(self) -> int:
        """How often training encodes each history of a row with steps; for estimates of time."""
        return 1

    def scored_states(self, steps: int) -> int:
        """How many scores over the catalogue the loss of a row takes; `steps` is at least 1. For estimates of time."""
        return 1 + steps

    @property
    def second_row(self) -> bool:
        """Whether training computes another row beside each, one that packing does not help; for estimates of time."""
        return False

    def training_steps(self, steps: int) -> float:
        """How many steps a training batch takes on the mean, for estimates of time; `steps` is K."""
        return steps

    def score_temperature_of(self, backbone: float) -> float:
        """The score temperature in force: this row's own where it names one, else the backbone's."""
        own = getattr(self, "score_temperature", None)
        return float(own) if own is not None else backbone


def param(
    default: Any,
    help: str,
    *,
    symbol: str = "",
    unit: str = "",
    source: str = "",
    grid: tuple[Any, ...] = (),
    added: bool = False,
    **limits: Any,
) -> Any:
    """A field of a settings class.

    Args:
        default: value where the suite names none.
        help: one sentence for `rearec-bench list` and the docs.
        symbol: the paper's symbol, such as "lambda".
        unit: "" for pure numbers.
        source: paper and equation, or the reference code.
        grid: the values that the paper searches.
        added: after trials of the component were published; its default must be the behaviour before (see
            `Settings.identity`).
        **limits: pydantic's own bounds (gt, ge, lt, le, ...).
    """
    extra: dict[str, Any] = {"symbol": symbol, "unit": unit, "source": source, "grid": list(grid)}
    if added:
        extra["added"] = True
    return Field(default, description=help, json_schema_extra=extra, **limits)
