"""Texts to vectors: against a dense recomputation, deterministic, and stored with the data set."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.datasets.data import files
from rearec_bench.harness.datasets.data.items import Items
from rearec_bench.harness.datasets.embed import embed
from rearec_bench.harness.datasets.recipe.recipe import OPENING
from rearec_bench.harness.datasets.vectors.encoders import tfidf
from rearec_bench.harness.datasets.vectors.encoders.language_model import Options
from rearec_bench.harness.datasets.vectors.vectors import ItemVectors, text_vectors
from rearec_bench.harness.utils.errors import DatasetError, InputError

from ..builders import error_of, prepare_sequences
from ..tiny_models import WORDS

PROGRAM = """
import sys
from pathlib import Path
from rearec_bench.harness.datasets import catalog
print(catalog.load_dataset("tiny", data_dir=Path("."), vectors=True).vectors.fingerprint)
"""


def texts_of(count: int, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    chosen = (" ".join(draw.choice(WORDS, size=draw.integers(2, 7))) for _ in range(count))
    return np.array([f"{OPENING}\ntitle: {words}" for words in chosen], dtype=object)


def encode(texts: np.ndarray, width: int = 768) -> ItemVectors:
    return text_vectors(*tfidf.encode(texts, width), texts, width=width)


def naive_weights(texts: list[str]) -> np.ndarray:
    """(1 + ln tf) * (ln((1 + n) / (1 + df)) + 1), rows of length one, words of all texts left out."""
    counted = [Counter(re.findall(r"\w+", text.lower())) for text in texts]
    documents = Counter(word for one in counted for word in one)
    words = sorted(word for word, count in documents.items() if count < len(texts))
    rarity = {word: math.log((1 + len(texts)) / (1 + documents[word])) + 1 for word in words}
    weights = np.array([[(1 + math.log(one[w])) * rarity[w] if one[w] else 0.0 for w in words] for one in counted])
    lengths = np.linalg.norm(weights, axis=1, keepdims=True)
    return weights / np.where(lengths > 0, lengths, 1)


def cosines(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float64) @ values.astype(np.float64).T


@pytest.mark.parametrize("width", [5, 768])
def test_the_cosines_are_those_of_the_weights_on_their_leading_components(width: int) -> None:
    texts = texts_of(40)
    weights = naive_weights(texts.tolist())
    vectors = encode(texts, width=width)
    kept = min(width, weights.shape[1] - 1)
    left, scale, _ = np.linalg.svd(weights, full_matrices=False)
    projected = left[:, :kept] * scale[:kept]
    explained = projected.var(axis=0).sum() / weights.var(axis=0).sum()
    projected /= np.linalg.norm(projected, axis=1, keepdims=True)
    assert vectors.values.shape == (40, kept)
    assert np.linalg.norm(vectors.values, axis=1) == pytest.approx(1)
    assert np.allclose(cosines(vectors.values), projected @ projected.T, atol=1e-4)
    assert vectors.card["explained_variance"] == pytest.approx(explained, abs=1e-3)


def test_the_card_says_how_the_vectors_were_made() -> None:
    card = encode(texts_of(30)).card
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    assert card["encoder"] == "tfidf-svd"
    assert card["template"] == "The item information is as follows:"
    assert (card["items"], card["items_without_text"], card["zero_vectors"]) == (30, 0, 0)
    assert (card["words"], card["width"], card["width_wanted"]) == (len(WORDS), len(WORDS) - 1, 768)
    assert {"scikit-learn", "scipy", "numpy", "rearec-bench"} == set(card["versions"])


def test_items_without_text_have_zeros_and_change_nothing_for_the_others() -> None:
    texts = texts_of(20)
    holes = np.insert(texts, [0, 7, 20], "")
    made, with_holes = encode(texts), encode(holes)
    assert (with_holes.values[[0, 8, 22]] == 0).all()
    assert np.delete(with_holes.values, [0, 8, 22], axis=0).tobytes() == made.values.tobytes()
    assert (with_holes.card["items_without_text"], with_holes.card["zero_vectors"]) == (3, 3)


def test_texts_that_say_the_same_twice_bring_no_empty_dimension() -> None:
    vectors = encode(
        np.array(["amber", "amber", "basalt", "basalt", "cedar", "cedar", "dune dune", "dune"], dtype=object)
    )
    assert vectors.values.shape == (8, 3)
    assert np.abs(vectors.values).max(axis=0).min() > 0.1


def test_a_text_of_words_that_all_have_gets_zeros() -> None:
    vectors = encode(np.array(["the amber", "the basalt", "the cedar dune", "the"], dtype=object))
    assert (vectors.values[3] == 0).all()
    assert (vectors.card["items_without_text"], vectors.card["zero_vectors"]) == (0, 1)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["same words", "words same", ""], "no word stands in some of the 2 texts and not in others"),
        (["", "", "one"], "1 of 3 items have a text; tfidf-svd needs two at least."),
        (["...", "!", "?"], "no word stands in some of the 3 texts"),
    ],
)
def test_texts_that_cannot_be_told_apart_are_refused(texts: list[str], message: str) -> None:
    assert message in error_of(encode, np.array(texts, dtype=object))


@pytest.mark.slow
@pytest.mark.parametrize("threads", ["1", "2"])
def test_another_process_with_any_number_of_threads_gives_the_same_bytes(threads: str, tmp_path: Path) -> None:
    here = catalog.load_dataset("tiny", data_dir=tmp_path, vectors=True).vectors
    assert here is not None
    environment = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, cwd=tmp_path, env=environment, check=True
    )
    assert done.stdout.strip() == here.fingerprint


def test_tiny_has_vectors_of_its_own_in_which_topics_lie_together(tmp_path: Path) -> None:
    data = catalog.load_dataset("tiny", data_dir=tmp_path, vectors=True)
    items = catalog.load_items("tiny", data_dir=tmp_path)
    assert data.vectors is not None
    assert items.titles is not None
    assert data.vectors.values.shape == (data.num_items, 80)
    assert np.abs(data.vectors.values[0, :4]) == pytest.approx([0, 0.433, 0.267, 0.185], abs=1e-3)
    assert catalog.load_dataset("tiny", data_dir=tmp_path).vectors is None
    topics = np.array([title.partition("(")[2] for title in items.titles])
    same = topics[:, None] == topics
    found = cosines(data.vectors.values)
    np.fill_diagonal(found, np.nan)
    assert np.nanmean(found[same]) > 5 * abs(np.nanmean(found[~same]))
    assert list(tmp_path.iterdir()) == []


# ---- with a prepared data set


def prepared(folder: Path, texts: np.ndarray | None = None) -> Path:
    """A data set from a sequence file; its items get texts, which such a file has none of."""
    lines = [f"u{user} " + " ".join(f"i{(user + step) % 9}" for step in range(8)) for user in range(9)]
    data_dir = prepare_sequences(folder, "\n".join(lines) + "\n")
    if texts is not None:
        rewrite(data_dir / "mine", texts)
    return data_dir


def rewrite(folder: Path, texts: np.ndarray) -> None:
    held = files.read_items(folder)
    files._write_items(folder / "items.parquet", Items(held.tokens, None, held.train_counts, texts))


def test_vectors_are_stored_with_the_data_set(tmp_path: Path) -> None:
    data_dir = prepared(tmp_path, texts_of(9))
    said = error_of(catalog.load_dataset, "mine", data_dir=data_dir, vectors=True)
    assert said == "mine has no item vectors. Type:  rearec-bench embed mine"
    assert not catalog.has_vectors("mine", data_dir)
    made = embed("mine", data_dir=data_dir, width=4)
    loaded = catalog.load_dataset("mine", data_dir=data_dir, vectors=True)
    assert loaded.vectors is not None
    assert loaded.vectors.values.tobytes() == made.values.tobytes() == encode(texts_of(9), width=4).values.tobytes()
    assert loaded.vectors.card == catalog.vectors_card("mine", data_dir=data_dir) == made.card
    assert made.card["dataset_fingerprint"] == loaded.fingerprint
    assert catalog.has_vectors("mine", data_dir)
    assert catalog.load_dataset("mine", data_dir=data_dir).vectors is None


def test_vectors_of_a_file_take_the_place_of_made_ones(tmp_path: Path) -> None:
    data_dir = prepared(tmp_path, texts_of(9))
    given = np.random.default_rng(0).normal(size=(9, 5))
    np.save(tmp_path / "own.npy", given)
    loaded = catalog.load_dataset("mine", data_dir=data_dir, vectors=tmp_path / "own.npy")
    assert loaded.vectors is not None
    assert not catalog.has_vectors("mine", data_dir), "a file may be loaded without storing it"
    embed("mine", data_dir=data_dir)
    embed("mine", data_dir=data_dir, encoder=f"file:{tmp_path / 'own.npy'}")
    loaded = catalog.load_dataset("mine", data_dir=data_dir, vectors=True)
    assert loaded.vectors is not None
    assert (loaded.vectors.values == given.astype(np.float32)).all()
    assert loaded.vectors.card["encoder"] == "file:own.npy"
    assert str(tmp_path) not in json.dumps(dict(loaded.vectors.card))


@pytest.mark.parametrize(
    ("name", "encoder", "options", "message"),
    [
        ("mine", "tfidf", {}, "unknown encoder 'tfidf'. Did you mean 'tfidf-svd'? Known: tfidf-svd, hf:MODEL, file:P"),
        ("mine", "hf:", {}, "unknown encoder 'hf:'."),
        ("mine", "file:own.npy", {"width": 8}, "a file have a width of their own."),
        ("mine", "file:own.npy", {}, "own.npy: no such file."),
        ("mine", "tfidf-svd", {}, "mine has no item texts. Prepare it again if its source has texts"),
        ("tiny", "tfidf-svd", {}, "tiny is embedded: its item vectors are made when a suite needs them."),
        ("nowhere", "tfidf-svd", {}, "nowhere is not prepared."),
        ("mine", "tfidf-svd", {"options": Options(max_tokens=3)}, "--max-tokens, --batch-tokens and --device are for"),
        ("mine", "file:a.npy", {"options": Options(device="cpu")}, "--max-tokens, --batch-tokens and --device are for"),
        ("mine", "hf:bert", {"missing": "zero"}, "--missing is for tables with an item_id column (.csv, .tsv, "),
        ("mine", "file:a.npy", {"missing": "error"}, "--missing is for tables with an item_id column"),
    ],
)
def test_what_cannot_be_embedded_is_refused(
    tmp_path: Path, name: str, encoder: str, options: dict[str, Any], message: str
) -> None:
    data_dir = prepared(tmp_path)
    with pytest.raises(InputError) as caught:
        embed(name, data_dir=data_dir, encoder=encoder, **options)
    assert message in str(caught.value)
    assert not catalog.has_vectors("mine", data_dir)


def test_preparing_again_keeps_vectors_that_are_still_right(tmp_path: Path) -> None:
    data_dir = prepared(tmp_path)
    np.save(tmp_path / "own.npy", np.ones((9, 2), np.float32))
    embed("mine", data_dir=data_dir, encoder=f"file:{tmp_path / 'own.npy'}")
    prepared(tmp_path)
    assert catalog.load_dataset("mine", data_dir=data_dir, vectors=True).vectors is not None
    rewrite(data_dir / "mine", texts_of(9))
    embed("mine", data_dir=data_dir)
    prepared(tmp_path)
    assert not catalog.has_vectors("mine", data_dir), "they were made from texts that are gone"


def test_vectors_of_another_content_are_refused(tmp_path: Path) -> None:
    data_dir = prepared(tmp_path, texts_of(9))
    embed("mine", data_dir=data_dir)
    file, other = data_dir / "mine/vectors.safetensors", data_dir / "other.safetensors"
    assert catalog.load_dataset("mine", data_dir=data_dir, vectors=file).vectors is not None
    fingerprint = catalog.card("mine", data_dir)["fingerprint"].encode()
    other.write_bytes(file.read_bytes().replace(fingerprint, b"0" * 64))
    file.write_bytes(other.read_bytes())
    for load, words in (
        (lambda: catalog.load_dataset("mine", data_dir=data_dir, vectors=True), "embed mine"),
        (lambda: catalog.vectors_card("mine", data_dir=data_dir), "embed mine"),
        (lambda: catalog.load_dataset("mine", data_dir=data_dir, vectors=other), r"another data set's items \(mine\)"),
        (lambda: embed("mine", data_dir=data_dir, encoder=f"file:{other}"), r"another data set's items \(mine\)"),
    ):
        with pytest.raises(DatasetError, match=words):
            load()
