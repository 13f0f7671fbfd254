"""An unfinished trial as files; nothing is unpickled beyond what torch's weights_only loader allows.

    checkpoint.json     what it is: spec, sizes, epoch, best epoch and its validation metrics, versions
    model.safetensors   the weights of the best epoch so far, by their names in the model
    resume.pt           for resuming: current weights, optimiser, random states, history (torch.save)

Of a finished trial the first two stay; docs/checkpoints.md describes how to load them. Schema 1 had resume.json
(a tree, with {"~tensor": NAME} where a tensor belongs) and resume.safetensors in place of resume.pt.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..records.source import same_source, source_digest
from ..records.spec import TrialSpec
from ..utils.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

SCHEMA = 2
READABLE = (1, 2)
"""Schema versions that this version reads."""

ABOUT, MODEL, RESUME = "checkpoint.json", "model.safetensors", "resume.pt"
KEPT = (ABOUT, MODEL)
_TREE, _TENSORS = "resume.json", "resume.safetensors"  # of schema 1


@dataclass(frozen=True)
class Checkpoint:
    """A trial between two of its batches.

    Attributes:
        about: the content of `checkpoint.json`, as JSON values.
        weights: of the best epoch so far, by name; none before the first epoch has ended.
        state: a tree (mappings, lists, numbers, strings, tensors) from which the trial resumes.
    """

    about: Mapping[str, Any]
    weights: Mapping[str, Any]
    state: Mapping[str, Any]


def pack(checkpoint: Checkpoint) -> dict[str, bytes]:
    """The files of a checkpoint, by name.

    Raises:
        TypeError: another type in the state, or a tensor in the weights that safetensors does not support.
    """
    import torch
    from safetensors.torch import save

    weights = {name: value for name, value in checkpoint.weights.items() if isinstance(value, torch.Tensor)}
    others = {name: value for name, value in checkpoint.weights.items() if name not in weights}
    resume = {"state": checkpoint.state, "others": others}
    _check_types(checkpoint.state, "")
    _check_types(others, "")
    buffer = io.BytesIO()
    torch.save(resume, buffer)
    try:
        model = save({name: _apart(tensor) for name, tensor in weights.items()})
    except (KeyError, RuntimeError, ValueError) as error:
        raise TypeError(f"safetensors cannot hold the weights ({error})") from error
    about = json.dumps({"schema": SCHEMA, **checkpoint.about}, indent=1, allow_nan=False) + "\n"
    return {ABOUT: about.encode(), MODEL: model, RESUME: buffer.getvalue()}


def unpack(files: Mapping[str, bytes]) -> Checkpoint:
    """The inverse of `pack`, with tensors on the CPU; `CheckpointError` for anything else."""
    import torch

    try:
        about = json.loads(files[ABOUT])
        if about["schema"] not in READABLE:
            raise CheckpointError(f"it has schema version {about['schema']}, and this version reads {SCHEMA}")
        if about["schema"] == 1:
            tensors = _loaded(files[_TENSORS])
            resume = _of_schema_1(json.loads(files[_TREE]), tensors)
        else:
            resume = torch.load(io.BytesIO(files[RESUME]), map_location="cpu", weights_only=True)
        return Checkpoint(about, {**_loaded(files[MODEL]), **resume["others"]}, resume["state"])
    except CheckpointError:
        raise
    except Exception as error:  # torch's reader raises many kinds, those of pickle among them
        raise CheckpointError(f"it is damaged ({type(error).__name__}: {error})") from error


def versions(spec: TrialSpec) -> dict[str, str]:
    """What must be the same for a trial to resume with the same numbers."""
    import torch

    return {
        "key": spec.key,
        "source_digest": source_digest(spec.backbone.kind, spec.strategy.kind),
        "torch": str(torch.__version__),
    }


def check(checkpoint: Checkpoint, spec: TrialSpec) -> None:
    """Raise `CheckpointError` unless the checkpoint is of this trial and was made by the same source and torch."""
    words = {"key": "trial", "source_digest": "version of the source", "torch": "version of torch"}
    for name, wanted in versions(spec).items():
        found = checkpoint.about.get(name)
        same = name == "source_digest" and same_source(str(found), spec.backbone.kind, spec.strategy.kind)
        if found != wanted and not same:
            raise CheckpointError(f"it was made by another {words[name]} ({found}, and this is {wanted})")


def _check_types(value: Any, name: str) -> None:
    """Refuse types that could be written but not read."""
    import torch

    if isinstance(value, Mapping):
        for key, inner in value.items():
            _check_types(inner, f"{name}.{key}")
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            _check_types(inner, f"{name}.{place}")
    elif not (value is None or isinstance(value, bool | int | float | str | torch.Tensor)):
        raise TypeError(f"{name.strip('.') or 'the state'} is {type(value).__name__}, neither number, word nor tensor")


def _apart(tensor: Tensor) -> Tensor:
    """A copy on the CPU: safetensors refuses tensors that share memory, such as tied weights."""
    import torch

    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)


def _loaded(content: bytes) -> dict[str, Tensor]:
    from safetensors.torch import load

    return {name: tensor.clone() for name, tensor in load(content).items()}  # in memory that torch has aligned


def _of_schema_1(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The tree in a `resume.json`."""
    if isinstance(value, list):
        return [_of_schema_1(inner, tensors) for inner in value]
    if not isinstance(value, dict):
        return value
    if "~tensor" in value:
        return tensors[value["~tensor"]]
    if "~float" in value:
        return float(value["~float"])
    pairs = value.get("~pairs", list(value.items()))
    return {_of_schema_1(key, tensors): _of_schema_1(inner, tensors) for key, inner in pairs}
