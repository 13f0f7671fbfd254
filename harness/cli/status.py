"""The command `status`: the progress of suites, also while another process runs them."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .options import complete_stored_suite, results_option


@click.command()
@click.argument("suite", required=False, shell_complete=complete_stored_suite)
@results_option
@click.option("-f", "--follow", is_flag=True, help="Keep showing it until the run ends, or Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="As JSON; with --follow one object per change.")
def status(suite: str | None, results: Path, follow: bool, as_json: bool) -> None:
    """Show the progress of suites, while they run or afterwards.

    SUITE is a suite that was run, by its name or file; without one, all are listed, and the one that runs is shown in
    full.

    Per cell: trials running, finished, waiting. Then what each worker does, the pace and the time left; whether the run
    is alive, has ended or has crashed, and the command that resumes it. It only reads; use it from another terminal.

    \b
    Examples:
      rearec-bench status
      rearec-bench status smoke
      rearec-bench status smoke --follow
      rearec-bench status smoke --json

    The exit status is 0 whatever the state of the run.
    """
    from ..monitor.status_view import show
    from ..store.named import stored_name
    from ..store.store import Store

    store = Store(results)
    name = None if suite is None else stored_name(suite, store)
    show(store, name, out=sys.stdout, follow=follow, as_json=as_json)
