"""Tiny language models with random weights and tokenizers of a few words, saved as folders; nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

NAMES = "amber basalt cedar dune ember fjord grove harbour island jasper kelp lagoon meadow nectar"
WORDS = NAMES.split()
UNKNOWN = "<unk>"
SPECIAL = (UNKNOWN, "<s>", "</s>", "[CLS]", "[SEP]", "[PAD]", "[MASK]")
HIDDEN = 16
POSITIONS = 40


def needs_transformers() -> Any:
    """The library, or a reason to skip: it is an optional extra."""
    return pytest.importorskip("transformers", reason="needs the extra `text`: pip install transformers")


def save(folder: Path, kind: str, *, seed: int = 0, hidden: int = HIDDEN, words: list[str] | None = None) -> Path:
    """Write a model (llama, bert, roberta, gpt2 or t5) and a tokenizer that knows the words."""
    import torch

    transformers = needs_transformers()
    known = [*SPECIAL, *(words or WORDS), "title", ":"]
    size = len(known)
    layers = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 2 * hidden}
    common = {"vocab_size": size, "hidden_size": hidden, "max_position_embeddings": POSITIONS}
    torch.manual_seed(seed)
    if kind == "llama":
        config = transformers.LlamaConfig(**common, **layers, num_key_value_heads=2, bos_token_id=1, eos_token_id=2)
        model = transformers.LlamaForCausalLM(config)
    elif kind in ("bert", "roberta"):
        name = {"bert": "Bert", "roberta": "Roberta"}[kind]
        config = getattr(transformers, f"{name}Config")(**common, **layers, pad_token_id=5)
        model = getattr(transformers, f"{name}ForMaskedLM")(config)
    elif kind == "gpt2":
        model = transformers.GPT2LMHeadModel(
            transformers.GPT2Config(vocab_size=size, n_embd=hidden, n_layer=2, n_head=2, n_positions=POSITIONS)
        )
    else:
        config = transformers.T5Config(
            vocab_size=size, d_model=hidden, d_ff=hidden, d_kv=8, num_layers=2, num_heads=2, decoder_start_token_id=5
        )
        model = transformers.T5ForConditionalGeneration(config)
    with torch.no_grad():
        for parameter in model.parameters():  # random initial weights are so small that all texts look alike
            parameter.add_(torch.randn_like(parameter) * 0.3)
    model.save_pretrained(folder)
    tokenizer(kind, known).save_pretrained(folder)
    return folder


def tokenizer(kind: str, known: list[str]) -> Any:
    """Words to ids, with the special tokens of each kind of model."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(known)}, unk_token=UNKNOWN))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    patterns = {"llama": "<s> $A", "bert": "[CLS] $A [SEP]", "roberta": "<s> $A </s>", "t5": "$A </s>"}
    if kind in patterns:
        made.post_processor = processors.TemplateProcessing(
            single=patterns[kind],
            special_tokens=[(word, known.index(word)) for word in patterns[kind].split() if "$" not in word],
        )
    padding = {"pad_token": "[PAD]"} if kind in ("bert", "roberta", "t5") else {}
    named = {"unk_token": UNKNOWN, "bos_token": "<s>", "eos_token": "</s>", **padding}
    return needs_transformers().PreTrainedTokenizerFast(tokenizer_object=made, **named)


def naive_states(folder: Path, texts: list[str], *, max_tokens: int | None = None) -> Any:
    """(n, h) in float64: one text at a time, without padding; zero where there is no token."""
    import numpy as np
    import torch

    transformers = needs_transformers()
    network = transformers.AutoModel.from_pretrained(folder).eval()
    network = network.encoder if network.config.is_encoder_decoder else network
    reader = transformers.AutoTokenizer.from_pretrained(folder)
    means = []
    for text in texts:
        ids = reader(text)["input_ids"]
        if max_tokens is not None and len(ids) > max_tokens:
            ids = reader(text, truncation=True, max_length=max_tokens)["input_ids"]
        with torch.no_grad():
            states = network(torch.tensor([ids]))[0][0] if ids else torch.zeros(1, network.config.hidden_size)
        means.append(states.double().mean(0).numpy())
    return np.stack(means)
