"""The nodes of a cluster: what fits on each, and whether they all run the software that this process runs."""

from __future__ import annotations

import hashlib
import math
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..._version import VERSION
from ..records.provenance import version_of
from ..utils.errors import InputError
from ..utils.registry import TABLES

_ROOT = Path(__file__).resolve().parents[2]
_SOURCES = ("*.py", "harness/**/*.py", "models/**/*.py")
_PACKAGES = ("ray", "torch", "numpy", "optuna")
_ANSWER_S = 120.0
_SLACK = 1e-9

Components = tuple[tuple[str, str], ...]
"""Kind and name of each, such as ("backbone", "gru")."""


@dataclass(frozen=True)
class Node:
    """A machine that runs Ray, or a part of one, with the cores and GPUs that trials may use.

    Attributes:
        name: its address.
        port: where its raylet accepts connections.
    """

    id: str
    name: str
    cpus: float
    gpus: float
    port: int = 0

    def fits(self, *, cpu: float, gpu: float) -> int:
        """How many trials of `cpu` cores and `gpu` GPUs fit at once; part of a GPU never spreads over several."""
        count = math.floor(self.cpus / cpu + _SLACK)
        if gpu > 0:
            on_gpus = self.gpus / gpu if gpu >= 1 else math.floor(self.gpus + _SLACK) * math.floor(1 / gpu + _SLACK)
            count = min(count, math.floor(on_gpus + _SLACK))
        return count

    def __str__(self) -> str:
        return f"{self.name} (node {self.id[:8]})"


def alive() -> tuple[Node, ...]:
    """The nodes of the Ray that this process is part of."""
    import ray

    return tuple(
        Node(
            id=node["NodeID"],
            name=node["NodeManagerAddress"],
            cpus=node["Resources"].get("CPU", 0.0),
            gpus=node["Resources"].get("GPU", 0.0),
            port=node["NodeManagerPort"],
        )
        for node in ray.nodes()
        if node["Alive"]
    )


@dataclass(frozen=True)
class Software:
    """What all nodes must have in common.

    Attributes:
        here: the driver's software, by name.
        asked: ids of the nodes that were compared before the first trial.
    """

    components: Components
    here: Mapping[str, str]
    asked: frozenset[str]

    def refusal(self, node_id: str) -> str:
        """Why this worker's node, which joined late, may not run trials; "" where it may."""
        if node_id in self.asked:
            return ""
        differing = differences(self.here, software(self.components))
        return f"a node that has joined is not like the others: {', '.join(differing)}" if differing else ""


def software(components: Components) -> dict[str, str]:
    """The software of this process that can move a trial's numbers; imports none of it."""
    versions = {"Python": platform.python_version(), "rearec-bench": VERSION, "the source of rearec-bench": _source()}
    for package in _PACKAGES:
        # builds for CPU and GPU of one version go together
        versions[package] = version_of(package).partition("+")[0] or "none"
    for kind, name in components:
        try:
            versions[f"{kind} {name}"] = TABLES[kind].origin(name)
        except InputError:
            versions[f"{kind} {name}"] = "none"
    return versions


def differences(here: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    """How another process differs from the driver, one line each."""
    return [
        f"{name} {there.get(name, 'none')}, {value} for the driver"
        for name, value in here.items()
        if there.get(name) != value
    ]


def compare(nodes: tuple[Node, ...], components: Components, *, place: str) -> Software:
    """What the nodes that will run trials have in common; `components` are from other packages than this one.

    Raises:
        InputError: a node's software differs, or it does not answer.
    """
    here = software(components)
    problems = []
    for node, answer in _answers(nodes, components):
        what = [answer] if isinstance(answer, str) else differences(here, answer)
        problems += [f"  {node}: {difference}" for difference in what]
    if problems:
        lines = "\n".join(problems)
        raise InputError(
            f"the nodes of the Ray at {place} do not all run this process's software:\n{lines}\nInstall it there, "
            "such as  pip install -c constraints.txt PACKAGE  or the same checkout, then type  ray stop; ray start "
            f"--address={place}  on that node. Nothing was started. More: docs/cluster.md."
        )
    return Software(components, here, frozenset(node.id for node in nodes))


def _answers(nodes: tuple[Node, ...], components: Components) -> list[tuple[Node, dict[str, str] | str]]:
    """What each node runs, or why it did not answer."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(num_cpus=0, max_retries=0)(software)
    asked = {
        task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)).remote(components): node
        for node in nodes
    }
    ray.wait(list(asked), num_returns=len(asked), timeout=_ANSWER_S)
    answers: list[tuple[Node, dict[str, str] | str]] = []
    for reference, node in asked.items():
        try:
            answers.append((node, ray.get(reference, timeout=0)))
        except ray.exceptions.GetTimeoutError:
            answers.append((node, f"it has not answered for {_ANSWER_S:.0f} s"))
        except ray.exceptions.RayError as error:
            answers.append((node, cannot_run(error)))
    return answers


def cannot_run(error: Any) -> str:
    """A short reason why a process on another node could not load this package, from Ray's error or its text."""
    text = str(error).strip()
    missing = re.search(r"No module named '([\w.]+)'", text)
    if missing is not None:
        return f"{missing[1]} is not installed, or older"
    return (text.splitlines() or ["it ended without a word"])[-1].strip()


@lru_cache(maxsize=1)
def _source() -> str:
    """A digest of the files that run in workers."""
    digest = hashlib.sha256()
    for file in sorted({file for pattern in _SOURCES for file in _ROOT.glob(pattern)}):
        digest.update(f"{file.relative_to(_ROOT).as_posix()}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:12]
