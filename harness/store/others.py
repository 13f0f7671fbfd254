"""Trials that others have run: checked whole, then taken over into a store where a suite asks for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..plan.cell_trials import Lookup
from ..records.provenance import made_with
from ..records.results import TrialSummary
from ..utils import files as atomic
from ..utils.errors import InputError
from ..utils.text import counted
from .archive import Reach, Unfit, check_folder, unpack
from .store import Store, check_is_results
from .trial_folder import files_taken
from .verify import verify

_IGNORED = ("progress", "missing")  # findings in what is not taken over


@dataclass(frozen=True)
class Source:
    """A checked folder of results of others.

    Attributes:
        name: of the archive or folder, without its place.
        store: its content, for an archive in a temporary folder.
    """

    name: str
    store: Store


@contextmanager
def opened(path: Path, *, within: Path | None = None, reach: Reach = lambda done, total: None) -> Iterator[Source]:
    """An archive or a folder of results, every trial and suite in it checked; `reach` gets trials checked and in all.

    An archive is unpacked `within` a folder, or where there is none in the system's temporary one, until the end.

    Raises:
        InputError: there is no such file or folder.
        Unfit: something in it is not as it was written, or cannot be trusted.
        StoreError: it cannot be read.
    """
    if not path.exists():
        raise InputError(
            f"there is no archive and no folder {path}. Name what `rearec-bench results export` wrote, or a folder of "
            "results."
        )
    with ExitStack() as stack:
        folder = path
        if not path.is_dir():
            folder = stack.enter_context(atomic.scratch_folder(within))
            unpack(path, folder)
        else:
            check_is_results(path)
            check_folder(path)
        store = Store(folder)
        for finding in verify(store, of_others=True, reach=reach).findings:
            if finding.kind not in _IGNORED:
                raise Unfit(path, f"{finding.path.relative_to(folder)}: {finding.why}")
        yield Source(path.name, store)


@contextmanager
def all_opened(paths: Sequence[Path], store: Store, *, takes: bool, reach: Reach) -> Iterator[Others]:
    """The trials of several archives and folders, for `store`; errors as `opened`."""
    with ExitStack() as stack:
        sources = [stack.enter_context(opened(path, within=store.root, reach=reach)) for path in paths]
        yield Others(store, sources, takes=takes)


class Others:
    """Trials of others, of which a store takes over those that are looked up and that it lacks.

    Args:
        takes: write them to the store, which the caller has locked; False only counts them.
    """

    def __init__(self, store: Store, sources: Sequence[Source] = (), *, takes: bool = False) -> None:
        self._store = store
        self._sources = sources
        self._takes = takes
        self._found: dict[str, tuple[str, str]] = {}

    def after(self, own: Lookup, *, unless: Callable[[TrialSummary], bool] | None = None) -> Lookup:
        """A lookup of the store's own trials, and then of others'.

        Failed trials are not taken over, since they may succeed here, nor those for which `unless` is true.
        """

        def lookup(key: str) -> TrialSummary | None:
            summary = own(key)
            if summary is not None or (self._store.has(key) and key not in self._store.damaged):
                return summary
            for source in self._sources:
                theirs = source.store.summary(key) if source.store.has(key) else None
                if theirs is None or theirs.status == "failed" or (unless is not None and unless(theirs)):
                    continue
                if self._takes:
                    self._store.write_files(key, files_taken(source.store.folder(key), source.name))
                self._found[key] = source.name, made_with(theirs.environment)
                return theirs
            return None

        return lookup if self._sources else own

    def lines(self) -> list[str]:
        """How many trials were found, whose they are and what made them; one line for each source and machine."""
        return [
            f"{counted(count, 'trial')} of {name} ({made})"
            for (name, made), count in sorted(Counter(self._found.values()).items())
        ]
