"""The training losses of all strategies as functions of tensors, bounded in memory over rows and catalogue.

Shapes: R rows, T states per row (K + 1), d width, N items, K reasoning steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .softmax import CatalogueLoss, ContrastiveLoss, Divergence


@dataclass(frozen=True)
class CatalogueTerms:
    """A catalogue loss and what it is made of, each a scalar tensor and a mean over rows.

    Attributes:
        total: what is minimised; carries the gradient.
        cross_entropy: the weighted sum of the cross-entropies, detached.
        kl: the unweighted sum of the KL terms whose weight is not zero, detached.
    """

    total: Tensor
    cross_entropy: Tensor
    kl: Tensor


def catalogue_loss(
    states: Tensor,
    items: Tensor,
    targets: Tensor,
    *,
    temperatures: Sequence[float],
    ce_weights: Sequence[float],
    kl_weights: Sequence[Sequence[float]] | None = None,
    kl_gradient: Literal["both", "first"] = "both",
    _rows_per_chunk: int | None = None,
) -> CatalogueTerms:
    """Cross-entropies of several states per row on the whole catalogue, and KL terms between their distributions.

    The total is the mean over rows of sum_k c_k CE(p_k, target) + sum_ij w_ij KL(p_i || p_j), with
    p_k = softmax(states_k . items / temperature_k). Finite wherever the logits are.

    Args:
        states: (R, T, d), queries of each row's states.
        items: (N, d), item vectors.
        targets: (R,) int64, index of each row's next item.
        temperatures: T positive numbers.
        ce_weights: T numbers c_k; 0 leaves a state without cross-entropy.
        kl_weights: (T, T) numbers w_ij; negative ones maximise the divergence. None for no KL term.
        kl_gradient: "first" treats log p_j as a constant in KL(p_i || p_j).
        _rows_per_chunk: for tests; chosen from the working memory otherwise.

    Returns:
        the total, with gradients to states and items, and its parts.

    Raises:
        ValueError: the shapes do not fit, there is no row, a temperature is not positive, or every weight is zero.

    Source:
        arXiv 2503.22675, eq. 5 to 9.
    """
    rows, count, _ = states.shape
    if rows == 0 or targets.shape != (rows,):
        raise ValueError(f"{rows} rows of states and targets of shape {tuple(targets.shape)}")
    if len(temperatures) != count or len(ce_weights) != count or min(temperatures) <= 0:
        raise ValueError(f"{count} states need as many positive temperatures and weights of cross-entropy")
    pairs = [[0.0] * count] * count if kl_weights is None else kl_weights
    if len(pairs) != count or any(len(row) != count for row in pairs):
        raise ValueError(f"{count} states need {count} x {count} KL weights")

    in_kl = [any(pairs[i][j] or pairs[j][i] for j in range(count) if j != i) for i in range(count)]
    paired = [k for k in range(count) if in_kl[k]]
    alone = [k for k in range(count) if not in_kl[k] and ce_weights[k]]
    if not paired and not alone:
        raise ValueError("every weight is zero: there is nothing to learn from")
    states, items = _prepare(states, items)
    parts = []
    for chosen in (paired, alone):
        if not chosen:
            continue
        divergence = None
        if chosen is paired:
            weights = states.new_tensor([[pairs[i][j] if i != j else 0.0 for j in chosen] for i in chosen])
            divergence = Divergence(weights, both=kl_gradient == "both")
        with _full_precision(items):
            parts.append(
                CatalogueLoss.apply(  # type: ignore[no-untyped-call]
                    states if len(chosen) == count else states[:, chosen],
                    items,
                    targets,
                    states.new_tensor([1.0 / temperatures[k] for k in chosen]),
                    states.new_tensor([ce_weights[k] for k in chosen]),
                    divergence,
                    _rows_per_chunk,
                )
            )
    total, cross_entropy, kl = (sum(terms[1:], start=terms[0]) for terms in zip(*parts, strict=True))
    return CatalogueTerms(total, cross_entropy, kl)


def info_nce(
    queries: Tensor,
    keys: Tensor,
    *,
    temperature: float,
    users: Tensor | None = None,
    _rows_per_chunk: int | None = None,
) -> Tensor:
    """Contrasts each noised state with the clean states of all rows at the same step.

    The mean over rows r of sum_k -log softmax_j(queries_rk . keys_jk / temperature)[r].

    Args:
        queries: (R, K, d), noised states.
        keys: (R, K, d), clean states.
        temperature: a positive number.
        users: (R,) integers; where given, other rows of the same user are no negatives.
        _rows_per_chunk: for tests; chosen from the working memory otherwise.

    Returns:
        a scalar, with gradients to queries and keys.

    Raises:
        ValueError: the shapes do not fit, there is no row, or the temperature is not positive.

    Source:
        arXiv 2503.22675, eq. 11.
    """
    if queries.shape != keys.shape or queries.shape[0] == 0 or temperature <= 0:
        raise ValueError(f"queries {tuple(queries.shape)}, keys {tuple(keys.shape)}, temperature {temperature}")
    if users is not None and users.shape != queries.shape[:1]:
        raise ValueError(f"{queries.shape[0]} rows and users of shape {tuple(users.shape)}")
    by_step = (tensor.transpose(0, 1).contiguous() for tensor in _prepare(queries, keys))  # (K, R, d)
    with _full_precision(keys):
        return ContrastiveLoss.apply(*by_step, users, temperature, _rows_per_chunk)  # type: ignore[no-untyped-call]


def _prepare(queries: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
    """One precision for both, at least float32; and no gradient work where none is recorded.

    (A function's forward pass sees what requires a gradient, not whether one is recorded.)
    """
    dtype = torch.promote_types(torch.promote_types(queries.dtype, items.dtype), torch.float32)
    queries, items = queries.to(dtype), items.to(dtype)
    return (queries, items) if torch.is_grad_enabled() else (queries.detach(), items.detach())


def _full_precision(tensor: Tensor) -> torch.autocast:
    """Logits are not taken in half precision, whatever surrounds the loss."""
    return torch.autocast(tensor.device.type, enabled=False)
