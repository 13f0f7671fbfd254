"""The command `check`: does a plug-in keep the contracts of backbones and strategies?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .options import data_dir_option
from .program import FAILED


@click.command()
@click.argument("plugin", metavar="PLUGIN.py", type=click.Path(path_type=Path))
@data_dir_option
def check(plugin: Path, data_dir: Path) -> None:
    """Check that a plug-in keeps its contracts.

    Each of its backbones runs with every strategy, each of its strategies with a causal and a bidirectional backbone,
    on the data set `tiny` with their default settings and K = 0 and 2: shapes, masks and padding, what may attend to
    what, caches, losses and gradients, then one batch of training. The contracts: docs/plugins.md.

    \b
    Example:
      rearec-bench check last_two.py

    \b
    Exit status:
      0  it keeps them
      1  it does not: a line names the row, the method, what is wrong
      2  the file cannot be loaded
    """
    from ..run import runner as execute
    from ..run.plugins import is_own, suite_of_plugin

    suite = suite_of_plugin(plugin)
    if execute.dry_run(suite, data_dir=data_dir, say=click.echo, keep=lambda cell: is_own(cell, suite)):
        sys.exit(FAILED)
