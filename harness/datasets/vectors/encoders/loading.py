"""A language model of the transformers library, from its hub or from a folder.

Loading is done by `from_pretrained` alone: `MODEL` is a name on the Hugging Face hub (downloaded once, then taken from
the cache) or a folder, which needs no network. Code that a model brings with itself is never run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....utils.errors import InputError

if TYPE_CHECKING:
    import torch

INSTALL = "pip install 'rearec-bench[text]'"

_UNUSED = "pooler"  # layers above the states, which many checkpoints lack and no mean of states needs
_VOLATILE = ("_name_or_path", "_commit_hash", "transformers_version", "dtype", "torch_dtype")
_GIB = 1024**3


@dataclass(frozen=True)
class LanguageModel:
    """A model that gives a state for each token.

    Attributes:
        name: its name on the hub, or that of its folder.
        network: maps `input_ids` and `attention_mask` to an output with `last_hidden_state`.
        device: "cpu" or "cuda".
        precision: "float32" or "bfloat16".
        width: h, of a state.
        positions: max tokens of a text; None if the model has no limit.
        filler: the id after a text's end, which no state sees.
        revision: the hub's commit; None for a folder.
        identity: 64 hexadecimal digits, a hash of its settings and weights.
    """

    name: str
    network: torch.nn.Module
    tokenizer: Any
    device: str
    precision: str
    width: int
    positions: int | None
    filler: int
    revision: str | None
    identity: str


def load(model: str, *, device: str | None = None) -> LanguageModel:
    """A causal, masked or encoder-type language model by its hub name or folder; of one with a decoder, its encoder.

    `device` is "cpu" (float32) or "cuda" (bfloat16); None for a GPU if there is one.

    Raises:
        InputError: transformers is not installed, no such model, no access, no network, no tokenizer, not enough
            memory, no GPU, or not a model of texts.
    """
    try:
        from transformers import AutoConfig, AutoModel, AutoTokenizer
        from transformers.utils.hub import cached_file, extract_commit_hash
    except ImportError as error:
        raise InputError(
            f"language models need the transformers library ({error}). Type:  {INSTALL}   (in a clone: "
            "pip install -c constraints.txt -e '.[text]')"
        ) from error
    import torch

    model = str(Path(model).expanduser()) if model.startswith("~") else model
    device = _device(device)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    with _quiet(), _loading(model, device):
        commit = extract_commit_hash(cached_file(model, "config.json"), None)
        config = AutoConfig.from_pretrained(model, revision=commit)
        _check_size(model, config, device, dtype)
        tokenizer = AutoTokenizer.from_pretrained(model, revision=commit)
        _check_tokenizer(model, tokenizer)
        whole, report = AutoModel.from_pretrained(model, revision=commit, dtype=dtype, output_loading_info=True)
        _check_weights(model, whole, report["missing_keys"])
        network = (whole.get_encoder() if config.is_encoder_decoder else whole).to(device).eval()
        network.config.use_cache = False
        width = _state_width(network, device)
    filler = next(token for token in (tokenizer.pad_token_id, tokenizer.eos_token_id, 0) if token is not None)
    return LanguageModel(
        name=Path(model).resolve().name if Path(model).is_dir() else model,
        network=network,
        tokenizer=tokenizer,
        device=device,
        precision=str(dtype).removeprefix("torch."),
        width=width,
        positions=_positions(network, tokenizer),
        filler=filler,
        revision=commit,
        identity=_identity(network, config),
    )


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception reports that memory is used up, of the machine or of its GPU."""
    import torch

    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "alloc" in str(error) and "memory" in str(error)
    )


def place(device: str) -> str:
    """The device as messages name it."""
    return "GPU" if device == "cuda" else "machine"


def _device(wanted: str | None) -> str:
    import torch

    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise InputError("there is no GPU that torch can use. Leave out --device, or --device cpu.")
    return wanted or ("cuda" if available else "cpu")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the library's own reports on loading."""
    from huggingface_hub.utils import logging as hub
    from transformers.utils import logging

    levels, bars = (hub.get_verbosity(), logging.get_verbosity()), logging.is_progress_bar_enabled()
    hub.set_verbosity_error()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        hub.set_verbosity(levels[0])
        logging.set_verbosity(levels[1])
        if bars:
            logging.enable_progress_bar()


@contextlib.contextmanager
def _loading(model: str, device: str) -> Iterator[None]:
    """The boundary to transformers, which raises nearly any exception for a model that it cannot load."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if out_of_memory(error):
            reason = f"it does not fit into the memory of the {place(device)}. Take a smaller model."
        else:
            reason = f"{type(error).__name__}: {' '.join(str(error).split()).rstrip('.')}."
        raise InputError(
            f"{model} cannot be loaded: {reason} A model is a name on huggingface.co, or a folder (written by "
            "`save_pretrained`, or by `hf download NAME --local-dir FOLDER` where there is a network)."
        ) from error


def _check_size(model: str, config: Any, device: str, dtype: torch.dtype) -> None:
    """Before the download: the system would kill a process that takes more memory than is free."""
    import torch
    from transformers import AutoModel

    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in AutoModel.from_config(config).parameters())
    needed, free = count * dtype.itemsize, _free_bytes(device)
    if free is not None and needed > free:
        other = "" if device == "cuda" else ", or a machine with a GPU, where it takes half of that"
        raise InputError(
            f"{model} has {count / 1e9:.1f} billion parameters and needs {needed / _GIB:.1f} GiB; the {place(device)} "
            f"has {free / _GIB:.1f} GiB free. Take a smaller model{other}."
        )


def _free_bytes(device: str) -> int | None:
    """Free memory; None if the system does not report it."""
    import torch

    if device == "cuda":
        return torch.cuda.mem_get_info()[0]
    report = Path("/proc/meminfo")
    lines = report.read_text(encoding="ascii").splitlines() if report.is_file() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _check_tokenizer(model: str, tokenizer: Any) -> None:
    """Without tokenizer files, transformers creates a tokenizer without vocabulary."""
    if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):
        raise InputError(f"{model} has no tokenizer: the files of one (tokenizer.json, or a vocabulary) are missing.")


def _check_weights(model: str, whole: torch.nn.Module, missing: set[str]) -> None:
    """Weights that the files lack would be random."""
    lacking = sorted(name for name in missing if _UNUSED not in name)
    if lacking:
        raise InputError(
            f"{model} lacks {len(lacking)} of the {len(whole.state_dict())} weights of a {type(whole).__name__} "
            f"({', '.join(lacking[:3])}{', ...' if len(lacking) > 3 else ''}): these are not the weights of such a "
            "language model."
        )


def _state_width(network: torch.nn.Module, device: str) -> int:
    """The width of a state, from a text of one token; settings do not always contain it."""
    import torch

    token = torch.zeros((1, 1), dtype=torch.int64, device=device)
    with torch.inference_mode():
        return int(network(input_ids=token, attention_mask=token + 1).last_hidden_state.shape[2])


def _positions(network: torch.nn.Module, tokenizer: Any) -> int | None:
    """The max tokens that the model's settings, its table of positions and its tokenizer allow."""
    import torch

    limits = [tokenizer.model_max_length, getattr(network.config, "max_position_embeddings", None)]
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.Embedding) and name.rpartition(".")[2] == "position_embeddings":
            before = 0 if module.padding_idx is None else module.padding_idx + 1  # RoBERTa counts from there
            limits.append(module.num_embeddings - before)
    return min((limit for limit in limits if isinstance(limit, int) and 0 < limit < 10**9), default=None)


def _identity(network: torch.nn.Module, config: Any) -> str:
    """A hash of settings and weights: the same model has it under any name."""
    import torch

    settings = {name: value for name, value in config.to_dict().items() if name not in _VOLATILE}
    digest = hashlib.sha256(json.dumps([type(network).__name__, settings], sort_keys=True, default=str).encode())
    for name, values in sorted(network.state_dict().items()):
        if _UNUSED not in name:
            digest.update(f"\n{name} {values.dtype} {tuple(values.shape)}\n".encode())
            digest.update(values.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
