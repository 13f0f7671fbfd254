"""A suite to its cells: one row of the comparison each, with what fixes its trials and what is searched."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from ...models.settings import Settings
from ..records.pruner import Pruner
from ..records.spec import (
    BASELINE,
    Component,
    EvaluationSettings,
    Purpose,
    TrainingSettings,
    TrialSpec,
    canonical,
    engine_version,
)
from ..suite.labels import row_label, swept_values
from ..suite.model import Parameters, SearchSettings, Space, Suite, Variant
from ..utils.errors import InputError
from ..utils.registry import BACKBONES, BASELINES, STRATEGIES, Registry

_TEMPERATURE = "score_temperature"


@dataclass(frozen=True)
class Chosen:
    """The part of a component that a cell fixes.

    Attributes:
        fixed: settings that the suite fixes or that this cell was swept to.
    """

    kind: str
    fixed: Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """One row of the comparison: data set, backbone, strategy variant, K; or a baseline in place of the backbone.

    Attributes:
        id: 12 hexadecimal digits, a hash of the cell's content; labels do not enter.
        backbone: label of the backbone, with its swept values.
        strategy: name of the strategy variant, without swept values.
        row: printed label of the row, with swept values of strategy and training.
        against: printed label of the row it is compared with, "" for none.
        steps: K; None where it is searched.
        space: dotted name ("strategy.kl_weight", "backbone.dropout", "training.lr", "steps") to what is searched.
        unsupported: why this cell cannot run, None where it can.
        chosen_backbone: the backbone's kind and fixed settings; the baseline's of a baseline.
        chosen_strategy: the strategy's kind and fixed settings.
        on: name of the row's own backbone, "" where the row stands on the suite's.
    """

    id: str
    dataset: str
    backbone: str
    strategy: str
    row: str
    against: str
    steps: int | None
    space: Mapping[str, Space]
    search: SearchSettings
    seeds: tuple[int, ...]
    unsupported: str | None
    chosen_backbone: Chosen
    chosen_strategy: Chosen
    training: Mapping[str, Any]
    evaluation: EvaluationSettings
    text_based: bool = False
    on: str = ""

    def spec(
        self,
        values: Mapping[str, Any],
        *,
        seed: int,
        purpose: Purpose,
        fingerprint: str,
        device: Literal["cpu", "cuda"] | str,
        vectors: str = "",
    ) -> TrialSpec:
        """The trial of this cell, every setting filled in.

        Args:
            values: a value for each name in `space`.
            vectors: fingerprint of the data set's item vectors, which only text-based backbones use.

        Raises:
            ValueError: values for other names than those in `space`, or a device other than "cpu" and "cuda".
        """
        if set(values) != set(self.space):
            raise ValueError(f"values for {sorted(values)}, where {sorted(self.space)} are searched")
        if device not in ("cpu", "cuda"):
            raise ValueError(f"the device is cpu or cuda, not {device}")
        if self.is_baseline:
            return self._baseline_spec(seed=seed, purpose=purpose, fingerprint=fingerprint)
        training = _packed(
            TrainingSettings.model_validate({**self.training, **_under("training", values)}),
            causal=BACKBONES.settings(self.chosen_backbone.kind).causal,
        )
        backbone = _filled(BACKBONES, self.chosen_backbone, _under("backbone", values))
        strategy = self._strategy(values)
        steps = int(values["steps"]) if self.steps is None else self.steps
        return TrialSpec(
            dataset=self.dataset,
            dataset_fingerprint=fingerprint,
            backbone=_component(self.chosen_backbone.kind, backbone.resolve(steps=steps)),
            strategy=_component(self.chosen_strategy.kind, strategy.resolve(packing=training.packing)),
            steps=steps,
            training=training,
            evaluation=self.evaluation,
            metric=self.search.metric,
            seed=seed,
            purpose=purpose,
            device="cuda" if device == "cuda" else "cpu",
            vectors=vectors if self.text_based else "",
            engine=engine_version(training, self.evaluation, device),
        )

    @property
    def points(self) -> int | None:
        """How many configurations there are to choose from; None if a range is continuous."""
        sizes = [space.size for space in self.space.values()]
        return None if None in sizes else math.prod(size for size in sizes if size is not None)

    @property
    def pruner(self) -> Pruner | None:
        """What may end its search trials early."""
        search = self.search
        if search.pruner == "none":
            return None
        return Pruner(search.pruner, cell=self.id, grace=search.grace, reduction=search.reduction)

    @property
    def is_baseline(self) -> bool:
        """Whether this is one of the suite's `references` rather than a model."""
        return self.chosen_strategy.kind == BASELINE

    def _strategy(self, values: Mapping[str, Any]) -> Any:
        """The strategy's settings: a score temperature that is searched below it beats its recipe's, not its own."""
        own = _under("strategy", values)
        strategy = _filled(STRATEGIES, self.chosen_strategy, own)
        searched = values.get(f"backbone.{_TEMPERATURE}")
        named = {**self.chosen_strategy.fixed, **own}.get(_TEMPERATURE)
        if searched is None or named is not None or getattr(strategy, _TEMPERATURE, None) is None:
            return strategy
        return _filled(STRATEGIES, self.chosen_strategy, {**own, _TEMPERATURE: searched})

    def _baseline_spec(self, *, seed: int, purpose: Purpose, fingerprint: str) -> TrialSpec:
        training = TrainingSettings.model_validate(dict(self.training))
        return TrialSpec(
            dataset=self.dataset,
            dataset_fingerprint=fingerprint,
            backbone=_component(self.chosen_backbone.kind, _filled(BASELINES, self.chosen_backbone, {})),
            strategy=Component(BASELINE, {}, 1),
            steps=0,
            training=training,
            evaluation=self.evaluation,
            metric=self.search.metric,
            seed=seed,
            purpose=purpose,
            engine=engine_version(training, self.evaluation, "cpu"),
        )


def expand(suite: Suite) -> tuple[Cell, ...]:
    """All cells of a suite, in the order of the file: data sets, backbones, strategies, training sweeps, steps.

    A data set's baselines come before its backbones. Needs no plug-in: what a cell must know of its components is
    part of the suite.

    Returns:
        The cells.
    """
    return tuple(cell for dataset in suite.datasets for cell in (*_baselines(suite, dataset), *_models(suite, dataset)))


def once(cells: Iterable[Cell]) -> tuple[Cell, ...]:
    """The cells as they run: a row on its own backbone, compared on each of the suite's, once and named by its own."""
    rows: dict[tuple[str, str], Cell] = {}
    for cell in cells:
        rows.setdefault((cell.id, cell.row), replace(cell, backbone=cell.on or cell.backbone))
    return tuple(rows.values())


def _models(suite: Suite, dataset: str) -> Iterator[Cell]:
    for backbone in _backbones(suite):
        for row in _rows(suite):
            for steps in _steps(suite, row.variant):
                yield _cell(suite, dataset=dataset, backbone=backbone, row=row, steps=steps)


def traced(cells: Iterable[Cell], number: Callable[[str, str], int], ready: Collection[str]) -> tuple[Cell, ...]:
    """Cells whose traced users have their numbers in place of their ids.

    Args:
        number: gives a user's number, by data set and id.
        ready: names of the data sets that are prepared; cells of others stay as they are.
    """

    def of(cell: Cell) -> Cell:
        users = tuple(number(cell.dataset, str(user)) for user in cell.evaluation.trace_users)
        return replace(cell, evaluation=cell.evaluation.model_copy(update={"trace_users": users}))

    return tuple(of(cell) if cell.evaluation.trace_users and cell.dataset in ready else cell for cell in cells)


def check_precision(cells: Iterable[Cell], device: str) -> None:
    """Raise `InputError` for a precision that the device does not have: TF32 on a CPU, bf16 on most."""
    if device != "cpu":
        return
    precisions: set[Any] = set()
    for cell in cells:
        searched = cell.space.get("training.precision")
        precisions.update((searched.choices or ()) if searched is not None else (cell.training.get("precision"),))
    if "tf32" in precisions:
        raise InputError(
            "training.precision: tf32 needs a GPU, and this suite runs on the CPU. Use fp32 or bf16, or give the "
            "trials a GPU:  --gpu 1"
        )
    if "bf16" in precisions:
        from ..trial.precision import multiplies_bfloat16  # imports torch

        if not multiplies_bfloat16():
            raise InputError(
                "training.precision: this suite runs on the CPU, and this machine's cannot multiply bf16 (those with "
                "AMX can). Use fp32, or give the trials a GPU:  --gpu 1"
            )


def _baselines(suite: Suite, dataset: str) -> Iterator[Cell]:
    """One run each, as nothing in them is drawn."""
    longest = _longest(suite.training)
    masked = suite.evaluation.mask_history
    for name in suite.references:
        content = {"dataset": dataset, "reference": name, "masked": "history" if masked else 0}
        yield Cell(
            id=_id(content),
            dataset=dataset,
            backbone=name,
            strategy=BASELINE,
            row=BASELINE,
            against="",
            steps=0,
            space={},
            search=suite.search,
            seeds=suite.seeds[:1],
            unsupported=None,
            chosen_backbone=Chosen(name, {}),
            chosen_strategy=Chosen(BASELINE, {}),
            training={"max_len": longest, "packing": "none"},
            evaluation=EvaluationSettings(mask_history=masked),
        )


def _longest(training: Parameters) -> int:
    """The largest max_len that a model of the suite may have."""
    searched = training.searched.get("max_len")
    if searched is not None:
        return int(max(searched.choices or (searched.high,)))
    return int(max(training.swept["max_len"] if "max_len" in training.swept else (training.fixed["max_len"],)))


@dataclass(frozen=True)
class _Backbone:
    """A backbone with its swept values settled."""

    variant: Variant
    swept: Mapping[str, Any]


@dataclass(frozen=True)
class _Row:
    """A strategy and training, both with their swept values settled."""

    variant: Variant
    swept: Mapping[str, Any]
    training: Mapping[str, Any]
    against: str

    @property
    def label(self) -> str:
        return row_label(self.variant.name, {**self.swept, **_apart(self.training, self.swept)})


def _backbones(suite: Suite) -> Iterator[_Backbone]:
    for variant in suite.backbones:
        for swept in swept_values(variant.parameters):
            yield _Backbone(variant, swept)


def _rows(suite: Suite) -> Iterator[_Row]:
    """Every strategy, swept, under every swept training; compared with a row of the same training."""
    trainings = swept_values(suite.training)
    settled = [(variant, swept) for variant in suite.strategies for swept in swept_values(variant.parameters)]
    by_label = {row_label(variant.name, swept): (variant, swept) for variant, swept in settled}
    for variant, swept in settled:
        for training in trainings:
            other = by_label.get(variant.against)
            against = _Row(*other, training, "").label if other else ""
            yield _Row(variant, swept, training, against)


def _steps(suite: Suite, variant: Variant) -> tuple[int | None, ...]:
    if not variant.uses_steps:
        return (0,)
    return (None,) if isinstance(suite.steps, Space) else suite.steps


def _cell(suite: Suite, *, dataset: str, backbone: _Backbone, row: _Row, steps: int | None) -> Cell:
    own, own_search = row.variant.backbone, row.variant.backbone_search
    chosen = row.variant.on or backbone.variant
    searched = {**chosen.parameters.searched, **own_search}
    fixed = {**chosen.parameters.fixed, **({} if row.variant.on else backbone.swept), **own}
    space = {
        **_dotted("backbone", {name: space for name, space in searched.items() if name not in own}),
        **_dotted("strategy", row.variant.parameters.searched),
        **_dotted("training", suite.training.searched),
        **({"steps": suite.steps} if steps is None and isinstance(suite.steps, Space) else {}),
    }
    chosen_backbone = Chosen(chosen.kind, {name: value for name, value in fixed.items() if name not in own_search})
    chosen_strategy = Chosen(row.variant.kind, {**row.variant.parameters.fixed, **row.swept})
    training = {**suite.training.fixed, **row.training}
    content = {
        "dataset": dataset,
        "backbone": [chosen_backbone.kind, chosen_backbone.fixed],
        "strategy": [chosen_strategy.kind, chosen_strategy.fixed],
        "steps": steps,
        "training": TrainingSettings.without_added(training),
        "space": {name: searched.model_dump(mode="json") for name, searched in space.items()},
        "metric": suite.search.metric,
        "mask_history": suite.evaluation.mask_history,
    }
    return Cell(
        id=_id(content),
        dataset=dataset,
        backbone=row_label(backbone.variant.name, backbone.swept),
        strategy=row.variant.name,
        row=row.label,
        against=row.against,
        steps=steps,
        space=space,
        search=suite.search,
        seeds=suite.seeds,
        unsupported=_unsupported(chosen, training, space),
        chosen_backbone=chosen_backbone,
        chosen_strategy=chosen_strategy,
        training=training,
        evaluation=suite.evaluation,
        text_based=chosen.text_based,
        on=row.variant.on.name if row.variant.on else "",
    )


def _id(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(content).encode()).hexdigest()[:12]


def _dotted(prefix: str, searched: Mapping[str, Space]) -> dict[str, Space]:
    return {f"{prefix}.{name}": space for name, space in searched.items()}


def _under(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(f"{prefix}."): value for name, value in values.items() if name.startswith(f"{prefix}.")}


def _apart(training: Mapping[str, Any], swept: Mapping[str, Any]) -> dict[str, Any]:
    """Swept training settings as a label shows them: with their section where the strategy sweeps one of that name."""
    return {f"training.{name}" if name in swept else name: value for name, value in training.items()}


def _unsupported(variant: Variant, training: Mapping[str, Any], space: Mapping[str, Space]) -> str | None:
    """Why the backbone cannot run with the cell's packing, or with one that the search may choose."""
    searched = space.get("training.packing")
    packings = searched.choices if searched is not None else (training["packing"],)
    return next((variant.unsupported[packing] for packing in packings if packing in variant.unsupported), None)


def _filled(registry: Registry, chosen: Chosen, values: Mapping[str, Any]) -> Any:
    """The settings of a component, those that nothing fixes at their defaults."""
    return registry.settings(chosen.kind).model_validate({**chosen.fixed, **values})


def _component(kind: str, settings: Settings) -> Component:
    return Component(kind=kind, settings=settings.identity(), version=settings.version)


def _packed(training: TrainingSettings, *, causal: bool) -> TrainingSettings:
    """Replace `packing: auto` by its meaning for this backbone, so that the trial's key covers it."""
    if training.packing != "auto":
        return training
    return training.model_copy(update={"packing": "users" if causal else "none"})
