"""Full ranking in the plain way, all scores of all rows at once: what the streamed one must equal."""

from __future__ import annotations

import torch
from torch import Tensor


def dense_ranks(scores: Tensor, targets: Tensor) -> Tensor:
    """(r, S, N) and (r,) to (r, S): 1 + the number of other items scored at least as high as the target."""
    own = scores.gather(-1, targets[:, None, None].expand(-1, scores.shape[1], 1))
    beaten = (scores >= own).sum(-1)  # the target counts itself: 1 + others; NaN counts nothing
    return torch.where(own[..., 0].isnan(), scores.shape[-1], beaten).to(torch.int32)


def hide_histories(scores: Tensor, histories: Tensor, targets: Tensor) -> None:
    """Put the items of (r, L) histories last in (r, S, N) scores; (r,) targets keep theirs. N stands for padding."""
    count = scores.shape[-1]
    hidden = torch.zeros(len(scores), count + 1, dtype=torch.bool)
    hidden.scatter_(1, histories, True)
    hidden.scatter_(1, targets[:, None], False)
    scores.masked_fill_(hidden[:, None, :count], float("-inf"))


def dense_entropy(scores: Tensor) -> Tensor:
    """Entropy in nats of softmax(scores) over the last axis."""
    log_p = scores.log_softmax(-1)
    return -(log_p.exp() * log_p.clamp_min(-1e30)).sum(-1)
