"""The commands that look after a folder of results; `cli.py` puts them beside the others."""

from __future__ import annotations

import sys
from contextlib import ExitStack, nullcontext
from functools import partial
from pathlib import Path

import click

from .options import (
    complete_stored_suite,
    complete_suite,
    counting,
    data_dir_option,
    no_plugins_option,
    results_option,
    screen_width,
    write_text,
)
from .program import FAILED, PROGRAM, command_line

_folder = click.Path(path_type=Path, file_okay=False, exists=True)
_format_option = click.option(
    "--format", "form", type=click.Choice(["markdown", "latex", "csv", "json"]), default="markdown", show_default=True
)
_output_option = click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write to."
)
_SHOWN = 200  # findings of one kind are printed one by one up to here


@click.group()
def results() -> None:
    """Look after folders of results.

    \b
    Examples:
      rearec-bench results verify
      rearec-bench results merge results OTHER
      rearec-bench results diff results OTHER
      rearec-bench results export lab.tar.zst
      rearec-bench results audit OTHER
      rearec-bench results sql "describe trials"
    """


@results.command("verify")
@results_option
@click.option("--fix", is_flag=True, help="Move what is damaged to the folder's quarantine.")
def verify_results(results: Path, fix: bool) -> None:
    """Check every stored byte, and list what is damaged.

    Nothing is changed without --fix. With it, damaged trials and files are moved to quarantine/ in the folder, each
    with the reason beside it; trials count as not run then, and the next run repeats them.

    \b
    Examples:
      rearec-bench results verify
      rearec-bench results verify --results OTHER
      rearec-bench results verify --fix

    \b
    Exit status:
      0  all is as it was written, or what was damaged is set aside (--fix)
      1  something is damaged
    """
    from ..store.store import Store
    from ..store.verify import verify
    from ..utils.text import counted, one_line

    store = Store(results, tell=partial(click.echo, err=True))
    fixing = store.locked("results verify --fix") if fix and results.is_dir() else nullcontext()
    with fixing, counting("verifying") as reach:
        report = verify(store, fix=fix, reach=reach)
    for finding in report.findings[:_SHOWN]:
        moved = f"; now {finding.moved}" if finding.moved else ""
        click.echo(one_line(f"{finding.kind:<11}{finding.path}: {finding.why}{moved}"))
    if len(report.findings) > _SHOWN:
        click.echo(f"and {len(report.findings) - _SHOWN:,} more")
    looked = f"{counted(report.trials, 'trial')}, {counted(report.suites, 'suite')}"
    count = report.unreadable_lines
    torn = f" {count:,} log lines cannot be read, as runs that were killed leave them." if count else ""
    if not report.findings:
        click.echo(f"{looked}: all as they were written.{torn}")
        return
    click.echo(f"{looked}: {len(report.findings):,} {'findings, all out of the way now' if fix else 'findings'}.{torn}")
    if not fix:
        click.echo(f"Move what is damaged out of the way:  {command_line()} --fix", err=True)
        sys.exit(FAILED)


@results.command("merge")
@click.argument("first", metavar="A", type=_folder)
@click.argument("second", metavar="B", type=_folder)
@click.option(
    "-o", "--output", metavar="C", type=click.Path(path_type=Path, file_okay=False), help="Merge both into C."
)
def merge_results(first: Path, second: Path, output: Path | None) -> None:
    """Bring trials and suites of B into A, or of both into C.

    A trial that is in both stays as it is in A; if its ranks differ in B, it is named. A suite that is in both keeps
    A's rows, with the trials of both.

    \b
    Examples:
      rearec-bench results merge results OTHER
      rearec-bench results merge results OTHER -o BOTH

    \b
    Exit status:
      0  merged
      1  merged, except for the trials named: different in both, or damaged
    """
    from ..store.merge import merge
    from ..store.store import Store, check_is_results
    from ..utils.text import counted, one_line

    target = Store(first if output is None else output, tell=partial(click.echo, err=True))
    conflicts: list[str] = []
    sources = [second] if output is None else [first, second]
    for source in sources:
        check_is_results(source)
    with target.locked("results merge"):
        for source in sources:
            with counting("merging") as reach:
                done = merge(target, Store(source), reach=reach)
            suites = f"; suites {', '.join(done.suites)}" if done.suites else ""
            click.echo(
                f"{source} into {target.root}: {counted(done.added, 'trial')} added, {done.same:,} were there{suites}"
            )
            conflicts += done.conflicts
    for line in conflicts:
        click.echo(one_line(line), err=True)
    if conflicts:
        sys.exit(FAILED)


@results.command("diff")
@click.argument("first", metavar="A", type=_folder)
@click.argument("second", metavar="B", type=_folder)
@click.option("--suite", "suites", multiple=True, shell_complete=complete_stored_suite, help="Compare this suite only.")
@_format_option
@_output_option
def diff_results(first: Path, second: Path, suites: tuple[str, ...], form: str, output: Path | None) -> None:
    """List the trials and the cells of tables that differ.

    Cells that differ by more than chance are marked. Times, memory and machine do not count. A cell's change comes with
    95% intervals, over users and over seeds.

    \b
    Examples:
      rearec-bench results diff results OTHER
      rearec-bench results diff results OTHER --suite smoke --format csv

    \b
    Exit status:
      0  the same
      1  something differs
    """
    from ..analysis.differences import compare_suite, compare_trials
    from ..report.report import render
    from ..report.tables.differences import difference_table, is_same
    from ..store.store import Store
    from ..utils.errors import InputError

    stores = Store(first), Store(second)
    both = [name for name in stores[0].suites() if name in stores[1].suites()]
    for name in suites:
        if name not in both:
            raise InputError(f"there is no suite '{name}' in both folders. In both: {', '.join(both) or 'none'}.")
    with counting("comparing") as reach:
        trials = compare_trials(*stores, reach=reach)
    compared = [compare_suite(name, *stores) for name in suites or both]
    table = difference_table(trials, compared, names=(str(first), str(second)))
    write_text(render([table], format=form, width=screen_width() if output is None else None), output)
    if not is_same(trials, compared):
        sys.exit(FAILED)


@results.command("export")
@click.argument("target", type=click.Path(path_type=Path))
@results_option
@click.option("--suite", "suites", multiple=True, shell_complete=complete_stored_suite, help="Export this suite only.")
@click.option("--to", "form", type=click.Choice(["trec", "optuna", "mlflow"]), help="Write these files instead.")
def export_results(target: Path, results: Path, suites: tuple[str, ...], form: str | None) -> None:
    """Pack suites and their trials, for others to take over.

    TARGET is a new folder, or a file that ends with .tar.zst or .tar.gz. It is a results folder itself: report, show
    and results merge read it. Logs, checkpoints and profiles stay.

    With --to trec, TARGET is a folder of run files and qrels of all final runs; with --to optuna, an SQLite file with a
    study for each cell that was searched, which optuna-dashboard opens; with --to mlflow, one with an experiment for
    each suite and a run for each trial, which mlflow ui opens.

    \b
    Examples:
      rearec-bench results export lab.tar.zst
      rearec-bench results export lab --suite smoke
      rearec-bench results export runs --to trec
      rearec-bench results export studies.db --to optuna
      rearec-bench results export runs.db --to mlflow
    """
    from ..store.archive import export
    from ..store.store import Store
    from ..utils.errors import InputError
    from ..utils.text import counted

    store = Store(results)
    stored, suites = store.suites(), tuple(dict.fromkeys(suites))
    for name in suites:
        if name not in stored:
            raise InputError(f"there is no suite '{name}' in {results}. Stored: {', '.join(stored) or 'none'}.")
    if not stored:
        raise InputError(f"there is no suite in {results}. Name a folder of results with --results.")
    if form == "trec":
        from ..report.report import note_early
        from ..report.trec import write_trec

        runs, qrels = write_trec(suites or stored, store, target)
        note_early(store, "results export --to trec", suites=suites)
        click.echo(f"{target}: {counted(runs, 'run file')}, {qrels:,} qrels.")
        return
    if form == "optuna":
        from ..report.studies import write_studies

        studies, trials = write_studies(suites or stored, store, target)
        words = "1 study" if studies == 1 else f"{studies:,} studies"
        click.echo(f"{target}: {words}, {counted(trials, 'trial')}. To look at them:")
        click.echo(f"  optuna-dashboard sqlite:///{target}")
        return
    if form == "mlflow":
        from ..report.experiments import write_experiments
        from ..report.report import note_early

        with counting("exporting") as reach:
            experiments, trials = write_experiments(suites or stored, store, target, reach=reach)
        note_early(store, "results export --to mlflow", suites=suites)
        words = f"{counted(experiments, 'experiment')}, {counted(trials, 'run')}"
        click.echo(f"{target}: {words}. To look at them, where the package mlflow is installed:")
        click.echo(f"  mlflow ui --backend-store-uri sqlite:///{target}")
        return
    with counting("checking") as reach:
        count = export(store, suites or stored, target, reach=reach)
    click.echo(f"{target}: {counted(count, 'trial')} of {', '.join(suites or stored)}. To take them over elsewhere:")
    click.echo(f"  {PROGRAM} run SUITE --from {target}")


@results.command("audit")
@click.argument("source", metavar="PATH", type=click.Path(path_type=Path))
@data_dir_option
@click.option("--sample", type=click.IntRange(min=1), default=3, show_default=True, help="Trials to run again.")
@click.option("--seed", type=click.IntRange(min=0), help="Draws the sample.  [default: another each time]")
@click.option(
    "--tolerance",
    type=click.FloatRange(0, 1),
    default=0.05,
    show_default=True,
    help="Relative, of each metric where machine, libraries or source are others.",
)
@click.option("--suite", shell_complete=complete_suite, help="Your suite, whose plug-ins and item vectors trials need.")
@no_plugins_option
def audit_results(
    source: Path, data_dir: Path, sample: int, seed: int | None, tolerance: float, suite: str | None
) -> None:
    """Run a random sample of others' trials again, and compare.

    PATH is an export or another folder of results. Nothing is stored. On the same machine, libraries and source every
    rank has to be the same; elsewhere every metric within the tolerance. Code that PATH names is never run.

    \b
    Examples:
      rearec-bench results audit OTHER
      rearec-bench results audit OTHER --sample 1 --seed 7

    \b
    Exit status:
      0  all that were run again agree
      1  a trial differs
      2  invalid input, or PATH is refused
    """
    import secrets

    from ..report.trial import trial_name
    from ..run.rerun import rerun, sampled
    from ..store.named import named_suite
    from ..store.others import opened
    from ..utils.errors import InputError
    from ..utils.text import counted, one_line

    suites = [named_suite(suite, data_dir=data_dir)] if suite else []
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    with ExitStack() as stack:
        with counting("checking") as reach:
            theirs = stack.enter_context(opened(source, reach=reach)).store
        keys = sampled(theirs, sample, seed)
        if not keys:
            raise InputError(f"there is no trial in {source} to run again.")
        click.echo(f"{counted(len(keys), 'trial')} of {len(theirs.keys()):,}, drawn by --seed {seed}")
        differing = 0
        for key in keys:
            done = rerun(key, store=theirs, data_dir=data_dir, suites=suites)
            wrong = done.beyond(tolerance)
            differing += bool(wrong)
            agrees = "every rank is the same" if done.identical else f"every metric within {tolerance:.0%}"
            spec = done.stored.spec
            name = f"{key[:8]}  {trial_name(spec)}, {spec.purpose}, seed {spec.seed}"
            click.echo(one_line(f"{name}: {'DIFFERENT' if wrong else agrees}"))
            for line in (*wrong, *(() if done.identical else done.circumstances)):
                click.echo(one_line(f"          {line}"))
    click.echo(
        f"{counted(differing, 'trial')} of {len(keys):,} differ{'s' * (differing == 1)}." if differing else "All agree."
    )
    if differing:
        sys.exit(FAILED)


@results.command("sql")
@click.argument("statement")
@results_option
@_format_option
@_output_option
def sql_results(statement: str, results: Path, form: str, output: Path | None) -> None:
    """Ask in SQL, with DuckDB.

    Views: trials (a line per trial and cell), epochs (per trial and epoch), rows (per trial, split and ranked row).
    `describe trials` lists columns. Nothing stored is changed, and no other file is read or written.

    \b
    Examples:
      rearec-bench results sql "describe trials"
      rearec-bench results sql "select key, loss_total from epochs"
      rearec-bench results sql "from rows limit 9" --format csv
    """
    from ..report.query import answer_table
    from ..report.report import note_early, render
    from ..store.sql import query
    from ..store.store import Store

    store = Store(results)
    table = answer_table(query(store, statement, shown=partial(note_early, store, "results sql")))
    write_text(render([table], format=form, width=screen_width() if output is None else None), output)
