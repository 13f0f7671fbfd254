"""Ray, started for one run and ended with it, or joined where an address is given; quiet either way."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import InputError, RearecError

_PREFIX = "rearec-"
_STARTS = 2
_BASE_LIMIT = 16  # with this folder's name and Ray's about 65 characters, a socket's path may have 107

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
}


@dataclass(frozen=True)
class Cluster:
    """A running Ray.

    Attributes:
        scratch: folder for what Tune writes; removed at the end.
        cpus: cores that trials may use.
        gpus: GPUs that trials may use.
        owned: started by this run.
    """

    scratch: Path
    cpus: float
    gpus: float
    owned: bool

    def fits(self, *, cpu: float, gpu: float) -> int:
        """How many trials run at once.

        Args:
            cpu: cores of one trial.
            gpu: GPUs of one trial.

        Raises:
            InputError: not even one fits.
        """
        count = math.floor(self.cpus / cpu + 1e-9) if cpu > 0 else max(int(self.cpus), 1)
        if gpu > 0:
            on_gpus = self.gpus / gpu if gpu >= 1 else self.gpus * math.floor(1 / gpu + 1e-9)
            count = min(count, math.floor(on_gpus + 1e-9))
        if count < 1:
            hint = " Type --gpu 0 to train on the CPU." if gpu > 0 and self.gpus < gpu else ""
            raise InputError(
                f"one trial needs {cpu:g} cores and {gpu:g} GPUs (resources), and {self.cpus:g} cores and "
                f"{self.gpus:g} GPUs are there.{hint}"
            )
        return count


@contextlib.contextmanager
def cluster(*, address: str | None, cpus: int | None, store_bytes: int) -> Iterator[Cluster]:
    """Ray for one run; ends only what it started.

    Args:
        address: of a running Ray to join, None to start one.
        cpus: cores of a Ray that is started, None for all that this process may use.
        store_bytes: size of the data sets, which Ray holds once per node.

    Raises:
        InputError: the address does not answer.
        RearecError: no Ray can be started here.
    """
    with _environment(_ENVIRONMENT), scratch_folder() as scratch:
        import ray
        import ray.tune

        quiet: dict[str, Any] = {"logging_level": logging.CRITICAL, "log_to_driver": False, "configure_logging": False}
        _silence()
        if address is not None:
            try:
                ray.init(address=address, **quiet)
            except Exception as error:
                hint = "Where it asks for a token, set RAY_AUTH_MODE=token here too."
                raise InputError(f"no Ray answers at {address} ({error}). {hint}") from error
        else:
            _start(
                num_cpus=cpus or usable_cores(),
                object_store_memory=2 * store_bytes + 256 * 2**20,
                _temp_dir=str(scratch),
                **quiet,
            )
        try:
            have = ray.cluster_resources()
            yield Cluster(scratch, have.get("CPU", 0.0), have.get("GPU", 0.0), address is None)
        finally:
            ray.shutdown()


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
    for name in ("ray", "ray.tune", "ray.train", "ray.air"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A short-lived folder, named after this process; those of runs that were killed are removed first."""
    base = Path(tempfile.gettempdir())
    if len(str(base)) > _BASE_LIMIT:
        base = Path("/tmp")  # noqa: S108 - a longer path would not fit into a socket's address
    for old in base.glob(f"{_PREFIX}*-*"):
        if _abandoned(old):
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=base))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
