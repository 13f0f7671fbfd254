"""The command `report`: tables, figures, the page and the paper kit of stored suites."""

from __future__ import annotations

from pathlib import Path

import click

from .options import complete_stored_suite, data_dir_option, results_option, screen_width, write_text
from .program import takes_only, with_folders


@click.command()
@click.argument("suites", metavar="[SUITE]...", nargs=-1, shell_complete=complete_stored_suite)
@results_option
@click.option(
    "--table",
    metavar="NAME",
    help="overall, significance, ranks, ablation, steps, sensitivity, ceiling, adaptive or budget; groups, beyond or "
    "claims: with the prepared data sets; latency: of profiles; datasets or funnel: of prepared data sets.  "
    "[default: overall]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["markdown", "latex", "csv", "json", "html"]),
    help="Of the output; html: everything in one page.  [default: by the ending of -o, else markdown]",
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write to.")
@click.option("--spread", is_flag=True, help="Show standard deviations over seeds; csv and json always have them.")
@click.option(
    "--layout",
    type=click.Choice(["wide", "compact"]),
    help="wide: backbones side by side, as in the paper; compact: below each other.  [default: wide, or on a narrower "
    "terminal what fits it]",
)
@click.option(
    "--source",
    type=click.Choice(["store", "paper"]),
    default="store",
    show_default=True,
    help="paper: the numbers that the paper prints, as --table table1, table2, table3 or table4.",
)
@click.option(
    "--split",
    type=click.Choice(["test", "validation"]),
    default="test",
    show_default=True,
    help="Rows that the overall table is of; validation chose settings and epochs.",
)
@click.option("--marks", is_flag=True, help="Mark differences of the overall table that are more than chance.")
@click.option("--against", type=click.Choice(["paper"]), help="The paper's printed numbers beside ours.")
@click.option(
    "--figures",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write figures to this folder, each as PDF, SVG and PNG, and print no table.",
)
@click.option(
    "--paper-kit",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write tables, figures, a methods paragraph and a main.tex that compiles to this folder.",
)
@click.option("--figure", "names", metavar="NAME", multiple=True, help="Only this figure; may be given more than once.")
@click.option(
    "--aggregates",
    is_flag=True,
    help="Leave out figures of single users and titles: to show results of data that may not be passed on.",
)
@click.option(
    "--user",
    "users",
    multiple=True,
    metavar="ID",
    help="Show this user, by its id in the source, where a figure shows single ones.",
)
@data_dir_option
def report(
    suites: tuple[str, ...],
    results: Path,
    table: str | None,
    form: str | None,
    output: Path | None,
    spread: bool,
    layout: str | None,
    source: str,
    split: str,
    marks: bool,
    against: str | None,
    figures: Path | None,
    paper_kit: Path | None,
    names: tuple[str, ...],
    users: tuple[str, ...],
    aggregates: bool,
    data_dir: Path,
) -> None:
    """Print a table of stored suites, or of prepared data sets.

    SUITE is a suite that was run, by its name or file; without one, all of them are reported.

    \b
    Examples:
      rearec-bench report
      rearec-bench report smoke --spread
      rearec-bench report smoke --marks
      rearec-bench report smoke --split validation
      rearec-bench report smoke --table ranks
      rearec-bench report smoke --table ceiling
      rearec-bench report smoke --format latex -o smoke.tex
      rearec-bench report smoke --table steps --format csv
      rearec-bench report smoke -o report.html
      rearec-bench report smoke -o public.html --aggregates
      rearec-bench report smoke --figures figures
      rearec-bench report smoke --paper-kit paper
      rearec-bench report smoke --figures figures --figure fig2_ceiling
      rearec-bench report smoke --table budget
      rearec-bench report --table datasets
      rearec-bench report smoke --table funnel
      rearec-bench report --source paper --table table2
    """
    from ..report.report import draw_figures, render_html, render_report, write_paper_kit
    from ..store.named import stored_name
    from ..store.store import Store
    from ..utils.errors import InputError

    endings = {".tex": "latex", ".csv": "csv", ".json": "json", ".html": "html"}
    if output is not None and form is None and output.suffix not in (*endings, ".md", ".txt", ""):
        raise InputError(
            f"{output}: no format ends in {output.suffix}. Allowed: .md, .txt, {', '.join(endings)}; or say --format."
        )
    if source == "store":
        suites = tuple(stored_name(suite, Store(results)) for suite in suites)
    if paper_kit is not None:
        takes_only("--paper-kit", "suites", "results", "data_dir", "paper_kit", "aggregates")
        write_paper_kit(
            suites, paper_kit, store=Store(results), data_dir=data_dir, aggregates=aggregates, tell=click.echo
        )
        return
    if figures is not None:
        takes_only("--figures", "suites", "results", "data_dir", "figures", "names", "users", "aggregates")
        if users and aggregates:
            raise InputError("--user shows single users, which --aggregates leaves out. Leave out one of the two.")
        drawn = draw_figures(
            suites, figures, store=Store(results), data_dir=data_dir, names=names, users=users, aggregates=aggregates
        )
        for figure in drawn:
            click.echo(f"{figure.suite} {figure.name}: {', '.join(map(str, figure.files)) or figure.why}")
        return
    if names or users:
        raise InputError("--figure and --user belong to --figures DIR. Add it, or leave them out.")
    if source == "paper" and suites:
        raise InputError("--source paper cannot be combined with a suite. Leave out one of the two.")
    form = form or endings.get(output.suffix if output else "", "markdown")
    if form == "html":
        takes_only("html, which is the whole report,", "suites", "results", "data_dir", "form", "output", "aggregates")
        text = render_html(suites, store=Store(results), data_dir=data_dir, aggregates=aggregates)
        write_text(text, output)
        return
    if aggregates:
        raise InputError(
            "tables show only aggregates. Leave out --aggregates, or add --figures DIR, --paper-kit DIR or "
            "-o FILE.html."
        )
    text = render_report(
        suites,
        store=Store(results),
        table=table or ("overall" if source == "store" else "table2"),
        format=form,
        spread=spread,
        layout=layout or "wide",
        source=source,
        against=against or "",
        marks=marks,
        split=split,
        data_dir=data_dir,
        width=screen_width() if output is None and layout is None else None,
    )
    write_text(with_folders(text) if output is None and form == "markdown" else text, output)
    if table in (None, "overall", "table2", "table3") and not against:
        from ..lint.lint import own_mistakes

        for line in own_mistakes(text, form):
            click.echo(line, err=True)
