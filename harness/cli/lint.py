"""The command `lint`: are the numbers of a printed table possible?"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from .program import FAILED, takes_only


def _rows(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, int]:
    """Test rows by data set, "" for all."""
    rows = {}
    for text in given:
        name, _, number = text.rpartition("=")
        plain = number.replace(",", "")
        if not re.fullmatch(r"0*[1-9]\d{,14}", plain):
            raise click.BadParameter(f"'{text}' is no number of rows, such as 8865, or Yelp=8865 for one data set.")
        rows[name.strip()] = int(plain)
    return rows


@click.command()
@click.argument("tables", metavar="[TABLE]...", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--rows",
    multiple=True,
    metavar="[DATASET=]N",
    callback=_rows,
    help="Test rows, of all data sets or of one; can be repeated. Then recall must be a whole number of hits.",
)
@click.option("--seeds", type=click.IntRange(min=1), metavar="N", help="Runs behind each number; 1 for a single run.")
@click.option("--many-targets", is_flag=True, help="Test rows may have several targets: check no bounds within a row.")
@click.option("--source", type=click.Choice(["paper"]), help="The paper's printed tables 2 and 3, in place of TABLE.")
def lint(
    tables: tuple[Path, ...], rows: dict[str, int], seeds: int | None, many_targets: bool, source: str | None
) -> None:
    """Check that the numbers of a printed table are possible.

    TABLE is a CSV, Markdown or LaTeX file with metrics such as Recall@10, HR@10, N@20 or MRR@5, in its header or its
    rows, as fractions or in percent. A row that several tables have must have the same numbers in all. What is checked:
    docs/lint.md.

    \b
    Examples:
      rearec-bench lint table.md
      rearec-bench lint table2.csv --rows Yelp=8865 --rows Software=4992
      rearec-bench lint table2.csv --rows 8865 --seeds 1
      rearec-bench lint main.md table.md
      rearec-bench lint --source paper

    \b
    Exit status:
      0  nothing is impossible
      1  something is: lines name the cell, the arithmetic, the rounding
      2  no table can be read
    """
    from ..lint.lint import Facts, lint_files, lint_paper, render_findings
    from ..utils.errors import InputError

    if bool(tables) == bool(source):
        raise InputError("lint needs tables or --source paper, one of the two. Type:  rearec-bench lint TABLE.md")
    if source:
        takes_only("--source paper", "source")
    findings = lint_paper() if source else lint_files(tables, Facts(rows, seeds, many_targets))
    click.echo(render_findings(findings), nl=False)
    if findings.impossible:
        sys.exit(FAILED)
