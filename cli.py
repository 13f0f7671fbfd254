"""The command line: parses, calls the harness, prints. It has no logic of its own and imports what is heavy lazily."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ._version import VERSION

if TYPE_CHECKING:
    from .harness.ledger import RunOutcome
    from .harness.progress import Reporter
    from .harness.suite import Suite

PROGRAM = "rearec-bench"
FAILED, INVALID, INTERRUPTED = 1, 2, 130


class _Refused(click.ClickException):
    """An error of the harness as the terminal shows it: its own words, nothing else."""

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code

    def show(self, file: Any = None) -> None:
        click.echo(self.message, err=True)


class _Program(click.Group):
    """Turns the exceptions of the harness into exit codes."""

    def invoke(self, ctx: click.Context) -> Any:
        from .harness.errors import InputError, RearecError

        try:
            return super().invoke(ctx)
        except RearecError as error:
            if ctx.params.get("debug"):
                raise
            raise _Refused(str(error), exit_code=INVALID if isinstance(error, InputError) else FAILED) from error
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)


_results = click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results"),
    show_default=True,
    help="Folder that results are stored in.",
)
_data_dir = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data"),
    show_default=True,
    help="Folder that prepared data sets are in.",
)
_set = click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override a value of the suite, such as training.lr=0.01 or strategies.prl.decay=2; can be repeated.",
)


@click.group(cls=_Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, prog_name=PROGRAM, message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, envvar="REAREC_BENCH_DEBUG", help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """Compare inference-time reasoning methods for sequential recommendation.

    \b
    Try it, on generated data, in a minute:
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
@click.argument("suite")
@_results
@_data_dir
@_set
@click.option("--gpu", type=click.FloatRange(min=0), help="GPUs of one trial, such as 0.25.  [default: the suite's]")
@click.option("--cpu", type=click.FloatRange(min=0, min_open=True), help="Cores of one trial.  [default: the suite's]")
@click.option("--address", metavar="ADDR", help="Join the Ray that runs there instead of starting one.")
@click.option("--max-concurrent", type=click.IntRange(min=1), metavar="N", help="At most N trials at a time.")
@click.option("--max-trials", type=click.IntRange(min=0), metavar="N", help="Start at most N trials, then end.")
@click.option("--refresh", is_flag=True, help="Repeat stored trials whose components' source has changed.")
@click.option("--retry-failed", is_flag=True, help="Repeat trials that failed or diverged.")
@click.option("--dry-run", is_flag=True, help="Build every cell, run one batch of each, store nothing.")
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
    refresh: bool,
    retry_failed: bool,
    dry_run: bool,
) -> None:
    """Run what is left of SUITE, a file or the name of a suite that ships.

    The same command again goes on where it was interrupted; trials that are stored never run twice.

    \b
    Examples:
      rearec-bench run smoke
      rearec-bench run suites/ml100k.yaml --set search.trials=2
      rearec-bench run my.yaml --gpu 0.25 --max-concurrent 8
      rearec-bench run my.yaml --dry-run

    \b
    Exit status:
      0    all is done; trials that diverged are results, too
      1    done, with failed trials
      2    invalid input, nothing was started
      130  interrupted
    """
    from .harness import execute
    from .harness.store import Store

    loaded = _load(suite, overrides)
    if dry_run:
        execute.dry_run(_with_resources(loaded, gpu, cpu), data_dir=data_dir, say=click.echo)
        return
    store = Store(results, clean=True)
    options = execute.RunOptions(
        gpu=gpu,
        cpu=cpu,
        address=address,
        max_concurrent=max_concurrent,
        max_trials=max_trials,
        refresh=refresh,
        retry_failed=retry_failed,
    )
    outcome = execute.run_suite(loaded, store=store, data_dir=data_dir, options=options, reporter=_reporter())
    if outcome.interrupted:
        sys.exit(INTERRUPTED)
    from .harness.report.report import render_report

    click.echo("\n" + render_report([loaded.name], store=store))
    _conclude(outcome)


@main.command()
@click.argument("recipe")
@click.option("--source", type=click.Path(path_type=Path), help="Folder (or file) that holds the raw data.")
@click.option("--name", help="Name of the data set, for recipes that need one.")
@_data_dir
def prepare(recipe: str, source: Path | None, name: str | None, data_dir: Path) -> None:
    """Make a data set from raw files by RECIPE, once.

    \b
    Examples:
      rearec-bench prepare ml-100k --source DIR
      rearec-bench prepare released --name ml-100k --source DIR
      rearec-bench prepare sequences --name beauty --source DIR
    """
    from .harness.datasets import catalog
    from .harness.errors import InputError

    chosen = catalog.recipe_of(recipe)
    if source is None:
        raise InputError(
            f"the raw data is needed. Type:  {chosen.command(name or 'NAME')}\n  {chosen.contents(name or 'NAME')}"
        )
    dataset = catalog.prepare(recipe, source=source, data_dir=data_dir, name=name)
    click.echo(f"{dataset.name} is prepared.")


@main.command()
@click.argument("suites", metavar="[SUITE]...", nargs=-1)
@_results
@click.option("--table", metavar="NAME", help="overall, ceiling or steps.  [default: overall]")
@click.option(
    "--format",
    "form",
    type=click.Choice(["markdown", "latex", "csv", "json"]),
    help="Of the output.  [default: by the ending of -o, else markdown]",
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write to.")
@click.option("--spread", is_flag=True, help="Show standard deviations over seeds (csv and json always have them).")
@click.option(
    "--layout",
    type=click.Choice(["wide", "compact"]),
    default="wide",
    show_default=True,
    help="wide: backbones across, as in the paper; compact: below each other.",
)
@click.option(
    "--source",
    type=click.Choice(["store", "paper"]),
    default="store",
    show_default=True,
    help="paper: the numbers that the paper prints, as table2, table3 or table4.",
)
def report(
    suites: tuple[str, ...],
    results: Path,
    table: str | None,
    form: str | None,
    output: Path | None,
    spread: bool,
    layout: str,
    source: str,
) -> None:
    """Print the tables of stored suites; of all of them where no SUITE is named.

    \b
    Examples:
      rearec-bench report
      rearec-bench report smoke --table ceiling
      rearec-bench report smoke --format latex -o table2.tex
      rearec-bench report smoke --format csv
      rearec-bench report --source paper --table table2
    """
    from .harness.report.report import render_report
    from .harness.store import Store

    endings = {".tex": "latex", ".csv": "csv", ".json": "json"}
    text = render_report(
        suites,
        store=Store(results),
        table=table or ("overall" if source == "store" else "table2"),
        format=form or (endings.get(output.suffix, "markdown") if output else "markdown"),
        spread=spread,
        layout=layout,
        source=source,
    )
    _write(text, output)


def _load(text: str, overrides: tuple[str, ...]) -> Suite:
    from .harness.suite import load_suite

    path = Path(text)
    shipped = Path(__file__).parent / "suites" / f"{text}.yaml"
    if not path.is_file() and path.name == text and shipped.is_file():
        path = shipped
    return load_suite(path, overrides=overrides)


def _with_resources(suite: Suite, gpu: float | None, cpu: float | None) -> Suite:
    given = {name: value for name, value in (("gpu", gpu), ("cpu", cpu)) if value is not None}
    return suite.model_copy(update={"resources": suite.resources.model_copy(update=given)})


def _reporter() -> Reporter:
    from .harness.terminal import reporter_for

    return reporter_for(sys.stdout)


def _conclude(outcome: RunOutcome) -> None:
    for note in outcome.notes:
        click.echo(note, err=True)
    for key, reason in outcome.failed:
        click.echo(f"failed  {key[:8]}  {reason}   ({PROGRAM} show {key[:8]})", err=True)
    if outcome.left:
        click.echo(f"{outcome.left} trials are left; the same command goes on.", err=True)
    if outcome.failed:
        click.echo(
            f"{len(outcome.failed)} trial{'s' if len(outcome.failed) != 1 else ''} failed; "
            "`--retry-failed` repeats them.",
            err=True,
        )
        sys.exit(FAILED)


def _write(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=not text.endswith("\n"))
        return
    from .harness.atomic import write_file
    from .harness.errors import InputError

    try:
        write_file(output, text.encode())
    except OSError as error:
        raise InputError(f"{output} cannot be written: {error.strerror or error}.") from error
