"""The commands `list`, `show` and `completion`: what there is to choose from, and one stored trial."""

from __future__ import annotations

from pathlib import Path

import click

from .options import complete_listed, data_dir_option, no_plugins_option, results_option, terminal_width, trial_argument
from .program import PROGRAM


@click.command("list")
@click.argument("name", default="", shell_complete=complete_listed)
@data_dir_option
@no_plugins_option
def list_all(name: str, data_dir: Path) -> None:
    """List backbones, strategies, settings, data sets, suites.

    NAME is a group or one of its entries, shown with all there is to know: a component's settings with their default,
    the paper's symbol, what is allowed, the values that the paper searches, and the source.

    \b
    Examples:
      rearec-bench list
      rearec-bench list strategies
      rearec-bench list prl
    """
    from .listing import inventory

    click.echo(inventory(name, data_dir=data_dir, width=terminal_width()))


@click.command()
@trial_argument
@results_option
def show(trial: str, results: Path) -> None:
    """Show everything that is stored of a trial.

    TRIAL is the beginning of its key.

    \b
    Example:
      rearec-bench show 7f3a91c2
    """
    from ..report.trial import trial_text
    from ..store.store import Store

    store = Store(results)
    click.echo(trial_text(store.find(trial), store=store, width=terminal_width()))


@click.command()
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
        click.echo(
            kind(click.get_current_context().find_root().command, {}, PROGRAM, "_REAREC_BENCH_COMPLETE").source()
        )
