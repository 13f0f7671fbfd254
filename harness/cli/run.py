"""The commands `run`, `plan` and `rerun`: trials of a suite, started, counted and repeated."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import (
    counting,
    data_dir_option,
    duration,
    from_option,
    no_plugins_option,
    results_option,
    screen_width,
    set_option,
    share,
    suite_argument,
    trial_argument,
    write_text,
)
from .program import FAILED, INTERRUPTED, PROGRAM, TERMINATED, UNFINISHED, command_line, takes_only, with_folders

if TYPE_CHECKING:
    from ..records.results import EpochProgress
    from ..run.outcome import RunOutcome
    from ..run.runner import RunOptions
    from ..suite.load import Suite


@click.command()
@suite_argument
@results_option
@data_dir_option
@set_option
@from_option
@click.option("--gpu", type=click.FloatRange(min=0), help="GPUs of one trial, such as 0.25.  [default: the suite's]")
@click.option("--cpu", type=click.FloatRange(min=0, min_open=True), help="Cores of one trial.  [default: the suite's]")
@click.option("--address", metavar="ADDR", help="Join a Ray: auto, or HOST:PORT of its head. See docs/cluster.md.")
@click.option("--max-concurrent", type=click.IntRange(min=1), metavar="N", help="Run at most N trials at a time.")
@click.option("--max-trials", type=click.IntRange(min=1), metavar="N", help="Start at most N trials, then end.")
@click.option("--time-budget", type=duration, metavar="TIME", help="Start no trials after TIME, such as 90m or 1h30m.")
@click.option("--refresh", is_flag=True, help="Repeat stored trials whose components' source has changed.")
@click.option("--retry-failed", is_flag=True, help="Repeat trials that failed or diverged.")
@click.option("--wait", is_flag=True, help="Wait if another run writes to the same results.")
@click.option("--dry-run", is_flag=True, help="Build every cell, run one batch of each, store nothing.")
@no_plugins_option
def run(
    suite: str,
    results: Path,
    data_dir: Path,
    overrides: tuple[str, ...],
    sources: tuple[Path, ...],
    gpu: float | None,
    cpu: float | None,
    address: str | None,
    max_concurrent: int | None,
    max_trials: int | None,
    time_budget: float | None,
    refresh: bool,
    retry_failed: bool,
    wait: bool,
    dry_run: bool,
) -> None:
    """Run what is left of a suite.

    SUITE is a file, or the name of a suite that ships.

    Interrupt at any time; rerun the command to resume. Stored trials never run twice. `rearec-bench status` shows
    progress from another terminal.

    After --time-budget no more trials start. Those under way may take another tenth of it, ten minutes at most; then
    they save a checkpoint and end; rerun the command to resume them. On Ctrl-C and SIGTERM they save at once.

    \b
    Examples:
      rearec-bench run smoke
      rearec-bench run my.yaml
      rearec-bench run my.yaml --dry-run
      rearec-bench run my.yaml --set name=my_wide --set backbones.sasrec.width=128
      rearec-bench run my.yaml --gpu 0.25 --max-concurrent 8
      rearec-bench run my.yaml --time-budget 8h
      rearec-bench run my.yaml --from OTHER

    \b
    Exit status:
      0    all is done, or all that --max-trials lets start; diverged is a result
      1    the same, with failed trials
      2    invalid input, nothing was started
      3    the time budget is over, and trials are left
      130  interrupted by Ctrl-C
      143  ended by SIGTERM
    """
    from ..monitor.terminal import reporter_for
    from ..report.report import render_report
    from ..run import runner as execute
    from ..run.plugins import warning as plugin_warning
    from ..run.sequential import run_in_looks
    from ..store.named import named_suite
    from ..store.others import all_opened
    from ..store.store import Store

    loaded = named_suite(suite, overrides=overrides, data_dir=data_dir)
    if words := plugin_warning(loaded):
        click.echo(words)
    if dry_run:
        if execute.dry_run(_with_resources(loaded, gpu, cpu), data_dir=data_dir, say=click.echo):
            sys.exit(FAILED)
        return
    store = Store(results, tell=partial(click.echo, err=True))
    options = execute.RunOptions(
        gpu=gpu,
        cpu=cpu,
        address=address,
        max_concurrent=max_concurrent,
        max_trials=max_trials,
        refresh=refresh,
        retry_failed=retry_failed,
        time_budget_s=time_budget,
        command=command_line(),
    )
    reporter = reporter_for(sys.stdout)
    with (
        store.locked(f"suite '{loaded.name}'", wait=wait),
        counting("checking") as reach,
        all_opened(sources, store, takes=True, reach=reach) as others,
    ):

        def stage(options: RunOptions) -> RunOutcome:
            return execute.run_suite(
                loaded, store=store, data_dir=data_dir, options=options, reporter=reporter, others=others
            )

        outcome = run_in_looks(loaded, stage, options, store=store)
    if outcome.interrupted:
        sys.exit(TERMINATED if outcome.ended_by == "terminated" else INTERRUPTED)
    click.echo()
    write_text(render_report([loaded.name], store=store, width=screen_width()), None)
    _conclude(outcome)


@click.command()
@suite_argument
@results_option
@data_dir_option
@set_option
@from_option
@click.option(
    "--detect", type=share, metavar="PERCENT", help="What detecting a difference of that size takes, such as 3%."
)
@no_plugins_option
def plan(
    suite: str,
    results: Path,
    data_dir: Path,
    overrides: tuple[str, ...],
    sources: tuple[Path, ...],
    detect: float | None,
) -> None:
    """Show what a run would do: cells, trials, time.

    SUITE is a file, or the name of a suite that ships or that was run.

    --detect instead shows what differences the suite can detect, and what one of that size takes, from stored runs.

    \b
    Examples:
      rearec-bench plan smoke
      rearec-bench plan my.yaml --set search.trials=40
      rearec-bench plan my.yaml --from OTHER
      rearec-bench plan my.yaml --detect 3%
    """
    from ..report.plan import plan_report
    from ..report.power import power_report
    from ..store.named import named_suite
    from ..store.others import all_opened
    from ..store.store import Store
    from ..utils.text import wrapped

    store = Store(results)
    chosen = named_suite(suite, overrides=overrides, store=store, data_dir=data_dir)
    if detect is not None:
        takes_only("--detect", "suite", "results", "data_dir", "overrides", "detect")
        click.echo(power_report(chosen, detect, store=store, typed=suite, width=screen_width()))
        return
    with counting("checking") as reach, all_opened(sources, store, takes=False, reach=reach) as others:
        planned = plan_report(chosen, store=store, data_dir=data_dir, others=others)
    click.echo(wrapped(with_folders(planned), screen_width()))


@click.command()
@trial_argument
@results_option
@data_dir_option
@no_plugins_option
def rerun(trial: str, results: Path, data_dir: Path) -> None:
    """Run a stored trial again and compare.

    TRIAL is the beginning of its key. Nothing is stored.

    \b
    Example:
      rearec-bench rerun 7f3a91c2

    \b
    Exit status:
      0  identical
      1  different, or an error
    """
    from ..run import rerun as harness_rerun
    from ..store.store import Store

    store = Store(results)
    key = store.find(trial)
    metric = store.summary(key).spec.metric

    def on_epoch(progress: EpochProgress) -> None:
        value = progress.validation[metric]
        click.echo(f"epoch {progress.epoch:3}   loss {progress.losses['total']:.4f}   val {metric} {value:.4f}")

    comparison = harness_rerun.rerun(key, store=store, data_dir=data_dir, on_epoch=on_epoch)
    for line in comparison.circumstances:
        click.echo(line)
    for line in comparison.differences:
        click.echo(line)
    click.echo(f"{key[:8]}: {'identical: every rank is the same' if comparison.identical else 'different'}.")
    if not comparison.identical:
        sys.exit(FAILED)


def _with_resources(suite: Suite, gpu: float | None, cpu: float | None) -> Suite:
    given = {name: value for name, value in (("gpu", gpu), ("cpu", cpu)) if value is not None}
    return suite.model_copy(update={"resources": suite.resources.model_copy(update=given)})


def _conclude(outcome: RunOutcome) -> None:
    """What is wrong or left, and the exit status."""
    from ..utils.text import counted

    for note in outcome.notes:
        click.echo(note, err=True)
    for key, reason in outcome.failed:
        click.echo(f"failed  {key[:8]}  {reason}   ({PROGRAM} show {key[:8]})", err=True)
    over = outcome.ended_by == "time budget"
    if outcome.left:
        why = "The time budget is over. " if over else ""
        are = "is" if outcome.left == 1 else "are"
        click.echo(f"{why}{counted(outcome.left, 'trial')} {are} left. Rerun the command to resume.", err=True)
    if outcome.failed:
        click.echo("Repeat failed trials with --retry-failed.", err=True)
    if over or outcome.failed:
        sys.exit(UNFINISHED if over else FAILED)
