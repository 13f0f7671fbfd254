"""Vectors of texts by a language model: the mean of its last layer's states, then principal components.

A text's vector is the mean of the states of its tokens; the paper's text-based backbones start from such vectors of
Llama-3.1-8B. Special tokens that the tokenizer adds by itself ([CLS] and [SEP] of BERT, the begin-of-text of Llama) are
tokens of the text and count; padding does not. Texts that are the same are encoded once, and so is the empty text,
whose vector is that of all items without text: the mean over the special tokens, or zero where there are none.

Batches hold texts of about the same length and are the same in every run, so that a run that was interrupted gives, on
the CPU and with the same number of threads, the bytes of one that was not.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....._version import VERSION
from ....utils import files as atomic
from ....utils.errors import DatasetError, InputError, RearecError
from ....utils.meter import Meter
from .loading import LanguageModel, load, out_of_memory, place
from .options import BATCH_TOKENS, MAX_TOKENS, Options
from .parts import Parts
from .pca import project
from .tokens import Tokens, batches, tokenise

_SAVE_S = 20.0  # of work that an interruption may cost
_VERSION = 1  # of what is computed; raised when the numbers change
_FOLDER = "embedding-"


def encode(
    texts: NDArray[np.object_], width: int, *, model: str, options: Options, folder: Path, meter: Meter | None = None
) -> tuple[NDArray[np.float32], Mapping[str, Any]]:
    """Make vectors.

    Args:
        texts: (N,) text of each item, "" where it has none.
        width: m, or more than the model's states or the items allow.
        model: a name on the hub, or a folder.
        options: how texts are read.
        folder: of the data set; what is done so far lies in a folder below it until the work is finished.
        meter: is told how far the work is.

    Returns:
        (N, m) values and facts for the card.

    Raises:
        InputError: a model that cannot be loaded, or options that it cannot follow.
        DatasetError: no item has a text, or all have the same.
        RearecError: out of memory, a disk that is full, a model whose states are not finite.
    """
    if not (texts != "").any():
        raise DatasetError(f"none of the {len(texts):,} items has a text.")
    if meter is not None:
        meter.say(f"loading {model}")
    try:
        loaded = load(model, device=options.device)
    finally:
        if meter is not None:
            meter.end()
    different, places, counts = _different(texts)
    allowed = _max_tokens(loaded, options.max_tokens)
    tokens = tokenise(different, loaded.tokenizer, allowed)
    _refuse_foreign_tokens(loaded, tokens)
    budget = options.batch_tokens or BATCH_TOKENS[loaded.device]
    parts = _parts(folder, loaded, different, tokens, budget)
    vectors = _means(loaded, tokens, budget, parts=parts, meter=meter)
    facts: dict[str, Any] = {
        "model": {
            "name": loaded.name,
            "class": type(loaded.network).__name__,
            "identity": loaded.identity,
            "revision": loaded.revision,
            "hidden_size": loaded.width,
        },
        "device": loaded.device,
        "precision": loaded.precision,
        "max_tokens_wanted": options.max_tokens or MAX_TOKENS,
        "max_tokens": allowed,
        "batch_tokens": budget,
        "tokens": len(tokens.ids),
        "different_texts": len(different),
        "different_texts_cut": tokens.cut,
        "texts_without_tokens": int(counts[tokens.lengths == 0].sum()),
        "versions": {
            "rearec-bench": VERSION,
            **{name: version(name) for name in ("transformers", "tokenizers", "torch", "numpy")},
        },
    }
    if loaded.width > width:
        projected = project(vectors, counts, width)
        vectors = projected.values
        facts |= {"pca": True, "explained_variance": round(projected.explained, 4)}
    else:
        facts |= {"pca": False}
    parts.remove()
    return vectors[places], facts


def _different(texts: NDArray[np.object_]) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
    """The different texts in order of appearance, which of them each item has, and how many items have each."""
    numbers: dict[str, int] = {}
    places = np.array([numbers.setdefault(text, len(numbers)) for text in texts], dtype=np.int64)
    return list(numbers), places, np.bincount(places).astype(np.int64)


def _max_tokens(model: LanguageModel, wanted: int | None) -> int:
    allowed = MAX_TOKENS if wanted is None else wanted
    if model.positions is not None:
        allowed = min(allowed, model.positions)
    special = model.tokenizer.num_special_tokens_to_add()
    if allowed <= special:
        raise InputError(
            f"--max-tokens {allowed} leaves no room for a text: {model.name} adds {special} special tokens."
        )
    return allowed


def _refuse_foreign_tokens(model: LanguageModel, tokens: Tokens) -> None:
    table = model.network.get_input_embeddings()  # type: ignore[operator]
    known, highest = table.num_embeddings, int(tokens.ids.max(initial=0))
    if highest >= known:
        raise InputError(
            f"the tokenizer of {model.name} is not its own: it gives token {highest:,}, the model knows {known:,}."
        )


def _parts(folder: Path, model: LanguageModel, texts: list[str], tokens: Tokens, budget: int) -> Parts:
    """Where the work is kept: a folder named by everything that can move a state, and by nothing else.

    The first hash covers the texts, the second model, device, batches and token ids; work on texts that the data set
    no longer has is removed.
    """
    said = hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:16]
    facts = [_VERSION, model.identity, model.device, model.precision, model.filler, budget]
    versions = [version(name) for name in ("transformers", "torch")]
    atomic.clean(folder)
    digest = hashlib.sha256(json.dumps([*facts, *versions]).encode())
    for values in (tokens.starts, tokens.ids):
        digest.update(values.data)
    for stale in folder.glob(f"{_FOLDER}*"):
        if not stale.name.startswith(f"{_FOLDER}{said}-"):
            Parts(stale).remove()
    return Parts(folder / f"{_FOLDER}{said}-{digest.hexdigest()[:32]}")


def _means(
    model: LanguageModel, tokens: Tokens, budget: int, *, parts: Parts, meter: Meter | None
) -> NDArray[np.float32]:
    """(n, h): the mean state of each text, zero of one without tokens; goes on where an earlier run stopped."""
    groups = batches(tokens.lengths, budget)
    order = np.concatenate(groups) if groups else np.empty(0, dtype=np.int64)
    work = np.concatenate([[0], np.cumsum(tokens.lengths[order])])  # tokens before each text
    vectors = np.zeros((len(tokens.lengths), model.width), dtype=np.float32)
    stored = 0
    for values in parts.read():
        vectors[order[stored : stored + len(values)]] = values
        stored += len(values)
    left = groups[int(np.searchsorted(np.cumsum([len(group) for group in groups]), stored, side="right")) :]
    if meter is not None:
        meter.begin("embedding", total=int(work[-1]), noun="tokens", done=int(work[stored]))
    try:
        for values in _saved((_mean_states(model, tokens, group) for group in left), parts, stored):
            vectors[order[stored : stored + len(values)]] = values
            stored += len(values)
            if meter is not None:
                meter.reach(int(work[stored]))
    finally:
        if meter is not None:
            meter.end()
    return vectors


def _saved(made: Iterator[NDArray[np.float32]], parts: Parts, stored: int) -> Iterator[NDArray[np.float32]]:
    """Pass batches on, and store what has been made every few seconds."""
    waiting: list[NDArray[np.float32]] = []
    since = time.monotonic()
    for values in made:
        waiting.append(values)
        if time.monotonic() - since >= _SAVE_S:
            rows = np.concatenate(waiting)
            parts.write(stored, rows)
            stored, waiting, since = stored + len(rows), [], time.monotonic()
        yield values


def _mean_states(model: LanguageModel, tokens: Tokens, group: NDArray[np.int64]) -> NDArray[np.float32]:
    """The (B, h) mean states of a batch of texts."""
    import torch

    held, seen = tokens.padded(group, model.filler)
    try:
        with torch.inference_mode():
            ids, mask = torch.from_numpy(held).to(model.device), torch.from_numpy(seen).to(model.device)  # (B, L)
            states = model.network(input_ids=ids, attention_mask=mask).last_hidden_state  # (B, L, h)
            total = (states.float() * mask[..., None]).sum(1)  # (B, h)
            means = (total / mask.sum(1, keepdim=True)).cpu().numpy()
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        size = " x ".join(map(str, held.shape))
        raise RearecError(
            f"the memory of the {place(model.device)} does not hold a batch of {size} tokens. What is done is kept. "
            f"Type the same with fewer of them:  --batch-tokens {max(held.size // 4, 1)}   or, of each text:  "
            f"--max-tokens {max(held.shape[1] // 2, 1)}"
        ) from error
    if not np.isfinite(means).all():
        raise RearecError(f"{model.name} gives states that are NaN or infinite in {model.precision}.")
    return means
