"""A trial's files as bytes: JSON for numbers and text, Parquet for rows, safetensors for states.

Reading checks the content: another type or shape raises ValueError, KeyError, TypeError or AttributeError.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter, ValidationError

from ..records.results import (
    Evidence,
    Metrics,
    Ranks,
    Rows,
    TestEvidence,
    Traces,
    TrialFacts,
    TrialResult,
    TrialSummary,
    ValidationEvidence,
)
from ..trial.metrics import METRICS
from ..utils.text import lines

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCHEMA = 1
RESULT = "result.json"
TRACEBACK = "traceback.txt"
SPLITS = ("valid", "test")

_METRICS = frozenset(METRICS)
_FLAT = ("users", "items", "readout_ranks")
_WIDE = ("step_ranks", "top_items", "entropy", "margin", "cosine", "control_ranks", "divergence")
_MOST_A_BYTE, _FEW = 50, 16_000_000
"""Numbers that a byte of Parquet stands for, and what any file may hold: users and targets differ from row to row."""
_LATER = frozenset({"divergence"})
"""What trials stored by earlier versions lack."""


def pack(result: TrialResult) -> dict[str, bytes]:
    """A trial's files, name to content: always `result.json`, and Parquet and safetensors files of its evidence.

    A failed trial also gets its traceback, which `result.json` contains too, as text for people.
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
    """The inverse of `pack`; content of another schema raises ValueError, KeyError or TypeError."""
    stored = _stored(files[RESULT])
    evidence: dict[str, Any] = {}
    for split, kind in (("valid", ValidationEvidence), ("test", TestEvidence)):
        numbers: _Numbers | None = getattr(stored, split)
        traces = files.get(f"traces_{split}.safetensors")
        evidence[split] = numbers and kind(
            **vars(numbers),
            rows=rows_of(files[f"{split}.parquet"]),
            traces=None if traces is None else _traces_of(traces),
        )
    return TrialResult(
        **stored.facts(), traceback=stored.traceback, validation=evidence["valid"], test=evidence["test"]
    )


def summary_of(content: bytes) -> TrialSummary:
    """The summary in a `result.json`; a ValueError for content of another schema."""
    stored = _stored(content)
    valid, test = stored.valid, stored.test
    return TrialSummary(
        **stored.facts(),
        validation=valid.readout if valid else None,
        validation_steps=valid.steps if valid else (),
        test=test.readout if test else None,
        test_steps=test.steps if test else (),
    )


@dataclass(frozen=True)
class _Numbers:
    readout: Metrics
    steps: tuple[Metrics, ...]
    similarity: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, kw_only=True)
class _Stored(TrialFacts):
    """The content of `result.json`."""

    schema: Literal[1]
    key: str
    traceback: str
    valid: _Numbers | None
    test: _Numbers | None


@cache
def _adapter() -> TypeAdapter[_Stored]:
    return TypeAdapter(_Stored)


def _stored(content: bytes) -> _Stored:
    stored = _adapter().validate_json(content)
    if stored.spec.metric not in METRICS:
        raise ValueError(f"metric is {stored.spec.metric!r:.60}")
    for split, numbers in zip(SPLITS, (stored.valid, stored.test), strict=True):
        if numbers is None:
            continue
        if len(numbers.steps) != stored.spec.states:
            raise ValueError(f"{split} has {len(numbers.steps)} states of {stored.spec.states}")
        if not all(metrics.keys() >= _METRICS for metrics in (numbers.readout, *numbers.steps)):
            raise ValueError(f"{split} lacks metrics")
    return stored


def rows_of(content: bytes) -> Rows:
    """The rows of a Parquet file, every array bit by bit as it was written."""
    return Rows(**_arrays(content, Rows))


def ranks_of(content: bytes) -> Ranks:
    """The part of `rows_of` that tables of metrics need; takes a third of the time."""
    return Ranks(**_arrays(content, Ranks))


def _arrays(content: bytes, of: type[Ranks]) -> dict[str, NDArray[Any]]:
    import numpy as np
    import pyarrow.parquet as pq

    names = {field.name for field in fields(of)}
    file = pq.ParquetFile(io.BytesIO(content))
    if file.metadata.num_rows * file.metadata.num_columns > _MOST_A_BYTE * len(content) + _FEW:
        raise ValueError(f"{file.metadata.num_rows:,} rows cannot be honest in a file of {len(content):,} bytes")
    wanted = [column for column in file.schema_arrow.names if column.partition(".")[0] in names]
    table = file.read(columns=wanted, use_threads=False)
    dtypes = json.loads(table.schema.metadata[b"rearec_bench"])["dtypes"]
    columns: dict[str, NDArray[Any]] = {}
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        # Not through pyarrow's own to_numpy, which imports pandas.
        columns[name] = np.frombuffer(
            column.buffers()[1] or b"", dtype=dtypes[name.partition(".")[0]], count=len(column)
        )
    arrays: dict[str, NDArray[Any]] = {name: columns[name].copy() for name in _FLAT}
    for name in names - set(_FLAT) - (_LATER - dtypes.keys()):
        wide = [columns[f"{name}.{j}"] for j in range(sum(column.startswith(f"{name}.") for column in columns))]
        empty = np.empty((table.num_rows, 0), dtype=dtypes[name])
        arrays[name] = np.stack(wide, axis=1) if wide else empty
    return arrays


def sha256_of(content: bytes) -> str:
    """Its SHA-256, as hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def json_bytes(value: Any) -> bytes:
    """Strict, readable JSON; infinity and NaN are written as text that float() accepts."""
    return (json.dumps(plain(value), indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()


def _result_json(result: TrialResult) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "key": result.key,
        **result.facts(),
        "spec": result.spec.to_json(),
        "history": [asdict(epoch) for epoch in result.history],
        "traceback": result.traceback,
        "valid": _numbers_json(result.validation),
        "test": _numbers_json(result.test),
    }


def _numbers_json(evidence: Evidence | None) -> dict[str, Any] | None:
    if evidence is None:
        return None
    return {"readout": evidence.readout, "steps": evidence.steps, "similarity": evidence.similarity}


def _rows_bytes(rows: Rows) -> bytes:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, NDArray[Any]] = {name: getattr(rows, name) for name in _FLAT}
    wide = [name for name in _WIDE if getattr(rows, name) is not None]
    for name in wide:
        array: NDArray[np.generic] = getattr(rows, name)
        columns |= {f"{name}.{j}": np.ascontiguousarray(array[:, j]) for j in range(array.shape[1])}
    dtypes = {name: str(getattr(rows, name).dtype) for name in (*_FLAT, *wide)}
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


def plain(value: Any) -> Any:
    """A value as in JSON: tuples as lists, infinity and NaN as text."""
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if hasattr(value, "item"):  # a number of numpy
        return plain(value.item())
    return value


def reason_of(error: Exception) -> str:
    """What is wrong with a file that cannot be read, in one line."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:200]
    message = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    line = message.strip().partition("\n")[0][:200]
    if isinstance(error, OSError):
        return f"{Path(error.filename).name}: {line}" if error.filename else line
    return f"{type(error).__name__}: {line}"
