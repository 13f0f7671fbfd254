"""A trial's files as bytes: JSON for numbers and words, Parquet for rows, safetensors for states.

Whatever is read is checked: content of another type or shape raises ValueError, KeyError, TypeError or AttributeError.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, get_args

from pydantic_core import from_json

from ..records.results import (
    Epoch,
    Evidence,
    Ranks,
    Rows,
    Status,
    TestEvidence,
    Traces,
    TrialResult,
    TrialSummary,
    ValidationEvidence,
)
from ..records.spec import TrialSpec
from ..trial.metrics import METRICS
from ..utils.text import lines

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCHEMA = 1
RESULT = "result.json"
TRACEBACK = "traceback.txt"
SPLITS = ("valid", "test")

_TYPES: Mapping[str, tuple[type, ...]] = {
    "status": (str,),
    "reason": (str,),
    "traceback": (str,),
    "best_epoch": (int,),
    "history": (list,),
    "timings": (dict,),
    "peak_memory_bytes": (int, float),
    "parameters": (int,),
    "environment": (dict,),
    "source_digest": (str,),
}
_ONLY_FLOAT = frozenset({float})
_NOT_FINITE = ("nan", "inf", "-inf")
_FLAT = ("users", "items", "readout_ranks")
_WIDE = ("step_ranks", "top_items", "entropy", "margin", "cosine", "control_ranks")


def pack(result: TrialResult) -> dict[str, bytes]:
    """The files of a trial, by name.

    Args:
        result: the trial.

    Returns:
        File name to content; `result.json` always, Parquet and safetensors where there is evidence, and for people
        the traceback of a failure, which `result.json` holds, too.
    """
    files = {RESULT: json_bytes(_result_json(result))}
    if result.traceback:
        files[TRACEBACK] = f"{lines(result.traceback).rstrip()}\n".encode(errors="backslashreplace")
    for split, evidence in zip(SPLITS, (result.validation, result.test), strict=True):
        if evidence is None:
            continue
        files[f"{split}.parquet"] = _rows_bytes(evidence.rows)
        if evidence.traces is not None:
            files[f"traces_{split}.safetensors"] = _traces_bytes(evidence.traces)
    return files


def unpack(files: Mapping[str, bytes]) -> TrialResult:
    """The inverse of `pack`.

    Raises:
        ValueError, KeyError, TypeError: content that no `pack` of this schema made.
    """
    data = from_json(files[RESULT])
    summary = summary_of(data)
    evidence: dict[str, Evidence | None] = {}
    for split, kind in (("valid", ValidationEvidence), ("test", TestEvidence)):
        held = data[split]
        traces = files.get(f"traces_{split}.safetensors")
        evidence[split] = held and kind(
            readout=_floats(held["readout"]),
            steps=tuple(_floats(step) for step in held["steps"]),
            similarity=tuple(tuple(map(_float, line)) for line in held["similarity"]),
            rows=rows_of(files[f"{split}.parquet"]),
            traces=None if traces is None else _traces_of(traces),
        )
    validation, test = evidence["valid"], evidence["test"]
    return TrialResult(
        spec=summary.spec,
        status=summary.status,
        reason=summary.reason,
        traceback=data["traceback"],
        validation=validation if isinstance(validation, ValidationEvidence) else None,
        test=test if isinstance(test, TestEvidence) else None,
        history=summary.history,
        best_epoch=summary.best_epoch,
        timings=summary.timings,
        peak_memory_bytes=summary.peak_memory_bytes,
        parameters=summary.parameters,
        environment=summary.environment,
        source_digest=summary.source_digest,
    )


def summary_of(data: Mapping[str, Any]) -> TrialSummary:
    """The summary that `result.json` holds.

    Raises:
        ValueError, KeyError, TypeError: content that no `pack` of this schema made.
    """
    spec = TrialSpec.from_json(data["spec"])
    _check_types(data, spec)
    valid, test = data["valid"], data["test"]
    return TrialSummary(
        spec=spec,
        status=data["status"],
        reason=data["reason"],
        validation=_floats(valid["readout"]) if valid else None,
        validation_steps=tuple(_floats(step) for step in valid["steps"]) if valid else (),
        test=_floats(test["readout"]) if test else None,
        test_steps=tuple(_floats(step) for step in test["steps"]) if test else (),
        history=tuple(_epoch_of(line) for line in data["history"]),
        best_epoch=data["best_epoch"],
        timings=_floats(data["timings"]),
        peak_memory_bytes=data["peak_memory_bytes"],
        parameters=data["parameters"],
        environment=data["environment"],
        source_digest=data["source_digest"],
    )


def rows_of(content: bytes) -> Rows:
    """The rows of a Parquet file, every array with the bits it was written with."""
    return Rows(**_arrays(content, Rows))


def ranks_of(content: bytes) -> Ranks:
    """Those of `rows_of` that tables of metrics need; takes a third of the time."""
    return Ranks(**_arrays(content, Ranks))


def _arrays(content: bytes, of: type[Ranks]) -> dict[str, NDArray[Any]]:
    import numpy as np
    import pyarrow.parquet as pq

    names = {field.name for field in fields(of)}
    file = pq.ParquetFile(io.BytesIO(content))
    wanted = [column for column in file.schema_arrow.names if column.partition(".")[0] in names]
    table = file.read(columns=wanted, use_threads=False)
    dtypes = json.loads(table.schema.metadata[b"rearec_bench"])["dtypes"]
    columns: dict[str, NDArray[Any]] = {}
    for name in table.column_names:
        held = table.column(name).combine_chunks()
        # Not through pyarrow's own to_numpy, which imports pandas.
        columns[name] = np.frombuffer(held.buffers()[1] or b"", dtype=dtypes[name.partition(".")[0]], count=len(held))
    arrays: dict[str, NDArray[Any]] = {name: columns[name].copy() for name in _FLAT}
    for name in names - set(_FLAT):
        wide = [columns[f"{name}.{j}"] for j in range(sum(column.startswith(f"{name}.") for column in columns))]
        empty = np.empty((table.num_rows, 0), dtype=dtypes[name])
        arrays[name] = np.stack(wide, axis=1) if wide else empty
    return arrays


def json_bytes(value: Any) -> bytes:
    """Strict JSON that a person can read; numbers that are not finite are written as words that float() takes."""
    return (json.dumps(plain(value), indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()


def _check_types(data: Mapping[str, Any], spec: TrialSpec) -> None:
    said: list[tuple[str, Any, tuple[type, ...]]] = [(name, data[name], types) for name, types in _TYPES.items()]
    said += [("dataset", spec.dataset, (str,)), ("steps", spec.steps, (int,)), ("seed", spec.seed, (int,))]
    for component in (spec.backbone, spec.strategy):
        said += [("settings", component.settings, (dict,)), ("version", component.version, (int,))]
    for name, value, types in said:
        if not isinstance(value, types) or isinstance(value, bool):
            raise TypeError(f"{name} is {value!r:.60}")
    if spec.metric not in METRICS:
        raise ValueError(f"metric is {spec.metric!r:.60}")
    if data["status"] not in get_args(Status):
        raise ValueError(f"status is {data['status']!r:.60}; known: {', '.join(get_args(Status))}")
    for split in SPLITS:
        held = data[split]
        if held is None:
            continue
        if len(held["steps"]) != spec.steps + 1:
            raise ValueError(f"{split} has {len(held['steps'])} steps of {spec.steps + 1}")
        missing = [name for metrics in (held["readout"], *held["steps"]) for name in METRICS if name not in metrics]
        if missing:
            raise ValueError(f"{split} has no {missing[0]}")


def _result_json(result: TrialResult) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "key": result.key,
        "spec": result.spec.to_json(),
        "status": result.status,
        "reason": result.reason,
        "traceback": result.traceback,
        "valid": _evidence_json(result.validation),
        "test": _evidence_json(result.test),
        "best_epoch": result.best_epoch,
        "history": [_epoch_json(epoch) for epoch in result.history],
        "timings": result.timings,
        "peak_memory_bytes": result.peak_memory_bytes,
        "parameters": result.parameters,
        "environment": result.environment,
        "source_digest": result.source_digest,
    }


def _evidence_json(evidence: Evidence | None) -> dict[str, Any] | None:
    if evidence is None:
        return None
    return {"readout": evidence.readout, "steps": evidence.steps, "similarity": evidence.similarity}


def _epoch_json(epoch: Epoch) -> dict[str, Any]:
    return {
        "epoch": epoch.epoch,
        "losses": epoch.losses,
        "validation": epoch.validation,
        "train_s": epoch.train_s,
        "evaluate_s": epoch.evaluate_s,
        "rows_per_s": epoch.rows_per_s,
    }


def _epoch_of(data: Mapping[str, Any]) -> Epoch:
    return Epoch(
        int(_float(data["epoch"])),
        _floats(data["losses"]),
        _floats(data["validation"]),
        _float(data["train_s"]),
        _float(data["evaluate_s"]),
        _float(data["rows_per_s"]),
    )


def _rows_bytes(rows: Rows) -> bytes:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, NDArray[Any]] = {name: getattr(rows, name) for name in _FLAT}
    for name in _WIDE:
        array: NDArray[np.generic] = getattr(rows, name)
        columns |= {f"{name}.{j}": np.ascontiguousarray(array[:, j]) for j in range(array.shape[1])}
    dtypes = {name: str(getattr(rows, name).dtype) for name in (*_FLAT, *_WIDE)}
    table = pa.table({name: pa.array(column) for name, column in columns.items()})
    table = table.replace_schema_metadata({"rearec_bench": json.dumps({"schema": SCHEMA, "dtypes": dtypes})})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _traces_bytes(traces: Traces) -> bytes:
    import numpy as np
    from safetensors.numpy import save

    arrays = {"rows": traces.rows, "states": traces.states, "top_items": traces.top_items}
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return save(contiguous, metadata={"schema": str(SCHEMA)})


def _traces_of(content: bytes) -> Traces:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return Traces(**load(content))
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def _floats(values: Mapping[str, Any]) -> dict[str, float]:
    # Nearly all are floats; looking at each costs more than taking them all.
    if _ONLY_FLOAT.issuperset(map(type, values.values())):
        return values if type(values) is dict else dict(values)
    return {name: _float(value) for name, value in values.items()}


def _float(value: Any) -> float:
    """A number as `plain` writes it."""
    if type(value) is float:
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number and value not in _NOT_FINITE:
        raise TypeError(f"{value!r:.60} is not a number")
    return float(value)


def plain(value: Any) -> Any:
    """A value as JSON holds it: tuples as lists, numbers that are not finite as words."""
    if isinstance(value, Mapping):
        return {str(name): plain(held) for name, held in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(held) for held in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if hasattr(value, "item"):  # a number of numpy
        return plain(value.item())
    return value
