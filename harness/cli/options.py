"""What the commands share: options, types of values, shell completion."""

from __future__ import annotations

import functools
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path

import click
from click.shell_completion import CompletionItem

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def terminal_width() -> int:
    """The terminal's width in characters; 120 without a terminal."""
    return shutil.get_terminal_size((120, 24)).columns


def screen_width() -> int | None:
    """The width of the terminal that stdout is; None where it is none."""
    return terminal_width() if sys.stdout.isatty() else None


def write_text(text: str, output: Path | None) -> None:
    """Write a file atomically, or to stdout without `output`; `InputError` if it cannot be written."""
    text = text if text.endswith("\n") else text + "\n"
    if output is None:
        click.echo(text, nl=False)
        return
    from ..utils.errors import InputError
    from ..utils.files import write_file, writing

    with writing(output, InputError):
        write_file(output, text.encode())


@contextmanager
def counting(label: str) -> Iterator[Callable[[int, int], None]]:
    """Shows on stderr how many trials are done of how many, as it is called with both; `label` is what is done."""
    from ..utils.meter import Meter

    meter = Meter(sys.stderr)
    try:
        yield lambda done, total: meter.show(label, done, total, "trials")
    finally:
        meter.end()


def duration(text: str) -> float:
    """Seconds of a duration, such as 8h or 1h30m: the type of an option."""
    from ..utils.durations import seconds_of

    try:
        return seconds_of(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from error


def whole_number(text: str) -> int:
    """A whole number, also as 1e6: the type of an option."""
    try:
        number = Decimal(text)
        if number.is_finite() and number.adjusted() < _DIGITS and number == int(number):
            return int(number)
    except InvalidOperation:
        pass
    raise click.BadParameter(f"'{text}' is not a whole number, such as 250000 or 1e6.")


def share(text: str) -> float:
    """A percentage above 0, such as 3% or 0.5: the type of an option."""
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = 0.0
    if not 0 < value <= _MOST_PERCENT:
        raise click.BadParameter(f"'{text}' is not a percentage above 0, at most {_MOST_PERCENT}, such as 3%.")
    return value


_DIGITS = 19
_MOST_PERCENT = 100


def _completing(names: Callable[[click.Context], list[str]]) -> Complete:
    """Completion from names; errors are ignored here and reported when the command runs."""

    @functools.wraps(names)
    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from ..utils.errors import RearecError

        try:
            matching = [name for name in names(ctx) if name.startswith(incomplete)]
        except RearecError:
            matching = []
        return [CompletionItem(name) for name in matching]

    return complete


@_completing
def complete_stored_suite(ctx: click.Context) -> list[str]:
    """Names of the suites in the results folder."""
    from ..store.store import Store

    return Store(ctx.params.get("results") or Path("results")).suites()


@_completing
def complete_trial(ctx: click.Context) -> list[str]:
    """Keys of the trials in the results folder."""
    from ..store.store import Store

    return sorted(Store(ctx.params.get("results") or Path("results")).keys())


@_completing
def complete_dataset(ctx: click.Context) -> list[str]:
    """Names of the data sets that are known."""
    from ..datasets import catalog

    return catalog.known(ctx.params.get("data_dir") or Path("data"))


@_completing
def complete_recipe(ctx: click.Context) -> list[str]:
    """Names of the recipes."""
    from ..datasets.generate import SYNTHETIC
    from ..datasets.recipe.files import shipped_recipes

    return [*shipped_recipes(), SYNTHETIC]


@_completing
def complete_listed(ctx: click.Context) -> list[str]:
    """Groups and entries of `list`."""
    from .listing import names

    return names(ctx.params.get("data_dir") or Path("data"))


def complete_suite(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of the bundled suites, and files."""
    from ..suite.bundled import shipped_suites

    matching = [CompletionItem(name) for name in shipped_suites() if name.startswith(incomplete)]
    return matching or [CompletionItem(incomplete, type="file")]


suite_argument = click.argument("suite", shell_complete=complete_suite)
trial_argument = click.argument("trial", shell_complete=complete_trial)
results_option = click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results"),
    show_default=True,
    help="Folder that results are stored in.",
)
data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data"),
    show_default=True,
    help="Folder that prepared data sets are in.",
)
from_option = click.option(
    "--from",
    "sources",
    metavar="PATH",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Take over trials of an export or of another folder of results; can be repeated. See docs/results.md.",
)
set_option = click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override a value of the suite, such as training.lr=0.01 or strategies.prl.decay=2; can be repeated.",
)


def _refuse_plugins(ctx: click.Context, param: click.Parameter, given: bool) -> None:
    if given:
        from ..utils.registry import without_plugins

        ctx.with_resource(without_plugins())


no_plugins_option = click.option(
    "--no-plugins",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_refuse_plugins,
    help="Run no code of plug-ins: refuse a suite that needs it.",
)
