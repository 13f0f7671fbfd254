"""Settings of the built-in strategies; imports no torch."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import model_validator

from ..settings import StrategySettings, param

Recipe = Literal["paper", "released", "recbole"]

_RECIPES_TEMPERATURE = "takes the recipe's: 0.07, but paper leaves it"


def _score_temperature(null: str = "leaves it") -> Any:
    what = f"overrides the backbone's score temperature for this row; null {null}"
    return param(None, what, source="released code (0.07)", gt=0)


class _Contrastive(StrategySettings):
    """Has rows of the batch as negatives, and a field `same_user_negatives`."""

    def resolve(self, *, packing: str) -> Self:
        """See `StrategySettings.resolve`."""
        if getattr(self, "same_user_negatives", "") != "auto":
            return self
        return self.model_copy(update={"same_user_negatives": "mask" if packing == "users" else "keep"})


class BaseSettings(StrategySettings):
    """No reasoning: the state of the last item, cross-entropy on the next item (eq. 5)."""

    uses_steps: ClassVar[bool] = False

    score_temperature: float | None = _score_temperature()


class NaiveSettings(StrategySettings):
    """The last state fed back K times without position embeddings; cross-entropy on the last state (section 4.3.2)."""

    score_temperature: float | None = _score_temperature()

    def scored_states(self, steps: int) -> int:
        """See `StrategySettings.scored_states`."""
        return 1


class RPESettings(NaiveSettings):
    """Naive plus reasoning position embeddings (eq. 4)."""


class _RecipeSettings(StrategySettings):
    """Fills what the suite leaves open with the recipe's own value, so that a resolved row shows it."""

    by_recipe: ClassVar[dict[str, dict[str, Any]]] = {}

    recipe: Recipe = param(
        "paper", "the paper's equations, what the authors' released code computes, or what ReaRec in RecBole 3.0 does"
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_from_recipe(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        chosen = cls.by_recipe.get(data.get("recipe", "paper"), {})
        return {**chosen, **{name: value for name, value in data.items() if value is not None or name not in chosen}}


class ERLSettings(_RecipeSettings):
    """Ensemble Reasoning Learning (section 3.2): every step supervised, KL between steps maximised."""

    by_recipe: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"kl_weight": 0.01},
        "released": {"kl_weight": 0.05, "score_temperature": 0.07},
        "recbole": {"kl_weight": 0.05, "score_temperature": 0.07},
    }

    kl_weight: float = param(
        None,
        "weight of the KL term; 0.01 by default, 0.05 in the other recipes",
        symbol="lambda",
        source="eq. 8",
        grid=(0.001, 0.005, 0.01, 0.05, 0.1),
        ge=0,
    )
    diversity: bool = param(
        True, "the KL term between steps; false is the paper's ablation (Figure 7)", source="eq. 7", added=True
    )
    score_temperature: float | None = _score_temperature(_RECIPES_TEMPERATURE)

    def scored_states(self, steps: int) -> int:
        """See `StrategySettings.scored_states`."""
        pooled = self.recipe != "paper"
        return pooled + (1 + steps if not pooled or (self.diversity and self.kl_weight) else 0)


class PRLSettings(_RecipeSettings, _Contrastive):
    """Progressive Reasoning Learning (section 3.3): annealed temperatures (PTA) and contrastive denoising (RCL)."""

    by_recipe: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"decay": 1.5, "noise_std": 0.1, "warmup_epochs": 0},
        "released": {"decay": 5.0, "noise_std": 0.01, "warmup_epochs": 2, "score_temperature": 0.07},
        "recbole": {"decay": 5.0, "noise_std": 0.01, "warmup_epochs": 0, "score_temperature": 0.07},
    }
    temperature: float = param(
        1.0,
        "base temperature; multiplies the score temperature",
        symbol="tau",
        source="eq. 9",
        grid=(0.05, 0.1, 0.5, 1.0, 2.0, 5.0),
        gt=0,
    )
    decay: float = param(
        None,
        "temperature decay rate: step k trains at tau * alpha^(K - k); 1.5 by default, 5 in the other recipes",
        symbol="alpha",
        source="eq. 9",
        grid=(1.0, 1.2, 1.5, 2.0, 5.0, 10.0),
        gt=0,
    )
    noise_std: float = param(
        None,
        "standard deviation of the noise on reasoning inputs; 0.1 by default (the paper's variance 0.01), 0.01 in the "
        "other recipes",
        symbol="sqrt(gamma)",
        source="eq. 10",
        ge=0,
    )
    contrastive: bool = param(
        True, "the contrastive term RCL; false is the paper's ablation (Figure 7)", source="eq. 11"
    )
    annealing: bool = param(
        True, "annealed temperatures PTA; false trains every step at tau, as decay 1 does", source="eq. 9", added=True
    )
    warmup_epochs: int = param(
        None, "epochs before the contrastive term starts; 0 by default, 2 in the released recipe", unit="epochs", ge=0
    )
    same_user_negatives: Literal["auto", "keep", "mask"] = param(
        "auto", "whether rows of the same user are negatives in RCL; auto: masked where users are packed, else kept"
    )
    contrastive_weight: float = param(
        1.0, "weight of RCL; 0 as contrastive: false", source="released code (cl_weight, 1)", ge=0, added=True
    )
    supervision_weight: float = param(
        1.0,
        "weight of the cross-entropies of the states before the last",
        source="released code (pl_weight, 1)",
        ge=0,
        added=True,
    )
    noise_masks: Literal["own", "shared"] = param(
        "own",
        "dropout masks of the noised view's steps: own, as in the released code; shared: those of the clean view, so "
        "that the noise alone parts the views",
        source="released code",
        added=True,
    )
    score_temperature: float | None = _score_temperature(_RECIPES_TEMPERATURE)

    @property
    def contrasts(self) -> bool:
        """Whether RCL is on, and with it the noised view (eq. 10)."""
        return self.contrastive and self.contrastive_weight > 0

    @property
    def passes_per_step(self) -> int:
        """See `StrategySettings.passes_per_step`."""
        return 1 + self.contrasts

    @property
    def encodings(self) -> int:
        """See `StrategySettings.encodings`."""
        return 1 + (self.contrasts and self.recipe != "paper")


_LARES = "arXiv 2505.16865"


class LARESSettings(_Contrastive):
    """LARES's first stage (Liu et al. 2025): steps drawn in training, states of one target and of one row aligned."""

    every_depth: ClassVar[bool] = True

    train_steps: float | None = param(
        None,
        "mean of the steps that a training batch draws (Poisson of a log-normal rate), below three times it; null for "
        "K. Ranking takes K steps",
        source=_LARES,
        ge=1,
    )
    trajectory_weight: float = param(
        0.2,
        "weight of the InfoNCE between the last states of two rows with the same target; 0 spares the second row",
        symbol="alpha",
        source=_LARES,
        ge=0,
    )
    step_weight: float = param(
        0.1,
        "weight of the InfoNCE between the last state and one drawn among all of the row",
        symbol="gamma",
        source=_LARES,
        ge=0,
    )
    contrastive_temperature: float = param(
        0.07, "cosines in both InfoNCE are divided by it", symbol="tau", source="LARES's code", gt=0
    )
    same_user_negatives: Literal["auto", "keep", "mask"] = param(
        "auto", "whether rows of the same user are negatives; auto: masked where users are packed, else kept"
    )
    score_temperature: float | None = _score_temperature()

    def scored_states(self, steps: int) -> int:
        """See `StrategySettings.scored_states`."""
        return 1

    @property
    def second_row(self) -> bool:
        """See `StrategySettings.second_row`."""
        return self.trajectory_weight > 0

    def training_steps(self, steps: int) -> float:
        """See `StrategySettings.training_steps`."""
        return steps if self.train_steps is None else self.train_steps


_PLR = "arXiv 2601.03153"


class PLRSettings(_Contrastive):
    """Parallel Latent Reasoning (Tang et al. 2026): several chains of steps side by side, mixed by a gate."""

    streams: int = param(2, "chains of steps from the same history", symbol="M", source=_PLR, ge=1)
    kl_weight: float = param(
        0.1, "weight of the mean KL divergence between the states of all streams", symbol="lambda", source=_PLR, ge=0
    )
    contrastive_weight: float = param(
        1.0, "weight of the InfoNCE between two computations with their own dropout", source=_PLR, ge=0
    )
    gate: bool = param(True, "streams are weighed by a gate; false: alike", source=_PLR)
    same_user_negatives: Literal["auto", "keep", "mask"] = param(
        "auto", "whether rows of the same user are negatives; auto: masked where users are packed, else kept"
    )
    score_temperature: float | None = _score_temperature()

    @property
    def encodings(self) -> int:
        """See `StrategySettings.encodings`."""
        return 1 + (self.contrastive_weight > 0)

    @property
    def passes_per_step(self) -> int:
        """See `StrategySettings.passes_per_step`."""
        return self.streams * self.encodings

    def scored_states(self, steps: int) -> int:
        """See `StrategySettings.scored_states`."""
        return 1 + self.streams * steps if self.kl_weight and self.streams * steps > 1 else 1


_MANCAR = "code of arXiv 2602.20093"


class ManCARSettings(StrategySettings):
    """ManCAR without its context (Yang et al. 2026): each step is taught by the last item's neighbours in training."""

    kl_weight: float = param(
        1.0, "weight of the KL divergence from the teacher to each step", symbol="lambda", source=_MANCAR, ge=0
    )
    neighbours: int = param(10, "most similar items of the last one that the teacher names", source=_MANCAR, ge=1)
    gamma: float = param(
        1.0, "width of the teacher of the last step; that of step k is K + 1 - k times it", source=_MANCAR, gt=0
    )
    rise: float = param(
        2.0, "step k is supervised at the score temperature times (k + 1) to this power", source=_MANCAR, ge=0
    )
    rescale: bool = param(True, "states are fed back at the mean length of the items' vectors", source=_MANCAR)
    score_temperature: float | None = _score_temperature()

    def scored_states(self, steps: int) -> int:
        """See `StrategySettings.scored_states`."""
        return (1 + steps) * (1 + (self.kl_weight > 0))
