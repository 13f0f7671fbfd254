"""The command line: parses, calls the harness, prints. It has no logic of its own and imports what is heavy lazily."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ._version import VERSION
from .harness.cli.data import datasets, embed, prepare
from .harness.cli.options import (
    DURATION,
    FAILED,
    INTERRUPTED,
    PROGRAM,
    TERMINATED,
    UNFINISHED,
    Program,
    command_line,
    data_dir_option,
    no_plugins_option,
    results_option,
    set_option,
    suite_argument,
    terminal_width,
    trial_argument,
    write_text,
)
from .harness.cli.profile import profile
from .harness.cli.report import report
from .harness.cli.results import results as results_group
from .harness.cli.status import status

if TYPE_CHECKING:
    from .harness.records.results import EpochProgress
    from .harness.run.outcome import RunOutcome
    from .harness.suite.load import Suite


@click.group(
    PROGRAM,
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(VERSION, prog_name=PROGRAM, message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, envvar="REAREC_BENCH_DEBUG", help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """Compare inference-time reasoning methods for sequential recommendation.

    \b
    Try it on generated data, in a minute:
      rearec-bench run smoke

    \b
    On real data:
      rearec-bench prepare ml-100k --source DIR
      rearec-bench plan ml100k
      rearec-bench run ml100k
      rearec-bench report ml100k --format latex

    Every command has a --help with examples.
    """


@main.command()
@suite_argument
@results_option
@data_dir_option
@set_option
@click.option("--gpu", type=click.FloatRange(min=0), help="GPUs of one trial, such as 0.25.  [default: the suite's]")
@click.option("--cpu", type=click.FloatRange(min=0, min_open=True), help="Cores of one trial.  [default: the suite's]")
@click.option("--address", metavar="ADDR", help="Join a Ray: auto, or HOST:PORT of its head. See docs/cluster.md.")
@click.option("--max-concurrent", type=click.IntRange(min=1), metavar="N", help="Run at most N trials at a time.")
@click.option("--max-trials", type=click.IntRange(min=1), metavar="N", help="Start at most N trials, then end.")
@click.option("--time-budget", type=DURATION, metavar="TIME", help="Start no trials after TIME, such as 90m or 1h30m.")
@click.option("--refresh", is_flag=True, help="Repeat stored trials whose components' source has changed.")
@click.option("--retry-failed", is_flag=True, help="Repeat trials that failed or diverged.")
@click.option("--wait", is_flag=True, help="Wait where another run writes to the same results.")
@click.option("--dry-run", is_flag=True, help="Build every cell, run one batch of each, store nothing.")
@no_plugins_option
def run(
    suite: str,
    results: Path,
    data_dir: Path,
    overrides: tuple[str, ...],
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

    The same command again goes on where it was interrupted; trials that are stored never run twice. `rearec-bench
    status` says from another terminal how it gets on.

    After --time-budget no more trials start. Those under way may take another tenth of it, ten minutes at most; then
    they save a checkpoint and end, and the same command goes on with them. Ctrl-C and SIGTERM have them save at once.

    \b
    Examples:
      rearec-bench run smoke
      rearec-bench run my.yaml
      rearec-bench run my.yaml --dry-run
      rearec-bench run my.yaml --set name=my_wide --set backbones.sasrec.width=128
      rearec-bench run my.yaml --gpu 0.25 --max-concurrent 8
      rearec-bench run my.yaml --time-budget 8h

    \b
    Exit status:
      0    all is done, or all that --max-trials lets start; diverged is a result
      1    the same, with failed trials
      2    invalid input, nothing was started
      3    the time budget is over, and trials are left
      130  interrupted by Ctrl-C
      143  ended by SIGTERM
    """
    from .harness.monitor.terminal import reporter_for
    from .harness.report.report import render_report
    from .harness.run import runner as execute
    from .harness.run.plugins import warning as plugin_warning
    from .harness.store.store import Store

    loaded = _load(suite, overrides)
    if words := plugin_warning(loaded):
        click.echo(words)
    if dry_run:
        execute.dry_run(_with_resources(loaded, gpu, cpu), data_dir=data_dir, say=click.echo)
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
    with store.locked(f"suite '{loaded.name}'", wait=wait):
        outcome = execute.run_suite(loaded, store=store, data_dir=data_dir, options=options, reporter=reporter)
    if outcome.interrupted:
        sys.exit(TERMINATED if outcome.ended_by == "terminated" else INTERRUPTED)
    click.echo()
    write_text(render_report([loaded.name], store=store), None)
    _conclude(outcome)


@main.command()
@suite_argument
@results_option
@data_dir_option
@set_option
@no_plugins_option
def plan(suite: str, results: Path, data_dir: Path, overrides: tuple[str, ...]) -> None:
    """Say what a run would do: cells, trials, time.

    SUITE is a file, or the name of a suite that ships.

    \b
    Examples:
      rearec-bench plan smoke
      rearec-bench plan my.yaml --set search.trials=40
    """
    from .harness.report.plan import plan_report
    from .harness.store.store import Store

    click.echo(plan_report(_load(suite, overrides), store=Store(results), data_dir=data_dir))


main.add_command(report)
main.add_command(prepare)
main.add_command(embed)
main.add_command(datasets)
main.add_command(results_group)
main.add_command(profile)
main.add_command(status)


@main.command("list")
@data_dir_option
@no_plugins_option
def list_all(data_dir: Path) -> None:
    """List backbones, strategies, settings, data sets, suites.

    Settings come with their default, the paper's symbol, what is allowed and the values that the paper searches.

    \b
    Example:
      rearec-bench list
    """
    from .harness.cli.listing import inventory

    click.echo(inventory(data_dir=data_dir, width=terminal_width()))


@main.command()
@trial_argument
@results_option
def show(trial: str, results: Path) -> None:
    """Show everything that is stored of a trial.

    TRIAL is the beginning of its key.

    \b
    Example:
      rearec-bench show 7f3a91c2
    """
    from .harness.report.trial import trial_text
    from .harness.store.store import Store

    store = Store(results)
    click.echo(trial_text(store.find(trial), store=store, width=terminal_width()))


@main.command()
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
    from .harness.run import rerun as harness_rerun
    from .harness.store.store import Store

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


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what a shell needs to complete commands.

    Suites, data sets, recipes and trials are completed, too.

    \b
    Add one line to the file that your shell reads at its start:
      eval "$(rearec-bench completion bash)"        # ~/.bashrc
      eval "$(rearec-bench completion zsh)"         # ~/.zshrc
      rearec-bench completion fish | source         # ~/.config/fish/config.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is not None:
        click.echo(kind(main, {}, PROGRAM, "_REAREC_BENCH_COMPLETE").source())


def _load(text: str, overrides: tuple[str, ...]) -> Suite:
    from .harness.suite.bundled import find_suite
    from .harness.suite.load import load_suite

    return load_suite(find_suite(text), overrides=overrides)


def _with_resources(suite: Suite, gpu: float | None, cpu: float | None) -> Suite:
    given = {name: value for name, value in (("gpu", gpu), ("cpu", cpu)) if value is not None}
    return suite.model_copy(update={"resources": suite.resources.model_copy(update=given)})


def _conclude(outcome: RunOutcome) -> None:
    """What is wrong or left, and the exit status."""
    for note in outcome.notes:
        click.echo(note, err=True)
    for key, reason in outcome.failed:
        click.echo(f"failed  {key[:8]}  {reason}   ({PROGRAM} show {key[:8]})", err=True)
    over = outcome.ended_by == "time budget"
    if outcome.left:
        why = "The time budget is over. " if over else ""
        click.echo(f"{why}{outcome.left} trials are left. Go on with the same command.", err=True)
    if outcome.failed:
        click.echo("Repeat failed trials with --retry-failed.", err=True)
    if over or outcome.failed:
        sys.exit(UNFINISHED if over else FAILED)
