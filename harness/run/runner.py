"""Runs a suite: starts or joins Ray, runs the trials through one Tuner, and records them until all are done."""

from __future__ import annotations

import dataclasses
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cost.time import DataSize, Estimate, example, operations
from ..datasets.data.dataset import Dataset
from ..monitor.events import Listener, RunStarted
from ..monitor.progress_writer import ProgressWriter, working_folder
from ..plan.queue import SuiteQueue, repeatable
from ..records.results import TrialSummary
from ..store.checkpoints import Checkpoints
from ..store.others import Others
from ..store.store import Store
from ..utils.errors import DatasetError, InputError
from .cluster import Cluster, cluster
from .nodes import Software, compare
from .outcome import RunOutcome
from .plugins import PluginFile, packaged_components
from .stopping import StopPolicy, Terminated, stop_on_signals
from .supervisor import TrialLimits
from .tracker import RunStopped, RunTracker

if TYPE_CHECKING:
    from ..plan.cells import Cell
    from ..suite.model import Suite
    from .tune_worker import WorkerContext

TRIAL = f"{__package__.rpartition('.')[0]}.trial.start:start"


@dataclass(frozen=True)
class RunOptions:
    """How a suite runs: nothing here can change a trial's numbers, except the device type.

    Attributes:
        gpu: GPUs of one trial; None for the suite's own.
        cpu: cores of one trial; None for the suite's own.
        address: of a running Ray to join; None starts one for this run.
        max_concurrent: max trials at once; None for all that fit.
        max_trials: max trials to start; None for all.
        refresh: repeat stored trials whose components' source has changed.
        retry_failed: repeat trials that failed or diverged.
        time_budget_s: seconds in which trials may start; None for no limit.
        cpus: cores to use; None for all that this process may use.
        trial: "module:attribute" of the function that makes a trial from (spec, data set).
        command: as typed, for `status`.
    """

    gpu: float | None = None
    cpu: float | None = None
    address: str | None = None
    max_concurrent: int | None = None
    max_trials: int | None = None
    refresh: bool = False
    retry_failed: bool = False
    time_budget_s: float | None = None
    cpus: int | None = None
    trial: str = TRIAL
    command: str = field(default="", compare=False)


def run_suite(
    suite: Suite,
    *,
    store: Store,
    data_dir: Path,
    options: RunOptions,
    reporter: Listener,
    others: Others | None = None,
) -> RunOutcome:
    """Run what is left of a suite; trials that `others` have run are taken over from them.

    Returns:
        How it ended; Ctrl-C is an outcome, not an exception.

    Raises:
        InputError: a data set is not prepared, or a trial does not fit; nothing was started.
        StoreError: a result cannot be read or written.
    """
    from ..plan.cells import check_precision, expand, once, traced
    from ..plan.staged import remembered, staged

    clock = time.perf_counter()
    closing = StopPolicy(options.time_budget_s)
    index = store.index_before(suite.name) if suite.until else {}
    cells = staged(suite, once(expand(suite)), index)
    datasets = load_all(suite, cells, data_dir)
    cells = traced(cells, partial(_tested_user, datasets, data_dir), datasets)
    gpu = suite.resources.gpu if options.gpu is None else options.gpu
    cpu = suite.resources.cpu if options.cpu is None else options.cpu
    device = "cuda" if gpu > 0 else "cpu"
    check_precision(cells, device)
    sizes = {name: DataSize.of(data.card) for name, data in datasets.items()}
    others = others or Others(store)
    stale = _stale if options.refresh else None
    queue = SuiteQueue(
        cells,
        fingerprints={name: data.fingerprint for name, data in datasets.items()},
        vectors={name: data.vectors.fingerprint for name, data in datasets.items() if data.vectors is not None},
        device=device,
        stored=others.after(repeatable(store.lookup, retry_failed=options.retry_failed, stale=stale), unless=stale),
        cost=lambda cell: operations(example(cell, device), sizes[cell.dataset]),
        limit=options.max_trials,
    )
    progress = ProgressWriter(
        store.suite_folder(suite.name), queue=queue, command=options.command, budget_s=options.time_budget_s
    )
    run = RunTracker(
        suite,
        header={**_header(datasets), **remembered(index)},
        queue=queue,
        store=store,
        listeners=(reporter, progress),
        estimate=Estimate(queue.over(), sizes),
        closing=closing,
        details=_circumstances(suite, options, device),
    )
    with run as tracker, stop_on_signals(tracker):
        ray_s = 0.0
        facts = partial(_facts, suite, cells, tracker, taken=others.lines())
        try:
            if not queue.left:
                tracker.emit(facts(max_concurrent=0, place=""))
            else:
                size = sum(_bytes(data) for data in datasets.values())
                with cluster(address=options.address, cpus=options.cpus, store_bytes=size, died=tracker.stop) as joined:
                    from . import tune_driver  # imports ray

                    ray_s = time.perf_counter() - clock
                    slots = joined.slots(cpu=cpu, gpu=gpu, limit=options.max_concurrent)
                    software = _compared(joined, suite, cpu=cpu, gpu=gpu)
                    tracker.max_concurrent = slots()
                    tracker.emit(
                        facts(max_concurrent=tracker.max_concurrent, place=_place(joined, gpu), note=joined.note)
                    )
                    context = _context(datasets, suite, options, shares_gpu=0 < gpu < 1, software=software)
                    tune_driver.run_trials(joined, tracker, context, slots=slots, cpu=cpu, gpu=gpu)
        except (RunStopped, Terminated) as why:
            if isinstance(why, Terminated):
                tracker.stop(why)
            tracker.settle()
        if isinstance(tracker.stopped_by, Exception):
            raise tracker.stopped_by
        if not queue.left:
            Checkpoints(store.root, clean=True).clear(suite=suite.name, over=store.has)
        return tracker.outcome(wall_s=time.perf_counter() - clock, ray_s=ray_s)


def dry_run(
    suite: Suite, *, data_dir: Path, say: Callable[[str], None], keep: Callable[[Cell], bool] = lambda cell: True
) -> int:
    """Build every cell to keep and run one batch of each in this process; `say` is called with one line per cell.

    Components are asked whether they keep their contracts, too; a cell that does not is told, and the others go on.

    Returns:
        How many cells do not work.
    """
    from ..plan.cells import check_precision, expand, once, traced
    from ..trial.contract import broken
    from ..trial.failure import failed_result
    from ..trial.start import start

    cells = once(filter(keep, expand(suite)))
    device = "cuda" if suite.resources.gpu > 0 else "cpu"
    check_precision(cells, device)
    datasets = load_all(suite, cells, data_dir)
    failed = unsupported = 0
    told: dict[tuple[str, str, tuple[str, ...]], str] = {}  # a backbone's fault is told with its first row alone
    for cell in traced(cells, partial(_tested_user, datasets, data_dir), datasets):
        name = f"{cell.dataset} {cell.backbone} {cell.row}"
        if cell.unsupported is not None:
            unsupported += 1
            say(f"cannot run  {name}: {cell.unsupported}")
            continue
        clock = time.perf_counter()
        data = datasets[cell.dataset]
        spec = example(cell, device)
        vectors = data.vectors.fingerprint if cell.text_based and data.vectors is not None else ""
        spec = dataclasses.replace(spec, dataset_fingerprint=data.fingerprint, vectors=vectors)
        problems: tuple[str, ...] = () if cell.is_baseline else broken(spec, data)
        try:
            if not problems:
                start(spec, data).dry_run()
        except Exception as error:
            problems = (failed_result(spec, error).reason,)
        row = f"{cell.row} K={spec.steps}"
        if not problems:
            say(f"ok  {name} K={spec.steps}  {time.perf_counter() - clock:.1f} s")
            continue
        failed += 1
        first = told.setdefault((cell.dataset, cell.backbone, problems), row)
        for problem in problems if first == row else (f"the same as {first}",):
            say(f"broken  {name} K={spec.steps}  {problem}")
    if failed or unsupported:
        words = [f"{failed} of {len(cells)} cells do not work"] * bool(failed)
        words += [f"{unsupported} of {len(cells)} cannot run, and a run leaves them out"] * bool(unsupported)
        say(f"{'; '.join(words)}.")
    return failed


def _tested_user(datasets: Mapping[str, Dataset], data_dir: Path, name: str, user: str) -> int:
    """The number of a user by its id in the source; an `InputError` without such a user, or without its test rows."""
    from ..datasets import catalog

    number = catalog.user_number(name, user, data_dir=data_dir)
    if number not in datasets[name].test.users:
        raise InputError(f"evaluation.trace_users: user '{user}' of {name} has no test row, so that nothing is traced.")
    return number


def load_all(suite: Suite, cells: tuple[Cell, ...], data_dir: Path) -> dict[str, Dataset]:
    """Load a suite's data sets, with the item vectors that its cells need.

    Raises:
        DatasetError: lists every one that is not prepared, or has no vectors.
    """
    from ..datasets import catalog
    from ..plan.vectors import needed_vectors

    missing = [name for name in suite.datasets if not catalog.is_prepared(name, data_dir)]
    if missing:
        raise DatasetError("\n".join(catalog.not_prepared_message(name) for name in missing))
    for name in suite.datasets:
        catalog.refuse_one_item(catalog.card(name, data_dir))
    vectors = needed_vectors(suite, cells, data_dir)
    return {
        name: catalog.load_dataset(name, data_dir=data_dir, vectors=vectors.get(name, False)) for name in suite.datasets
    }


def _context(
    datasets: Mapping[str, Dataset], suite: Suite, options: RunOptions, *, shares_gpu: bool, software: Software | None
) -> WorkerContext:
    from .tune_worker import WorkerContext

    return WorkerContext(
        datasets=datasets,
        factory=options.trial,
        plugins=tuple(PluginFile.read(path) for path in suite.plugins),
        limits=TrialLimits(
            suite.name,
            every_s=suite.resources.checkpoint_every.seconds,
            timeout_s=suite.resources.timeout.seconds,
            keep=suite.resources.keep_checkpoints,
        ),
        shares_gpu=shares_gpu,
        software=software,
    )


def _stale(summary: TrialSummary) -> bool:
    from ..records.source import same_source

    return not same_source(summary.source_digest, summary.spec.backbone.kind, summary.spec.strategy.kind)


def _bytes(data: Dataset) -> int:
    splits = (data.train, data.valid, data.test)
    columns = (column for split in splits for column in (split.users, split.starts, split.ends, split.targets))
    vectors = data.vectors.values.nbytes if data.vectors is not None else 0
    return data.flat.nbytes + sum(int(column.nbytes) for column in columns) + vectors


def _header(datasets: Mapping[str, Dataset]) -> dict[str, Any]:
    return {
        "fingerprints": {name: data.fingerprint for name, data in datasets.items()},
        "dataset_facts": {name: _data_facts(data) for name, data in datasets.items()},
    }


def _data_facts(data: Dataset) -> dict[str, Any]:
    from ..datasets.data.summary import dropped_unseen
    from ..plan.vectors import vector_facts

    facts = {fact: data.card[fact] for fact in ("recipe", "protocol", "statistics") if fact in data.card}
    unseen = dropped_unseen(data.card)
    if unseen:
        facts["unseen_left_out"] = unseen
    return facts if data.vectors is None else {**facts, "vectors": vector_facts(data.vectors)}


def _circumstances(suite: Suite, options: RunOptions, device: str) -> dict[str, Any]:
    """How a run was started, for its log."""
    from ..records.provenance import software

    return {
        "command": options.command,
        "folder": working_folder(),
        "process": os.getpid(),
        "host": socket.gethostname(),
        "device": device,
        "options": {name: value for name, value in dataclasses.asdict(options).items() if name != "command"},
        "resources": suite.resources.model_dump(mode="json"),
        "plugins": list(suite.plugins),
        "environment": software(),
    }


def _facts(
    suite: Suite,
    cells: tuple[Cell, ...],
    tracker: RunTracker,
    *,
    taken: Sequence[str],
    max_concurrent: int,
    place: str,
    note: str = "",
) -> RunStarted:
    return RunStarted(
        suite=suite.name,
        cells=len(cells),
        totals=tracker.totals(),
        max_concurrent=max_concurrent,
        place=place,
        results=tracker.root,
        log=tracker.log_path,
        notes=(
            *([note] if note else []),
            *(f"taken over: {line}" for line in taken),
            *(
                f"{cell.dataset} {cell.backbone} {cell.row} cannot run: {cell.unsupported}"
                for cell in cells
                if cell.unsupported is not None
            ),
        ),
    )


def _compared(joined: Cluster, suite: Suite, *, cpu: float, gpu: float) -> Software | None:
    """What the nodes that will run trials have in common with this process; None on one machine."""
    if joined.owned:
        return None
    used = tuple(node for node in joined.nodes if node.fits(cpu=cpu, gpu=gpu))
    return compare(used, packaged_components(suite), place=joined.address)


def _place(joined: Cluster, gpu: float) -> str:
    count, unit = (joined.gpus, "GPU") if gpu > 0 else (joined.cpus, "core")
    place = f"{count:g} {unit}{'s' if count != 1 else ''}"
    return f"{place} of {len(joined.nodes)} nodes" if len(joined.nodes) > 1 else place
