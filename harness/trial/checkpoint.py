"""A trial under way as files: what it is as JSON, its weights and everything else as safetensors; no pickle.

    checkpoint.json      what it is: spec, sizes, epoch, best epoch and its validation metrics, versions
    model.safetensors    the weights of the best epoch so far, by their names in the model
    resume.json          history and random states; where a tensor belongs, {"~tensor": NAME}
    resume.safetensors   those tensors: current weights, optimiser, random states

The first two are what stays of a finished trial. docs/checkpoints.md tells how to load them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from ..records.source import same_source, source_digest
from ..records.spec import TrialSpec
from ..utils.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

Buffer = bytes | memoryview

SCHEMA = 1
ABOUT, MODEL = "checkpoint.json", "model.safetensors"
KEPT = (ABOUT, MODEL)
_TREE, _TENSORS = "resume.json", "resume.safetensors"
FILES = (ABOUT, MODEL, _TREE, _TENSORS)


@dataclass(frozen=True)
class Checkpoint:
    """A trial between two of its batches.

    Attributes:
        about: what `checkpoint.json` says, as JSON values.
        weights: of the best epoch so far, by name; none before the first epoch has ended.
        state: a tree (mappings, lists, numbers, words, tensors) from which the trial goes on.
    """

    about: Mapping[str, Any]
    weights: Mapping[str, Any]
    state: Mapping[str, Any]


def pack(checkpoint: Checkpoint) -> dict[str, Iterable[Buffer]]:
    """The files of a checkpoint, by name, each as the pieces that it is made of.

    The pieces are the trial's own memory wherever they can be: they are to be used up before it goes on.

    Raises:
        TypeError: the state holds what is neither number, word, tensor, list nor mapping.
    """
    import torch

    weights = {name: value for name, value in checkpoint.weights.items() if isinstance(value, torch.Tensor)}
    others = {name: value for name, value in checkpoint.weights.items() if name not in weights}
    tensors: dict[str, Tensor] = {}
    tree = {"state": _encoded(checkpoint.state, "", tensors), "others": _encoded(others, "others", tensors)}
    return {
        ABOUT: [_json({"schema": SCHEMA, **checkpoint.about}, indent=1)],
        MODEL: _safetensors(weights),
        _TREE: [_json(tree)],
        _TENSORS: _safetensors(tensors),
    }


def unpack(files: Mapping[str, bytes]) -> Checkpoint:
    """The inverse of `pack`; tensors are on the CPU.

    Raises:
        CheckpointError: content that no `pack` of this schema made.
    """
    from safetensors import SafetensorError

    try:
        about = json.loads(files[ABOUT])
        if about["schema"] != SCHEMA:
            raise CheckpointError(f"it has schema version {about['schema']}, and this version reads {SCHEMA}")
        tree = json.loads(files[_TREE])
        tensors = _loaded(files[_TENSORS])
        weights = {**_loaded(files[MODEL]), **_decoded(tree["others"], tensors)}
        return Checkpoint(about, weights, _decoded(tree["state"], tensors))
    except (KeyError, TypeError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"it is damaged ({type(error).__name__}: {error})") from error


def versions(spec: TrialSpec) -> dict[str, str]:
    """What must be the same for a trial to go on with the same numbers."""
    import torch

    return {
        "key": spec.key,
        "source_digest": source_digest(spec.backbone.kind, spec.strategy.kind),
        "torch": str(torch.__version__),
    }


def check(checkpoint: Checkpoint, spec: TrialSpec) -> None:
    """Refuse what would not go on as the trial would have.

    Raises:
        CheckpointError: it is another trial's, or was made by another version of the source or of torch.
    """
    words = {"key": "trial", "source_digest": "version of the source", "torch": "version of torch"}
    for name, wanted in versions(spec).items():
        found = checkpoint.about.get(name)
        same = name == "source_digest" and same_source(str(found), spec.backbone.kind, spec.strategy.kind)
        if found != wanted and not same:
            raise CheckpointError(f"it was made by another {words[name]} ({found}, and this is {wanted})")


def _encoded(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """A tree as JSON values; its tensors are put aside under the path that leads to them."""
    import torch

    if isinstance(value, torch.Tensor):
        tensors[name] = value
        return {"~tensor": name}
    if isinstance(value, Mapping):
        held = [(key, _encoded(inner, f"{name}.{key}", tensors)) for key, inner in value.items()]
        if all(isinstance(key, str) and not key.startswith("~") for key, _ in held):
            return dict(held)
        return {"~pairs": [[_encoded(key, name, tensors), inner] for key, inner in held]}
    if isinstance(value, list | tuple):
        return [_encoded(inner, f"{name}.{place}", tensors) for place, inner in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        return {"~float": str(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{name.strip('.') or 'the state'} is {type(value).__name__}, which is neither JSON nor a tensor")


def _decoded(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The inverse of `_encoded`; tuples come back as lists."""
    if isinstance(value, list):
        return [_decoded(inner, tensors) for inner in value]
    if not isinstance(value, dict):
        return value
    if "~tensor" in value:
        return tensors[value["~tensor"]]
    if "~float" in value:
        return float(value["~float"])
    if "~pairs" in value:
        return {_decoded(key, tensors): _decoded(inner, tensors) for key, inner in value["~pairs"]}
    return {key: _decoded(inner, tensors) for key, inner in value.items()}


def _json(value: Any, *, indent: int | None = None) -> bytes:
    return (json.dumps(value, indent=indent, allow_nan=False) + "\n").encode()


_NAMES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
}


def _safetensors(tensors: Mapping[str, Tensor]) -> Iterable[Buffer]:
    """A file in the format of safetensors, piece by piece: the library's own writer makes copies of everything.

    Its header is the length of what follows (8 bytes, little-endian), then JSON: name to dtype, shape and place; then
    the tensors' bytes. Source: https://github.com/huggingface/safetensors, "Format".

    Raises:
        TypeError: a tensor of a type that the format does not have, or that is not dense.
    """
    header: dict[str, Any] = {}
    end = 0
    for name, tensor in tensors.items():
        kind = str(tensor.dtype).removeprefix("torch.")
        if kind not in _NAMES or tensor.is_sparse:
            raise TypeError(f"{name} is a tensor of {kind}, which safetensors cannot hold")
        start, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": _NAMES[kind], "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # tensors start at a multiple of eight
    return chain([len(text).to_bytes(8, "little") + text], (_bytes_of(tensor) for tensor in tensors.values()))


def _bytes_of(tensor: Tensor) -> memoryview:
    """The memory of a tensor, copied only where it is not on the CPU or not in order."""
    import torch

    held = tensor.detach().cpu().contiguous().reshape(-1)
    return memoryview(held.view(torch.uint8).numpy().data) if held.numel() else memoryview(b"")


def _loaded(content: bytes) -> dict[str, Tensor]:
    from safetensors.torch import load

    return {name: tensor.clone() for name, tensor in load(content).items()}  # in memory that torch has aligned
