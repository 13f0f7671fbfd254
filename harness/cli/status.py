"""The command `status`: how suites stand, also while another process runs them."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .options import complete_stored_suite, results_option


@click.command()
@click.argument("suite", required=False, shell_complete=complete_stored_suite)
@results_option
@click.option("-f", "--follow", is_flag=True, help="Go on until the run has ended, or Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="For other programs; with --follow one object a change.")
def status(suite: str | None, results: Path, follow: bool, as_json: bool) -> None:
    """Say how suites stand, while they run or afterwards.

    SUITE is the name of a suite that was run; without one, all are listed, and the one that runs is shown in full.

    Per cell: what runs, is over, waits. Then what each worker does, the pace, the time left; whether the run is alive,
    has ended, or is gone without a word, and what to type to go on. It only reads, and works from a second terminal.

    \b
    Examples:
      rearec-bench status
      rearec-bench status smoke
      rearec-bench status smoke --follow
      rearec-bench status smoke --json

    The exit status is 0 however the run stands.
    """
    from ..monitor.status_view import show
    from ..store.store import Store

    show(Store(results), suite, out=sys.stdout, follow=follow, as_json=as_json)
