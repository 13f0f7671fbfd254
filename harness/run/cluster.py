"""Ray, started for one run and ended with it, or joined where an address is given; quiet either way."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..utils.errors import InputError, RearecError
from .cluster_access import Door, environment, find_door, let_in, own_token
from .nodes import Node, alive
from .raylet import RayletWatch, own_raylet, raylet_of
from .signals import kept_from_ray

PREFIX = "rearec-"
_STARTS = 2
_LOOK_S = 5.0
_RAYS = "r"  # Ray lets everybody write to its folder, and into its sockets; ours around it lets nobody in
_BASE_LIMIT = 14  # with this folder's name and Ray's about 65 characters, a socket's path may have 107

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # the old output engine is silent at verbose=0
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_worker_niceness": "0",  # Ray's 15 would starve trials beside anything else that runs
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_AUTO_INIT": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",  # the store is the only truth: nothing of Tune's is ever restored
    "TUNE_MAX_PENDING_TRIALS_PG": "64",  # actors may start side by side; the Searcher keeps to what fits
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "RAY_ROTATION_MAX_BYTES": str(16 * 2**20),  # what trials print: without it a file of Ray's would grow without end
    "RAY_ROTATION_BACKUP_COUNT": "1",
}


@dataclass(frozen=True)
class Cluster:
    """A running Ray.

    Attributes:
        scratch: folder for what Tune writes; removed at the end.
        nodes: as they were when the run began.
        owned: started by this run.
        address: HOST:PORT where it was joined, else "".
        note: what the user should know of it, "" where there is nothing.
    """

    scratch: Path
    nodes: tuple[Node, ...]
    owned: bool
    address: str = ""
    note: str = ""

    @property
    def cpus(self) -> float:
        """Cores of all nodes."""
        return sum(node.cpus for node in self.nodes)

    @property
    def gpus(self) -> float:
        """GPUs of all nodes."""
        return sum(node.gpus for node in self.nodes)

    def fits(self, *, cpu: float, gpu: float) -> int:
        """How many trials run at once.

        Args:
            cpu: cores of one trial.
            gpu: GPUs of one trial.

        Raises:
            InputError: not even one fits.
        """
        if gpu > 1 and gpu != int(gpu):
            raise InputError(
                f"one trial cannot have {gpu:g} GPUs (resources). Allowed: parts of one, or whole numbers."
            )
        count = sum(node.fits(cpu=cpu, gpu=gpu) for node in self.nodes)
        if count < 1:
            hint = " Type --gpu 0 to train on the CPU." if gpu > 0 and self.gpus < gpu else ""
            spread = f", on no node enough of both ({len(self.nodes)} nodes)" if len(self.nodes) > 1 else ""
            raise InputError(
                f"one trial needs {cpu:g} cores and {gpu:g} GPUs (resources), and {self.cpus:g} cores and "
                f"{self.gpus:g} GPUs are there{spread}.{hint}"
            )
        return count

    def room(self, *, cpu: float, gpu: float, limit: int | None, look: Callable[[], tuple[Node, ...]] = alive) -> Room:
        """How many trials may run at once while nodes come and go.

        Args:
            cpu: cores of one trial.
            gpu: GPUs of one trial.
            limit: most trials at once; None for all that fit.
            look: finds the nodes that are there.

        Raises:
            InputError: not even one fits.
        """
        return Room(
            self.fits(cpu=cpu, gpu=gpu),
            limit,
            lambda: sum(node.fits(cpu=cpu, gpu=gpu) for node in look()),
            fixed=self.owned,
        )


class Room:
    """How many trials may run at once; looks again from time to time where nodes may come and go.

    Args:
        fits: trials at first.
        limit: most trials; None for all that fit.
        count: how many fit now.
        fixed: no nodes come or go.
    """

    def __init__(self, fits: int, limit: int | None, count: Callable[[], int], *, fixed: bool) -> None:
        self._fits = fits
        self._limit = limit
        self._count = count
        self._fixed = fixed
        self._looked_at = time.monotonic()

    def __call__(self) -> int:
        """Trials that may run at once now; 0 while no node is there for any."""
        now = time.monotonic()
        if not self._fixed and now - self._looked_at > _LOOK_S:
            self._fits, self._looked_at = self._count(), now
        return self._fits if self._limit is None else min(self._fits, self._limit)


@contextlib.contextmanager
def cluster(
    *, address: str | None, cpus: int | None, store_bytes: int, died: Callable[[RearecError], None]
) -> Iterator[Cluster]:
    """Ray for one run; ends only what it started.

    Args:
        address: of a running Ray to join (auto, or HOST:PORT), None to start one.
        cpus: cores of a Ray that is started, None for all that this process may use.
        store_bytes: size of the data sets, which Ray holds once per node.
        died: told, in a thread, that Ray is gone from here; where the block does not end then, the process does.

    Raises:
        InputError: the Ray at the address cannot be joined.
        RearecError: no Ray can be started here.
    """
    with environment(_ENVIRONMENT), scratch_folder() as scratch:
        import ray
        import ray.tune

        quiet: dict[str, Any] = {"logging_level": logging.CRITICAL, "log_to_driver": False, "configure_logging": False}
        _silence()
        door = find_door(address) if address is not None else Door("", own_token(scratch))
        with let_in(door.environment):
            with kept_from_ray():
                if door.address:
                    _join(door, **quiet)
                else:
                    _start(
                        num_cpus=cpus or usable_cores(),
                        object_store_memory=2 * store_bytes + 256 * 2**20,
                        _temp_dir=str(scratch / _RAYS),
                        **quiet,
                    )
            here = ray.get_runtime_context().get_node_id()
            watch = RayletWatch(died, find=partial(raylet_of, here) if door.address else own_raylet)
            try:
                with watch:
                    yield Cluster(scratch, alive(), not door.address, door.address, door.note)
            except Exception as error:  # without its raylet Ray raises nearly anything
                if watch.error is None:
                    raise
                raise watch.error from error
            finally:
                ray.shutdown()
                watch.left()


def _join(door: Door, **options: Any) -> None:
    """Join a Ray whose door is open."""
    import ray

    try:
        ray.init(address=door.address, **options)
    except (Exception, SystemExit) as error:  # Ray's own are of the plainest types
        ray.shutdown()
        said = " ".join(str(error).split())
        raise InputError(f"the Ray at {door.address} cannot be joined: {said}. More: docs/cluster.md.") from error


def _start(**options: Any) -> None:
    """Start a Ray on this machine; a second time where a busy machine let it run into a time limit of its own."""
    import ray

    for attempt in range(1, _STARTS + 1):
        try:
            ray.init(address="local", include_dashboard=False, **options)
            return
        except (Exception, SystemExit) as error:  # Ray's own are of the plainest types
            ray.shutdown()
            if attempt == _STARTS:
                raise RearecError(
                    f"Ray does not start on this machine: {error}. Is it very busy? Type the same command again later."
                ) from error


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _silence() -> None:
    """Ray's and Tune's own chatter: what matters of it reaches the user as a trial's reason."""
    from ray._private import worker

    for name in ("ray", "ray.tune", "ray.train", "ray.air"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    worker._worker_logs_enabled = False  # log_to_driver leaves the last lines of a raylet that died


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A short-lived folder, named after this process; those of runs that were killed are removed first."""
    base = Path(tempfile.gettempdir())
    if len(str(base)) > _BASE_LIMIT:
        base = Path("/tmp")  # noqa: S108 - a longer path would not fit into a socket's address
    sweep(base)
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=base))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(base: Path) -> None:
    """Remove folders that processes which are gone have left.

    Args:
        base: where they are.
    """
    for old in base.glob(f"{PREFIX}*-*"):
        if _abandoned(old):
            shutil.rmtree(old, ignore_errors=True)


def _abandoned(folder: Path) -> bool:
    """Whether the process that made the folder is gone; its name says it, as dying processes may write to it again."""
    try:
        if folder.stat().st_uid != os.getuid():
            return False
        os.kill(int(folder.name.split("-")[1]), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError):
        return False
    return False
