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
import io
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from .pca import project

MAX_TOKENS = 512
BATCH_TOKENS: Mapping[str, int] = {"cpu": 4096, "cuda": 16384}

_SAVE_S = 20.0  # of work that an interruption may cost
_TEXTS = 1000  # that are cut into tokens at once
_VERSION = 2  # of what is computed and stored; raised when either changes
_FOLDER = "embedding-"


@dataclass(frozen=True)
class Options:
    """How a language model reads texts.

    Attributes:
        max_tokens: a longer text is cut; None for the default. Never more than the model's own limit.
        batch_tokens: max tokens in a batch, padding included; None for the device's default.
        device: "cpu" (float32) or "cuda" (bfloat16); None for a GPU if there is one.
    """

    max_tokens: int | None = None
    batch_tokens: int | None = None
    device: str | None = None


def encode(
    texts: NDArray[np.object_], width: int, *, model: str, options: Options, folder: Path, meter: Meter | None = None
) -> tuple[NDArray[np.float32], Mapping[str, Any]]:
    """The (N, m) vectors of `texts` (N,), "" where an item has none, and facts for the card.

    `width` is m, or more than the model's states or the items allow. `model` is a name on the hub, or a folder.
    Finished batches are kept below `folder`, the data set's, until all are done.

    Raises:
        InputError: a model that cannot be loaded, or options that it cannot follow.
        DatasetError: no item has a text, or all have the same.
        RearecError: out of memory, a full disk, a model whose states are infinite or NaN.
    """
    if not (texts != "").any():
        raise DatasetError(f"none of the {len(texts):,} items has a text.")
    meter = meter or Meter(io.StringIO())
    meter.say(f"loading {model}")
    try:
        loaded = load(model, device=options.device)
    finally:
        meter.end()
    numbers: dict[str, int] = {}  # of the different texts, in order of appearance
    places = np.array([numbers.setdefault(text, len(numbers)) for text in texts], dtype=np.int64)
    counts = np.bincount(places).astype(np.int64)
    allowed = _max_tokens(loaded, options.max_tokens)
    tokens, cut = tokenise(list(numbers), loaded.tokenizer, allowed)
    budget = options.batch_tokens or BATCH_TOKENS[loaded.device]
    work = _work_folder(folder, loaded, list(numbers), tokens, budget)
    vectors = _means(loaded, tokens, budget, folder=work, meter=meter)
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
        "tokens": sum(map(len, tokens)),
        "different_texts": len(numbers),
        "different_texts_cut": cut,
        "texts_without_tokens": sum(int(count) for ids, count in zip(tokens, counts, strict=True) if not len(ids)),
        "versions": {
            "rearec-bench": VERSION,
            **{name: version(name) for name in ("transformers", "tokenizers", "torch", "numpy")},
        },
        "pca": loaded.width > width,
    }
    if facts["pca"]:
        vectors, explained = project(vectors, counts, width)
        facts["explained_variance"] = round(explained, 4)
    shutil.rmtree(work, ignore_errors=True)
    return vectors[places], facts


def tokenise(texts: Sequence[str], tokenizer: Any, max_tokens: int) -> tuple[list[NDArray[np.int32]], int]:
    """The token ids of each text, with the tokenizer's special tokens, and how many texts were cut to `max_tokens`."""

    def ids(chunk: list[str], **cutting: Any) -> list[list[int]]:
        encoded = tokenizer(chunk, padding=False, return_attention_mask=False, verbose=False, **cutting)
        return list(encoded["input_ids"])

    tokens: list[NDArray[np.int32]] = []
    cut = 0
    for first in range(0, len(texts), _TEXTS):
        chunk = list(texts[first : first + _TEXTS])
        cut += sum(len(whole) > max_tokens for whole in ids(chunk))
        tokens += [np.array(text, dtype=np.int32) for text in ids(chunk, truncation=True, max_length=max_tokens)]
    return tokens, cut


def batches(lengths: NDArray[np.int64], budget: int) -> list[NDArray[np.int64]]:
    """Indices of texts of about the same length, the longest first, so that a lack of memory shows at once.

    `lengths` (n,) are in tokens; texts without any are in no batch. `budget` is the max number of tokens of a batch,
    padding included; a longer text is a batch of its own.
    """
    order = np.argsort(-lengths, kind="stable")
    order = order[lengths[order] > 0]
    groups, first = [], 0
    while first < len(order):
        rows = max(budget // int(lengths[order[first]]), 1)
        groups.append(order[first : first + rows])
        first += rows
    return groups


def _max_tokens(model: LanguageModel, wanted: int | None) -> int:
    allowed = wanted or MAX_TOKENS
    if model.positions is not None:
        allowed = min(allowed, model.positions)
    special = model.tokenizer.num_special_tokens_to_add()
    if allowed <= special:
        raise InputError(
            f"--max-tokens {allowed} leaves no room for a text: {model.name} adds {special} special tokens."
        )
    return allowed


def _work_folder(
    folder: Path, model: LanguageModel, texts: list[str], tokens: list[NDArray[np.int32]], budget: int
) -> Path:
    """Where finished batches are kept: a folder named by everything that can change a state, and by nothing else.

    The first hash covers the texts, the second model, device, batches and token ids; work on outdated texts is removed.
    """
    start = f"{_FOLDER}{hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:16]}-"
    facts = [_VERSION, model.identity, model.device, model.precision, model.filler, budget]
    facts += [version("transformers"), version("torch"), [len(ids) for ids in tokens]]
    digest = hashlib.sha256(json.dumps(facts).encode())
    for ids in tokens:
        digest.update(ids.data)
    for old in folder.glob(f"{_FOLDER}*"):
        if not old.name.startswith(start):
            shutil.rmtree(old, ignore_errors=True)
    return folder / f"{start}{digest.hexdigest()[:32]}"


def _means(
    model: LanguageModel, tokens: list[NDArray[np.int32]], budget: int, *, folder: Path, meter: Meter
) -> NDArray[np.float32]:
    """(n, h): the mean state of each text, zero for one without tokens; continues what an earlier run stored."""
    lengths = np.array([len(ids) for ids in tokens], dtype=np.int64)
    groups = batches(lengths, budget)
    order = np.concatenate([np.empty(0, dtype=np.int64), *groups])
    vectors = np.zeros((len(tokens), model.width), dtype=np.float32)
    stored = 0
    while (part := _part(folder, stored)).is_file():
        values = np.load(part, allow_pickle=False)
        vectors[order[stored : stored + len(values)]] = values
        stored += len(values)
    work = np.concatenate([[0], np.cumsum(lengths[order])])  # tokens before each text
    meter.begin("embedding", total=int(work[-1]), noun="tokens", done=int(work[stored]))
    done, since = 0, time.monotonic()
    try:
        for group in groups:
            done += len(group)
            if done <= stored:
                continue
            vectors[group] = _mean_states(model, [tokens[text] for text in group])
            if time.monotonic() - since >= _SAVE_S:
                _save(_part(folder, stored), vectors[order[stored:done]])
                stored, since = done, time.monotonic()
            meter.reach(int(work[done]))
    finally:
        meter.end()
    return vectors


def _part(folder: Path, first: int) -> Path:
    """The file with the vectors from one on, in the order of the batches."""
    return folder / f"part-{first:010d}.npy"


def _save(path: Path, values: NDArray[np.float32]) -> None:
    content = io.BytesIO()
    np.save(content, values, allow_pickle=False)
    with atomic.writing(path.parent, RearecError):
        atomic.write_file(path, content.getvalue())


def _mean_states(model: LanguageModel, texts: list[NDArray[np.int32]]) -> NDArray[np.float32]:
    """The (B, h) mean states of a batch of texts, given as token ids."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    ids = pad_sequence([torch.from_numpy(text).long() for text in texts], batch_first=True, padding_value=model.filler)
    mask = pad_sequence([torch.ones(len(text), dtype=torch.int64) for text in texts], batch_first=True)  # (B, L)
    try:
        with torch.inference_mode():
            ids, mask = ids.to(model.device), mask.to(model.device)
            states = model.network(input_ids=ids, attention_mask=mask).last_hidden_state  # (B, L, h)
            total = (states.float() * mask[..., None]).sum(1)  # (B, h)
            means: NDArray[np.float32] = (total / mask.sum(1, keepdim=True)).cpu().numpy()
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        size = " x ".join(map(str, ids.shape))
        raise RearecError(
            f"the memory of the {place(model.device)} does not hold a batch of {size} tokens. What is done is kept. "
            f"Type the same with fewer of them:  --batch-tokens {max(ids.numel() // 4, 1)}   or, of each text:  "
            f"--max-tokens {max(ids.shape[1] // 2, 1)}"
        ) from error
    if not np.isfinite(means).all():
        raise RearecError(f"{model.name} gives states that are NaN or infinite in {model.precision}.")
    return means
