"""Settings of the built-in backbones; imports no torch."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from ..settings import BackboneSettings, param

_RELEASED = "released code"


class TransformerSettings(BackboneSettings):
    """Settings of the transformer that all built-in backbones share.

    Attributes:
        gated: layers have gates and SwiGLU, which cost operations.
        recurrent: a reasoning step is one more pass of a second stack of as many layers over all items (LARES).
    """

    gated: ClassVar[bool] = False
    recurrent: ClassVar[bool] = False

    width: int = param(
        64, "width of item vectors and states; 256 in the paper", symbol="d", source="section 4.1.4", ge=2
    )
    layers: int = param(2, "transformer layers", symbol="L", source=_RELEASED, ge=1)
    heads: int = param(2, "attention heads; must divide width", symbol="H", source=_RELEASED, ge=1)
    feed_forward: int = param(300, "width of the feed-forward layer", source=_RELEASED, ge=1)
    dropout: float = param(
        0.5, "dropout on attention weights and on each sublayer's output", source=_RELEASED, ge=0, lt=1
    )
    input_dropout: float = param(
        0.2, "dropout on item inputs and on each reasoning step's input", source=_RELEASED, ge=0, lt=1
    )
    score_temperature: float = param(
        1.0, "scores are divided by it in training and ranking; 0.07 in the released code", source=_RELEASED, gt=0
    )
    step_dropout: float | None = param(
        None,
        "dropout of the reasoning steps: on their inputs, attention weights and sublayers' outputs; null for the rates "
        "of the items, as in the released code",
        source=_RELEASED,
        ge=0,
        lt=1,
        added=True,
    )

    def resolve(self, *, steps: int) -> Self:
        """See `BackboneSettings.resolve`."""
        return self.model_copy(update={"step_dropout": None}) if steps == 0 else self

    @model_validator(mode="after")
    def _heads_divide_width(self) -> TransformerSettings:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self


class SASRecSettings(TransformerSettings):
    """SASRec (Kang and McAuley 2018) in the shape of the released ReaRec code: post-norm, GELU."""


_ESASREC = "eSASRec's code"


class ESASRecSettings(SASRecSettings):
    """eSASRec (Tikhonovich et al. 2025): SASRec with gated pre-norm layers (LiGR, SwiGLU), a strong base."""

    gated: ClassVar[bool] = True

    feed_forward: int = param(256, "width of the feed-forward layer; four times the width there", source=_ESASREC, ge=1)
    dropout: float = param(
        0.2,
        "dropout on attention weights, in the feed-forward layer and on sublayers' outputs",
        source=_ESASREC,
        ge=0,
        lt=1,
    )


_LARES = "LARES's code"


class LARESSettings(SASRecSettings):
    """LARES (Liu et al. 2025): pre-norm, a core of layers that refines the states of all items at each step."""

    recurrent: ClassVar[bool] = True

    layers: int = param(
        2,
        "layers of the pre-block, and as many of the core",
        symbol="n",
        source="arXiv 2505.16865; 1 in its code",
        ge=1,
    )
    feed_forward: int = param(256, "width of the feed-forward layer", source=_LARES, ge=1)
    input_dropout: float = param(0.5, "dropout on item inputs; steps have none on theirs", source=_LARES, ge=0, lt=1)
    scores: Literal["cosine", "dot"] = param(
        "cosine", "scores are cosines of states and items, or their dot products", source=_LARES
    )
    score_temperature: float = param(
        0.07, "scores are divided by it in training and ranking", symbol="tau", source=_LARES, gt=0
    )
    state_scale: float = param(
        3.0,
        "in training the states that the core's first pass starts from are truncated normal noise times this; 0 for "
        "zeros, as in ranking",
        symbol="omega",
        source=_LARES,
        ge=0,
    )


class BERT4RecSettings(TransformerSettings):
    """BERT4Rec's encoder (Sun et al. 2019): bidirectional over the history, trained on the next item (eq. 5)."""

    causal: ClassVar[bool] = False


_UNISREC = "UniSRec's code"
_MOREC = "MoRec's code"


class UniSRecSettings(TransformerSettings):
    """UniSRec (Hou et al. 2022): frozen text vectors, whitening, mixture of experts, cosine scores."""

    text_based: ClassVar[bool] = True

    experts: int = param(8, "experts of the adaptor", symbol="G", source=_UNISREC, ge=1)
    adaptor_dropout: float = param(0.2, "dropout on the text vectors before whitening", source=_UNISREC, ge=0, lt=1)
    item_ids: bool = param(False, "add item embeddings to the adapted vectors (UniSRec's transductive setting)")
    score_temperature: float = param(
        0.07, "cosine scores are divided by it in training and ranking", source=_UNISREC, gt=0
    )


class MoRecSettings(TransformerSettings):
    """MoRec (Yuan et al. 2023) on features extracted once: text vectors, a trained projection, SASRec on top."""

    text_based: ClassVar[bool] = True

    projection_layers: int = param(
        2, "layers of the projection from text vectors to items, each with GELU", source=_MOREC, ge=1
    )
    projection_dropout: float = param(
        0.1, "dropout before each of these layers but the first", source=_MOREC, ge=0, lt=1
    )
