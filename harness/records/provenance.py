"""Provenance of a result: versions, machine, revision, memory."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..._version import VERSION

_ROOT = Path(__file__).resolve().parents[2]


@lru_cache(maxsize=1)
def git_revision() -> str:
    """Revision of the package's checkout with "+" if files differ from it; "" outside a checkout."""
    if not (_ROOT / ".git").exists():
        return ""
    try:
        revision = _git("rev-parse", "--short=12", "HEAD")
        return revision + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def software() -> dict[str, Any]:
    """The versions of the installed software, and the machine; imports neither torch nor ray."""
    return {
        "rearec_bench": VERSION,
        "git": git_revision(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_name(),
        "cores": os.cpu_count() or 0,
        **{package: version_of(package) for package in ("torch", "ray", "numpy", "optuna")},
    }


def environment(device: str, threads: int) -> dict[str, Any]:
    """Facts about the software and the machine, with the trial's torch threads; imports torch."""
    import torch

    facts = {**software(), "torch": torch.__version__, "device": device, "threads": threads}
    if device == "cuda" and torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
        facts["cuda"] = torch.version.cuda
    return facts


def made_with(environment: Mapping[str, Any]) -> str:
    """The machine and the versions of a stored environment, in a few words."""
    device = str(environment.get("device") or "unknown device")
    machine = environment.get("gpu" if device == "cuda" else "cpu")
    versions = [
        f"{name.replace('_', '-')} {environment[name]}"
        for name in ("rearec_bench", "torch", "numpy")
        if environment.get(name)
    ]
    return ", ".join([f"{device}, {machine}" if machine else device, *versions])


def reset_peak_memory(device: str) -> None:
    """Reset the recorded peak, if the system can (Linux, CUDA)."""
    if device == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats()
        return
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_memory_bytes(device: str) -> int:
    """Peak since `reset_peak_memory`: allocated on the GPU, else resident in this process."""
    if device == "cuda":
        import torch

        return int(torch.cuda.max_memory_allocated())
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    import resource

    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def version_of(package: str) -> str:
    """The installed version of a package; "" for none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _git(*arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - fixed arguments
        ["git", "-C", str(_ROOT), *arguments],  # noqa: S607 - git of the user's path
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    )
    return done.stdout.strip()


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()
