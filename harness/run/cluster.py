"""Ray, started for one run and ended with it, or joined if an address is given; silent either way."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..utils.errors import InputError, RearecError
from .cluster_access import address_to_join, cannot_join, environment, given_token, open_note, own_token
from .limits import raise_limits, why_not
from .liveness import RayWatch, accepts
from .nodes import Node, alive
from .scratch import scratch_folder
from .stopping import Terminated

_STARTS = 2
_LOOK_S = 5.0
_RAYS = "r"  # Ray makes its folder and sockets writable by all users; our folder around it is private

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # the old output engine is silent at verbose=0
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_worker_niceness": "0",  # Ray's default of 15 would starve trials on a busy machine
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_AUTO_INIT": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",  # results are in the store: Tune's own files are never restored
    "TUNE_MAX_PENDING_TRIALS_PG": "64",  # actors may start side by side; the Searcher limits them to what fits
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "RAY_ROTATION_MAX_BYTES": str(16 * 2**20),  # what trials print: without it a file of Ray's would grow without end
    "RAY_ROTATION_BACKUP_COUNT": "1",
}

_KEPT = ("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")


@dataclass(frozen=True)
class Cluster:
    """A running Ray.

    Attributes:
        scratch: folder for Tune's files; removed at the end.
        nodes: at the start of the run.
        owned: started by this run.
        address: HOST:PORT where it was joined, else "".
        note: for the user; "" for nothing.
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
        """How many trials of `cpu` cores and `gpu` GPUs run at once; `InputError` if not even one fits."""
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
                f"{self.gpus:g} GPUs are available{spread}.{hint}"
            )
        return count

    def slots(
        self, *, cpu: float, gpu: float, limit: int | None, look: Callable[[], tuple[Node, ...]] = alive
    ) -> Callable[[], int]:
        """Returns how many trials may run at once, while nodes join and leave; 0 while no node is there for any.

        Args:
            cpu: cores of one trial.
            gpu: GPUs of one trial.
            limit: max trials at once; None for all that fit.
            look: returns the nodes that are alive.

        Raises:
            InputError: not even one fits.
        """
        fits, looked_at = self.fits(cpu=cpu, gpu=gpu), time.monotonic()

        def slots() -> int:
            nonlocal fits, looked_at
            now = time.monotonic()
            if not self.owned and now - looked_at > _LOOK_S:
                fits, looked_at = sum(node.fits(cpu=cpu, gpu=gpu) for node in look()), now
            return fits if limit is None else min(fits, limit)

        return slots


@contextlib.contextmanager
def cluster(
    *, address: str | None, cpus: int | None, store_bytes: int, died: Callable[[RearecError], None]
) -> Iterator[Cluster]:
    """Ray for one run; ends only what it started.

    Args:
        address: of a running Ray to join (auto, or HOST:PORT), None to start one.
        cpus: cores of a Ray that is started, None for all that this process may use.
        store_bytes: size of the data sets, of which Ray stores one copy per node.
        died: called in a thread if Ray dies; the process ends if the block then does not.

    Raises:
        InputError: the Ray at the address cannot be joined.
        RearecError: Ray cannot be started here, or it has died.
        Terminated: SIGTERM arrived while Ray started.
    """
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(scratch_folder())
        place = None if address is None else address_to_join(address)
        stack.enter_context(environment({**_strays(owned=place is None), **_ENVIRONMENT}))
        stack.enter_context(environment(own_token(scratch) if place is None else given_token()))
        raise_limits()
        import ray
        import ray.tune

        note = ""
        if place is None:
            memory = 2 * store_bytes + 256 * 2**20
            with contextlib.chdir(scratch):  # Ray's workers import from the folder that it starts in
                _start(num_cpus=cpus or usable_cores(), object_store_memory=memory, _temp_dir=str(scratch / _RAYS))
        else:
            with contextlib.chdir(scratch):
                _join(place)
            place = ray.get_runtime_context().gcs_address
            note = open_note(place)
        here = ray.get_runtime_context().get_node_id()
        own = next(node for node in alive() if node.id == here)
        watch = RayWatch(died, is_alive=lambda: accepts(own.name, own.port) and here in {node.id for node in alive()})
        try:
            with watch:
                yield Cluster(scratch, alive(), place is None, place or "", note)
        except Exception as error:  # a dead Ray raises exceptions of many types
            gone = None if isinstance(error, RearecError) else watch.confirm()
            if gone is None:
                raise
            raise gone from error
        finally:
            ray.shutdown()
            watch.left()


def _strays(*, owned: bool) -> dict[str, str | None]:
    """Variables of the user's shell that could change a run or break it, to be unset.

    Tune's, and for a Ray that is started here Ray's and Python's. What says where Python finds packages stays, since
    installations may need it; its relative paths become absolute, because workers start elsewhere.
    """
    ours = ("TUNE_", "PYTHON", "RAY_") if owned else ("TUNE_",)
    strays: dict[str, str | None] = {name: None for name in os.environ if name.startswith(ours) and name not in _KEPT}
    if owned and (paths := os.environ.get("PYTHONPATH")):
        strays["PYTHONPATH"] = os.pathsep.join(os.path.abspath(path) for path in paths.split(os.pathsep) if path)
    return strays


def _join(address: str) -> None:
    """Join a Ray that is there."""
    try:
        _init(address=address)
    except Exception as error:  # Ray raises plain types such as RuntimeError
        raise cannot_join(address, error) from error


def _start(**options: Any) -> None:
    """Start a Ray on this machine; a second time where a busy machine let it run into a time limit of its own."""
    for attempt in range(1, _STARTS + 1):
        try:
            _init(address="local", include_dashboard=False, **options)
            return
        except Exception as error:  # Ray raises plain types such as RuntimeError
            if attempt == _STARTS:
                why = why_not() or "Is it very busy? Rerun the command later"
                raise RearecError(f"Ray does not start on this machine: {str(error).strip(' .')}. {why}.") from error


def _init(**options: Any) -> None:
    """Call `ray.init`, silently; afterwards SIGTERM does what it did before, instead of ending the process at once."""
    import ray

    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(logging_level=logging.CRITICAL, log_to_driver=False, **options)
    except SystemExit as error:  # from Ray's own handler, or where Ray gives up
        ray.shutdown()
        raise (
            Terminated if error.code == signal.SIGTERM else RuntimeError(f"it ended with status {error.code}")
        ) from error
    except Exception:
        ray.shutdown()
        raise
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_sigterm)


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
