"""The command that measures inference and training; part of the command group in `cli.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .options import (
    complete_dataset,
    complete_suite,
    data_dir_option,
    no_plugins_option,
    results_option,
    set_option,
)
from .program import PROGRAM, with_folders


@click.command()
@click.argument("suite", required=False, shell_complete=complete_suite)
@click.option("--dataset", metavar="NAME", help="In place of a suite: data sets.", shell_complete=complete_dataset)
@click.option("--backbone", metavar="NAME", help="In place of a suite: backbones.  [default: sasrec]")
@click.option("--strategy", metavar="NAME", help="In place of a suite: strategies.  [default: prl]")
@click.option("--steps", metavar="K", help="In place of a suite: such as 2, 1,2,4 or 0..5.  [default: 0..5]")
@click.option(
    "--repeats",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Timed passes of each K, and timed training steps.",
)
@click.option("--rows", type=click.IntRange(min=1), metavar="N", help="Rank at most N test rows, evenly spaced.")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Of torch on the CPU.  [default: the suite's]")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), help="Where.  [default: by the suite's resources]")
@set_option
@results_option
@data_dir_option
@no_plugins_option
def profile(
    suite: str | None,
    dataset: str | None,
    backbone: str | None,
    strategy: str | None,
    steps: str | None,
    repeats: int,
    rows: int | None,
    threads: int | None,
    device: str | None,
    overrides: tuple[str, ...],
    results: Path,
    data_dir: Path,
) -> None:
    """Measure what inference and training cost, by K.

    Time, throughput, operations, memory and the distance to what the machine could do, for each number of steps of each
    row of a suite, and for K = 0. Nothing is trained for it but a few steps. More: docs/profile.md.

    \b
    Examples:
      rearec-bench profile smoke
      rearec-bench profile smoke --rows 100 --repeats 2 --set steps=[1,3]
      rearec-bench profile --dataset tiny --steps 2 --set training.batch_size=256
      rearec-bench report --table latency
    """
    from ..profile.options import suite_to_profile
    from ..profile.store import ProfileStore
    from ..store.store import Store
    from ..utils.meter import Meter

    given = {"dataset": dataset, "backbone": backbone, "strategy": strategy, "steps": steps}
    chosen = suite_to_profile(suite, given, overrides=overrides, threads=threads, store=Store(results))
    # only now, as importing torch is slow: mistakes are reported at once
    from ..profile.profile import profile_suite
    from ..report.profile import profile_text

    store = ProfileStore(results)
    meter = Meter(sys.stderr)
    done = []
    try:
        for measured in profile_suite(
            chosen, data_dir=data_dir, repeats=repeats, rows=rows, device=device, say=meter.say
        ):
            store.write(measured)
            done.append(measured)
    finally:
        meter.end()
    click.echo(profile_text(done, [store.path(measured) for measured in done]))
    click.echo(with_folders(f"\nAll formats:  {PROGRAM} report {chosen.name} --table latency"))
