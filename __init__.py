"""rearec-bench: benchmark harness for inference-time reasoning in sequential recommendation."""

from ._version import VERSION as __version__

__all__ = ["__version__"]
