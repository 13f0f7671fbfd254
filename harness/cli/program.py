"""The program around the commands: it turns the exceptions of the harness into exit codes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import click
from click.core import ParameterSource

PROGRAM = "rearec-bench"
FAILED, INVALID, UNFINISHED, INTERRUPTED, TERMINATED = 1, 2, 3, 130, 143

_TYPED = f"{__name__}.typed"
_FOLDERS = ("--results", "--data-dir")
_HINT = re.compile(rf"(?<=  ){PROGRAM} .+?(?=  |$)|(?<=`){PROGRAM} [^`]+(?=`)", re.MULTILINE)
"""A command to type, as messages have it: behind two blanks, or between backticks."""


class Refused(click.ClickException):
    """An error of the harness as the terminal shows it: its own words, nothing else."""

    exit_code = FAILED

    def show(self, file: Any = None) -> None:
        """Print the words to stderr."""
        from ..utils.text import lines

        click.echo(lines(self.message), err=True)


class InvalidInput(Refused):
    """Nothing was started."""

    exit_code = INVALID


class Program(click.Group):
    """Turns the exceptions of the harness into exit codes."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Remember what was typed."""
        ctx.meta[_TYPED] = tuple(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises:
            Refused: in place of every error of the harness, unless --debug is given, and for an option without its
                value.
        """
        from ..utils.errors import InputError, RearecError

        try:
            return super().invoke(ctx)
        except RearecError as error:
            if ctx.params.get("debug"):
                raise
            refused = InvalidInput if isinstance(error, InputError) else Refused
            raise refused(with_folders(str(error))) from error
        except click.BadOptionUsage as error:
            raise InvalidInput(_needs_value(ctx, error.option_name) or error.message) from error
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)


def command_line() -> str:
    """What was typed, for a shell."""
    return shlex.join([PROGRAM, *click.get_current_context().meta.get(_TYPED, ())])


def with_folders(text: str) -> str:
    """A text whose commands to type have the folders that were typed now, where they take them."""
    context = click.get_current_context().find_root()
    folders = _folders(context.meta.get(_TYPED, ()))

    def completed(hint: re.Match[str]) -> str:
        words = hint[0].split()
        command = _command(context, words[1:])
        takes = {option for parameter in command.params for option in parameter.opts} if command else set()
        given = {word.partition("=")[0] for word in words}
        more = [f"{name} {shlex.quote(path)}" for name, path in folders.items() if name in takes - given]
        return " ".join([hint[0], *more])

    return _HINT.sub(completed, text) if folders else text


def _command(context: click.Context, words: Sequence[str]) -> click.Command | None:
    """The command that words name, None for none."""
    command: click.Command | None = context.command
    for word in words:
        if isinstance(command, click.Group) and not word.startswith("-"):
            command = command.get_command(context, word)
    return command


def _needs_value(context: click.Context, name: str) -> str:
    """What an option of the command that was typed takes; "" where that has no such option."""
    command = _command(context, context.meta.get(_TYPED, ()))
    for option in command.params if command else ():
        if isinstance(option, click.Option) and not option.is_flag and name in option.opts:
            return f"{name} needs a value. {': '.join(option.get_help_record(context) or ())}"
    return ""


def _folders(typed: Sequence[str]) -> dict[str, str]:
    """The folders among typed words, `--results DIR` or `--results=DIR`, by their option."""
    words = [part for word in typed for part in (word.split("=", 1) if word.startswith(_FOLDERS) else [word])]
    return {word: path for word, path in pairwise(words) if word in _FOLDERS}


def takes_only(what: str, *allowed: str) -> None:
    """Refuse options that would have no effect.

    Args:
        what: the subject of the message.
        allowed: parameters of the current command.

    Raises:
        InputError: other options were typed; names them.
    """
    from ..utils.errors import InputError

    context = click.get_current_context()
    typed = [
        parameter.opts[-1]
        for parameter in context.command.params
        if parameter.name not in allowed
        and context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
    ]
    if typed:
        raise InputError(f"{what} takes no {' or '.join(typed)}. Leave it out, or type two commands.")
