"""Principal components against a singular value decomposition, and batches of texts; needs no language model."""

from __future__ import annotations

import numpy as np
import pytest

from rearec_bench.harness.datasets.vectors.encoders.language_model import batches
from rearec_bench.harness.datasets.vectors.encoders.pca import project
from rearec_bench.harness.utils.errors import DatasetError


def components(raw: np.ndarray, width: int) -> np.ndarray:
    """(h, m) leading right singular vectors of the centred rows, the largest entry of each positive."""
    centred = raw.astype(np.float64) - raw.mean(axis=0, dtype=np.float64)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:width].T
    return axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(width)])


def vectors_of(count: int, width: int) -> np.ndarray:
    return (np.random.default_rng(0).normal(size=(count, width)) * np.arange(1, width + 1) + 3).astype(np.float32)


@pytest.mark.parametrize("count", [50, 5000])
def test_the_components_are_those_of_a_singular_value_decomposition(count: int) -> None:
    vectors, counts = vectors_of(count, 12), np.arange(count) % 3 + 1
    values, explained = project(vectors, counts, 5)
    items = np.repeat(vectors, counts, axis=0)  # a vector counts as often as items have it
    centred = items - items.mean(axis=0, dtype=np.float64)
    assert values.dtype == np.float32
    assert np.allclose(np.repeat(values, counts, axis=0), centred @ components(items, 5), atol=1e-3)
    scale = np.linalg.svd(centred, compute_uv=False) ** 2
    assert explained == pytest.approx(scale[:5].sum() / scale.sum(), abs=1e-6)


def test_few_vectors_allow_few_components() -> None:
    values, explained = project(vectors_of(3, 12), np.array([1, 2, 1]), 8)
    assert values.shape == (3, 2)
    assert explained == pytest.approx(1)
    with pytest.raises(DatasetError, match="all 4 items have the same vector"):
        project(vectors_of(1, 12), np.array([4]), 8)


def test_batches_hold_all_texts_once_longest_first_within_the_budget() -> None:
    lengths = np.random.default_rng(0).integers(0, 30, size=200)
    lengths[7] = 90
    groups = batches(lengths, 64)
    assert sorted(np.concatenate(groups)) == np.flatnonzero(lengths).tolist()
    assert groups[0].tolist() == [7], "longer than the budget: a batch of its own"
    assert all(len(group) * lengths[group].max() <= 64 for group in groups[1:])
    assert (np.diff(lengths[np.concatenate(groups)]) <= 0).all()
    assert len(groups) < 64
