"""rearec-bench: benchmark harness for inference-time reasoning in sequential recommendation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._version import VERSION as __version__

if TYPE_CHECKING:
    from .harness.store.frames import load_results

__all__ = ["__version__", "load_results"]


def __getattr__(name: str) -> Any:
    """Load what notebooks use when it is first asked for: `rearec-bench --help` needs none of it."""
    if name == "load_results":
        from .harness.store.frames import load_results

        return load_results
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
