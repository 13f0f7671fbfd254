"""A validated suite: frozen, resolved, and the same after a trip through JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ...models.settings import Settings, param
from ..records.spec import EvaluationSettings
from ..utils.durations import Duration
from ..utils.errors import StoreError
from ..utils.registry import REGISTRIES, load_plugin

Number = int | float


class Space(BaseModel):
    """The values a searched hyper-parameter may take: choices, or a range with both ends included.

    Attributes:
        choices: the values, in the order of the file; empty for a range.
        log: sample the range evenly on a logarithmic scale.
        integer: the range holds whole numbers only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    choices: tuple[Any, ...] = ()
    low: Number | None = None
    high: Number | None = None
    log: bool = False
    integer: bool = False

    @property
    def size(self) -> int | None:
        """The number of values, None where they cannot be listed evenly."""
        if self.choices:
            return len(self.choices)
        if self.integer and not self.log and self.low is not None and self.high is not None:
            return int(self.high) - int(self.low) + 1
        return None


class Parameters(BaseModel):
    """The settings of one component in a suite.

    Attributes:
        searched: name to the space that the search chooses from.
        swept: name to values, one cell each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fixed: Mapping[str, Any] = Field(default_factory=dict)
    searched: Mapping[str, Space] = Field(default_factory=dict)
    swept: Mapping[str, tuple[Any, ...]] = Field(default_factory=dict)


class Variant(BaseModel):
    """One backbone or strategy of the comparison.

    Attributes:
        name: the row's name; the kind where the suite gives none.
        against: strategies only: name of the row it is compared with, "" for none.
        on: strategies only: the backbone of this row, in place of each of the suite's; None for theirs.
        backbone: strategies only: settings of the backbone that this row fixes.
        backbone_search: strategies only: settings of the backbone that this row searches.
        uses_steps: strategies only: False where there are no reasoning steps, whatever the suite's steps.
        unsupported: backbones only: a value of training.packing -> why this backbone cannot run with it.
        text_based: backbones only: uses the item vectors of the data set.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: str
    parameters: Parameters = Field(default_factory=Parameters)
    against: str = ""
    on: Variant | None = None
    backbone: Mapping[str, Any] = Field(default_factory=dict)
    backbone_search: Mapping[str, Space] = Field(default_factory=dict)
    uses_steps: bool = True
    unsupported: Mapping[str, str] = Field(default_factory=dict)
    text_based: bool = False


class SearchSettings(Settings):
    """How hyper-parameters are searched; each cell has its own budget and study."""

    trials: int = param(20, "search trials of a cell at most", ge=1)
    epochs: int | None = param(
        None, "budget of a cell in place of `trials`: searching ends once its search trials have so many epochs", ge=1
    )
    sampler: Literal["tpe", "random", "grid"] = param("tpe", "how the next suggestion is made")
    distinct: bool = param(
        False, "replace a suggestion that came before by a point of the space that did not; when none is left, end"
    )
    window: int = param(1, "search trials of one cell at a time", ge=1)
    seed: int = param(0, "of the suggestions and of the search trials; none of the suite's `seeds`", ge=0)
    metric: Literal["ndcg@10", "ndcg@20", "recall@10", "recall@20", "mrr"] = param(
        "ndcg@20", "validation metric that chooses hyper-parameters and stops training"
    )
    pruner: Literal["none", "asha"] = param(
        "none", "which search trials end early; asha: those that are not among the best of their cell at a rung"
    )
    grace: int = param(5, "asha: epochs before the first rung; rungs are grace, grace x reduction, ...", ge=1)
    reduction: int = param(3, "asha: one in so many goes on at each rung", ge=2)

    @model_validator(mode="after")
    def _no_idle_setting(self) -> SearchSettings:
        if self.pruner == "none":
            for name in ("grace", "reduction"):
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(f"{name} is a setting of asha. Add `pruner: asha`, or leave it out")
        return self


class Resources(Settings):
    """What one trial occupies, and how it is looked after; never part of a trial's identity."""

    gpu: float = param(0.0, "GPUs of one trial; 0.25 runs four on one", ge=0)
    cpu: float = param(1.0, "CPU cores of one trial", gt=0)
    timeout: Duration = param(Duration("none"), "time that one trial may take before it has failed")
    checkpoint_every: Duration = param(Duration("5m"), "time between two checkpoints of a trial")
    keep_checkpoints: Literal["none", "best", "all"] = param(
        "none", "whose weights stay when they are done; best: those of final runs, all: those of search trials, too"
    )


class Suite(BaseModel):
    """A whole comparison, validated: nothing downstream checks again.

    Attributes:
        name: of the suite's folder in the store.
        steps: K of each row, or the space from which validation chooses it.
        training: training settings, all of them; what is not searched or swept is fixed.
        until: "decided" where seeds are added one at a time until rows are decided; "" where every row has all.
        plugins: Python files that bring components of their own, as absolute paths.
        references: counts to measure the models against, one row per data set each.
        vectors: data set -> file of item vectors, as an absolute path; the others use their own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    datasets: tuple[str, ...]
    backbones: tuple[Variant, ...]
    strategies: tuple[Variant, ...]
    steps: tuple[int, ...] | Space
    seeds: tuple[int, ...]
    until: Literal["", "decided"] = ""
    search: SearchSettings
    training: Parameters
    evaluation: EvaluationSettings
    resources: Resources
    plugins: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    vectors: Mapping[str, str] = Field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The suite as JSON values."""
        content = self.model_dump(mode="json")
        if not self.until:
            del content["until"]  # as suites were stored before there was one
        return content

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Suite:
        """The inverse of `to_json`, without loading plug-ins; `StoreError` for anything else."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise StoreError(
                f"the stored suite {data.get('name')!r:.60} is damaged ({where}: {first['msg']}). `rearec-bench "
                "results verify --fix` moves it out of the way; run the suite again."
            ) from error

    def load_plugins(self) -> None:
        """Register the components of the suite's plug-ins in this process.

        Raises:
            InputError: a plug-in that does not exist, cannot be imported or uses a name that is taken.
        """
        for plugin in self.plugins:
            load_plugin(Path(plugin), REGISTRIES)
