"""The exceptions of the package: one small tree, turned into exit codes by the command line alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .text import one_line


class RearecError(Exception):
    """An error that the user can fix; its text names what, where, what is allowed and what to type next."""


class InputError(RearecError):
    """Invalid input: nothing was started (exit status 2)."""


class SuiteError(InputError):
    """All problems of one suite file, sorted by line."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        lines = [str(problem) for problem in problems]
        count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}, nothing was started."
        super().__init__("\n".join([*lines, count]))


class DatasetError(InputError):
    """A data set that is missing, damaged or cannot be prepared."""


class StoreError(RearecError):
    """A result that cannot be read or written."""


class DamagedError(StoreError):
    """Stored data that differs from what was written (cut, changed, lost) or has an unsupported schema version.

    Attributes:
        why: what is wrong with `path`, in a few words.
    """

    def __init__(self, path: Path, why: str) -> None:
        self.path = path
        self.why = why = one_line(why)
        super().__init__(
            f"{path} is damaged ({why}). `rearec-bench results verify --fix` moves what is damaged out of the way; the "
            "next run repeats it."
        )


class StoreInUse(InputError):
    """Another process writes to the results folder: nothing was started."""


class TrialDiverged(RearecError):
    """The loss of a trial is not finite; a result, not a failure."""


class TrialTimedOut(RearecError):
    """A trial has exceeded its time limit."""


class TrialSuspended(RearecError):
    """A trial was stopped on request before its end; a later run resumes it.

    Attributes:
        saved: it resumes from its current state; otherwise from an earlier checkpoint, or from the beginning.
    """

    def __init__(self, *, saved: bool) -> None:
        self.saved = saved
        super().__init__("called back")


class CheckpointError(RearecError):
    """A checkpoint that its trial cannot resume from; its text continues "its checkpoint ..." or the like."""


@dataclass(frozen=True)
class Problem:
    """One mistake in a suite file.

    Attributes:
        file: as the user named it (or `--set`).
        line: 1-based, 0 for none.
        column: 1-based, 0 for none.
        where: dotted path of the setting, "" for the whole file.
        what: the mistake, what is allowed and the nearest valid name, in one sentence or two.
    """

    file: str
    line: int
    column: int
    where: str
    what: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}  {self.where}: {self.what}" if self.where else f"{place}  {self.what}"
