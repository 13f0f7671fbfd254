"""The command line: a group that imports the module of a command when the command is asked for."""

from __future__ import annotations

from collections import UserDict
from importlib import import_module
from typing import Any

import click

from ._version import VERSION
from .harness.cli.program import PROGRAM, Program

COMMANDS = {
    "check": "check:check",
    "completion": "show:completion",
    "datasets": "data:datasets",
    "embed": "data:embed",
    "lint": "lint:lint",
    "list": "show:list_all",
    "plan": "run:plan",
    "prepare": "data:prepare",
    "profile": "profile:profile",
    "report": "report:report",
    "rerun": "run:rerun",
    "results": "results:results",
    "run": "run:run",
    "show": "show:show",
    "status": "status:status",
}
"""Name of a command to its module in `harness/cli` and its attribute there."""


class _Lazy(UserDict[str, Any]):
    def __getitem__(self, name: str) -> click.Command:
        module, _, attribute = self.data[name].partition(":")
        return getattr(import_module(f".harness.cli.{module}", __package__), attribute)


@click.group(
    PROGRAM,
    cls=Program,
    commands=_Lazy(COMMANDS),
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
