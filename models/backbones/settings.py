"""Settings of the built-in backbones; imports no torch."""

from __future__ import annotations

from pydantic import model_validator

from ..settings import BackboneSettings, param

_RELEASED = "released code"


class SASRecSettings(BackboneSettings):
    """SASRec (Kang and McAuley 2018) in the shape of the released ReaRec code: post-norm, GELU."""

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

    @model_validator(mode="after")
    def _heads_divide_width(self) -> SASRecSettings:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self
