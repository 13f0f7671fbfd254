"""`rearec-bench report`: stored suites, or the paper's own numbers, as tables in a format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..analysis.groups import Load
from ..analysis.resultset import ResultSet, joined, load_results
from ..datasets import catalog
from ..profile.options import NAME as OPTIONS
from ..profile.store import ProfileStore
from ..records.profile import Profile
from ..records.source import same_source
from ..store.shown import note_shown
from ..store.store import Store
from ..utils.errors import DamagedError, DatasetError, InputError
from ..utils.messages import hint
from .formats.latex import render_latex
from .formats.markdown import escape, render_markdown
from .formats.screen import render_screen
from .formats.tidy import render_csv, render_json
from .table import Table, compact
from .tables.against_paper import against_paper
from .tables.datasets import Cards
from .tables.overall import validation_overall
from .tables.registry import (
    DATA_TABLES,
    DATASET_TABLES,
    MARKED,
    OF_SEVERAL,
    OF_VALIDATION,
    PAPER_TABLES,
    PROFILE_TABLES,
    TABLES,
)

if TYPE_CHECKING:
    from .figures.context import FigureContext
    from .figures.registry import Drawn

_Made = TypeVar("_Made")
_Of = TypeVar("_Of")

FORMATS = ("markdown", "latex", "csv", "json")


def render_report(
    suites: Sequence[str] | None,
    *,
    store: Store,
    table: str = "overall",
    format: str = "markdown",
    spread: bool = False,
    layout: str = "wide",
    source: str = "store",
    against: str = "",
    marks: bool = False,
    split: str = "test",
    data_dir: Path = Path("data"),
    width: int | None = None,
) -> str:
    """The text of a report.

    Args:
        suites: names of stored suites; None or empty for all of them.
        table: name in the registry of tables: of stored suites, profiles, prepared data sets, or the paper.
        format: an entry of `FORMATS`.
        spread: whether markdown and LaTeX show standard deviations.
        layout: "wide", or "compact" for narrow terminals.
        source: "store", or "paper" for its printed numbers.
        against: "paper" puts its printed numbers beside those of the table "overall"; "" for none.
        marks: mark the differences of the table "overall" that are more than chance.
        split: whose rows the table "overall" is of, "test" or "validation".
        width: of the terminal that shows markdown; None for a file.

    Raises:
        InputError: an unknown name.
        StoreError: a suite's own files are damaged; damaged trials are left out, with a note below the table.
    """
    if marks and (table not in MARKED or source != "store" or against or format in ("csv", "json")):
        raise InputError(
            "--marks is for --table overall of stored suites as markdown or LaTeX. Leave it out, or the other option; "
            "the p-values are in --table significance."
        )
    if split != "test":
        if source != "store" or table != "overall" or marks or against:
            raise InputError(
                "--split is for --table overall of stored suites, without marks and beside no other numbers. Leave it "
                "out, or the other option."
            )
        tables = [_undamaged(validation_overall, name, store=store) for name in _suites(suites, store)]
    elif against:
        if source != "store" or table != "overall":
            raise InputError("--against paper is for --table overall of stored suites. Leave out the other option.")
        tables = [
            _undamaged(against_paper, name, store=store, shows=f"table {table}") for name in _suites(suites, store)
        ]
    elif source == "paper":
        known("table of the paper", table, PAPER_TABLES)
        tables = [PAPER_TABLES[table]()]
    elif table in DATASET_TABLES:
        tables = [DATASET_TABLES[table](_cards(suites, store, data_dir))]
    elif table in PROFILE_TABLES:
        tables = [PROFILE_TABLES[table](profiles) for profiles in _profiles(suites, store)]
    else:
        known("table", table, [*TABLES, *DATA_TABLES, *PROFILE_TABLES, *DATASET_TABLES])
        make = (MARKED if marks else TABLES).get(table) or _with_data(DATA_TABLES[table], _loader(data_dir))
        shows = "" if table in OF_VALIDATION else f"table {table}"
        names = _suites(suites, store)
        if suites and table in OF_SEVERAL:
            tables = [_undamaged(make, *names, store=store, shows=shows)]
        else:
            tables = [_undamaged(make, name, store=store, shows=shows) for name in names]
    return render(tables, format=format, spread=spread, layout=layout, width=width)


def draw_figures(
    suites: Sequence[str] | None,
    folder: Path,
    *,
    store: Store,
    data_dir: Path = Path("data"),
    names: Sequence[str] = (),
    users: tuple[str, ...] = (),
    aggregates: bool = False,
) -> list[Drawn]:
    """Write the figures of stored suites as PDF, SVG and PNG; the gains of several suites also side by side in one.

    Args:
        suites: names of stored suites; None or empty for all of them.
        folder: created if it does not exist.
        names: of figures; empty for all.
        users: whose rows are shown where a figure shows single ones; empty for the figures' own rules.
        aggregates: leave out figures of single users and titles.

    Raises:
        InputError: an unknown name.
        StoreError: a suite's own files are damaged; damaged trials are left out.
    """
    from .figures.registry import NAMES, TOGETHER, draw, draw_together

    for name in names:
        known("figure", name, NAMES)

    context_of = _contexts(store, data_dir, users=users, aggregates=aggregates)
    contexts: dict[str, FigureContext] = {}

    def made(results: ResultSet) -> list[Drawn]:
        context = contexts[results.name] = context_of(results)
        context.refuse_unknown_users()
        return draw(context, folder, names=names or NAMES)

    drawn = [one for suite in _suites(suites, store) for one in _undamaged(made, suite, store=store, shows="figures")]
    if len(contexts) > 1 and TOGETHER in (names or NAMES):
        drawn.append(draw_together(list(contexts.values()), folder))
    return drawn


def render_html(
    suites: Sequence[str] | None,
    *,
    store: Store,
    data_dir: Path = Path("data"),
    aggregates: bool = False,
) -> str:
    """Stored suites as one self-contained HTML page: tables, figures, claims, every trial.

    What needs a data set that is not prepared is left out, with a note.

    Args:
        suites: names of stored suites; None or empty for all of them.
        aggregates: leave out figures of single users and titles; the page lists them.

    Raises:
        InputError: an unknown suite.
        StoreError: a suite's own files are damaged; damaged trials are left out, with a note below the tables.
    """
    from .html.content import PageSuite, suite_content
    from .html.page import render_page

    contexts = _contexts(store, data_dir, aggregates=aggregates)

    def made(results: ResultSet) -> PageSuite:
        context = contexts(results)
        makers = every_table(results.name, context.load, context.profiles, store=store, data_dir=data_dir)
        return suite_content(results, makers, store=store, context=context, folder=store.root)

    return render_page(
        [_undamaged(made, name, store=store, shows="page") for name in _suites(suites, store)],
        title="rearec-bench report",
    )


def write_paper_kit(
    suites: Sequence[str] | None,
    folder: Path,
    *,
    store: Store,
    data_dir: Path = Path("data"),
    aggregates: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> None:
    """Write what goes into a paper: every table and figure that the suites fill, a methods paragraph, main.tex.

    Arguments and errors are those of `draw_figures`; `tell` is called with each file, and with each table that is left
    out because its data set is not prepared.
    """
    from .paper_kit import write_kit

    load = _loader(data_dir)
    filled = []
    drawn: list[Drawn] = []
    for suite in _suites(suites, store):
        drawn += draw_figures([suite], folder / "figures", store=store, data_dir=data_dir, aggregates=aggregates)
        tables = []
        profiles = _profiles_of(suite, store)
        for name, make in every_table(suite, load, profiles, store=store, data_dir=data_dir).items():
            try:
                table = _undamaged(make, suite, store=store)
            except DatasetError as error:
                tell(f"left out: table {name} of {suite}: {error}")
                continue
            if any(group.lines for group in table.groups):
                tables.append(table)
        filled.append((_undamaged(lambda results: results, suite, store=store), tables))
    for figure in drawn:
        for path in figure.files:
            tell(str(path))
    write_kit(folder, filled, drawn, tell=tell)


def every_table(
    suite: str, load: Load, profiles: Sequence[Profile], *, store: Store, data_dir: Path
) -> dict[str, Callable[[ResultSet], Table]]:
    """All tables of a stored suite, with marks where they have them, also those of its profiles and data sets.

    Returns:
        Name to the function that makes the table; it raises `DatasetError` if its data set is not prepared.
    """
    cards = _cards([suite], store, data_dir)
    return {
        **TABLES,
        **MARKED,
        **{name: _with_data(make, load) for name, make in DATA_TABLES.items()},
        **{name: _apart(make, profiles) for name, make in PROFILE_TABLES.items() if profiles},
        **{name: _apart(make, cards) for name, make in DATASET_TABLES.items() if cards.prepared},
    }


def render(
    tables: Sequence[Table], *, format: str, spread: bool = False, layout: str = "wide", width: int | None = None
) -> str:
    """Tables in a format; markdown gives way to what fits where it is wider than `width`."""
    if format == "csv":
        return render_csv(tables)
    if format == "json":
        return render_json(tables)
    shown = [compact(table) for table in tables] if layout == "compact" else list(tables)
    if format == "latex":
        return "\n".join(render_latex(table, spread=spread) for table in shown)
    heads = [f"## {escape(table.title)}\n\n" if len(shown) > 1 else "" for table in shown]
    show = partial(render_markdown, spread=spread)
    if width is not None:
        show = partial(render_screen, width=width, spread=spread)
    return "\n".join(head + show(table) for head, table in zip(heads, shown, strict=True))


def known(kind: str, name: str, names: Iterable[str]) -> None:
    """Raise `InputError` for a name that is not among the names, with the nearest one."""
    names = list(names)
    if name not in names:
        raise InputError(f"unknown {kind} '{name}'.{hint(name, names)} Known: {', '.join(names)}.")


def _suites(suites: Sequence[str] | None, store: Store) -> list[str]:
    stored = store.suites()
    if not stored:
        raise InputError(f"no suite is stored in {store.root}. Type:  rearec-bench run SUITE.yaml")
    for name in suites or ():
        known("suite", name, stored)
    return list(dict.fromkeys(suites or stored))


def _undamaged(make: Callable[[ResultSet], _Made], *names: str, store: Store, shows: str = "") -> _Made:
    """What is made of a suite, or of several at once, without trials whose rows turn out to be damaged meanwhile.

    `shows` says what shows its test numbers; the store remembers this where final runs are still missing.
    """
    damaged: dict[str, str] = {}
    while True:
        suites = [load_results(name, store=store, same_source=same_source, damaged=damaged) for name in names]
        if shows and not damaged:
            for results in suites:
                _note(results, shows)
        try:
            return make(joined(suites))
        except DamagedError as error:
            if error.path.name in damaged or error.path.parent != store.trials:
                raise
            damaged[error.path.name] = error.why


def note_early(store: Store, shows: str, suites: Sequence[str] = ()) -> None:
    """Let the store remember that test numbers of suites, or of all, were shown, where final runs are still missing."""
    for name in suites or store.suites():
        _note(load_results(name, store=store), shows)


def _note(results: ResultSet, shows: str) -> None:
    if not results.awaits_final_runs:
        return
    cells = [cell for cell in results.models().once().cells if not cell.unsupported]
    done, planned = sum(len(cell.runs) for cell in cells), sum(len(cell.seeds) for cell in cells)
    if done:
        note_shown(results.store.suite_folder(results.name), what=shows, done=done, planned=planned)


def _loader(data_dir: Path) -> Load:
    """Data sets by name, each read once."""
    return cache(partial(catalog.load_dataset, data_dir=data_dir))


def _contexts(
    store: Store, data_dir: Path, *, users: tuple[str, ...] = (), aggregates: bool = False
) -> Callable[[ResultSet], FigureContext]:
    """What figures of a suite are drawn from."""
    from .figures.context import FigureContext

    load, items = _loader(data_dir), cache(partial(catalog.load_items, data_dir=data_dir))
    tokens = cache(partial(catalog.load_users, data_dir=data_dir))
    return lambda results: FigureContext(
        results.models(), load, items, _profiles_of(results.name, store), users, aggregates, tokens
    )


def _with_data(make: Callable[[ResultSet, Load], Table], load: Load) -> Callable[[ResultSet], Table]:
    return lambda results: make(results, load)


def _apart(make: Callable[[_Of], Table], of: _Of) -> Callable[[ResultSet], Table]:
    return lambda results: make(of)


def _profiles_of(suite: str, store: Store) -> list[Profile]:
    return ProfileStore(store.root).read([suite])


def _profiles(suites: Sequence[str] | None, store: Store) -> list[list[Profile]]:
    """The profiles of each suite, in the order in which the suites were given or first profiled."""
    by_suite: dict[str, list[Profile]] = {}
    for profile in ProfileStore(store.root).read():
        by_suite.setdefault(profile.subject.suite, []).append(profile)
    missing = [name for name in suites or () if name not in by_suite]
    if not by_suite or missing:
        of = f" of {', '.join(missing)}" if missing else ""
        stored = f" Stored: {', '.join(by_suite)}." if by_suite else ""
        what = "SUITE" if not missing else "--dataset NAME" if missing[0] == OPTIONS else missing[0]
        raise InputError(f"no profile{of} is stored in {store.root}.{stored} Type:  rearec-bench profile {what}")
    return [by_suite[name] for name in suites or by_suite]


def _cards(suites: Sequence[str] | None, store: Store, data_dir: Path) -> Cards:
    """The cards of the suites' data sets, or of all that are prepared."""
    names = catalog.prepared(data_dir)
    if suites:
        for suite in suites:
            known("suite", suite, store.suites())
        names = list(dict.fromkeys(name for suite in suites for name in store.read_suite(suite)[0]["datasets"]))
    cards = {name: catalog.card(name, data_dir) for name in names if catalog.is_prepared(name, data_dir)}
    return Cards(cards, tuple(name for name in names if name not in cards), everything=not suites)
