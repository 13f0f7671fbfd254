"""The registry of figures, and how they become files: `rearec-bench report --figures DIR`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ...utils.errors import DatasetError
from .case_study import case_figure
from .context import FigureContext, MissingData
from .gains import gain_panels
from .panel import Panel
from .printed import printed
from .ranks import rank_panels
from .scores import ablation_panels, ceiling_panels, group_panels, pareto_panels, sensitivity_panels, steps_panels
from .states import similarity_panels, state_panels, trajectory_panels
from .style import STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_UNDATED = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}
"""Metadata by format: without the hour, so that the same figure twice is the same file."""

FORMATS = tuple(_UNDATED)

CASE = "fig11_case_study"

TOGETHER = "gains"
"""The figure that is also drawn of several suites together."""


@dataclass(frozen=True)
class PanelFigure:
    """A figure: its title, and what makes its panels."""

    title: str
    panels: Callable[[FigureContext], list[Panel]]


FIGURES: Mapping[str, PanelFigure] = {
    "gains": PanelFigure("Gains", gain_panels),
    "ranks": PanelFigure("Ranks", rank_panels),
    "fig2_ceiling": PanelFigure("Ceiling of reasoning (Figure 2)", ceiling_panels),
    "fig4_groups": PanelFigure("Groups of users and items (Figure 4)", group_panels),
    "fig5_steps": PanelFigure("Number of steps (Figure 5)", steps_panels),
    "fig6_sensitivity": PanelFigure("Sensitivity (Figure 6)", sensitivity_panels),
    "fig7_ablation": PanelFigure("Ablation (Figure 7)", ablation_panels),
    "fig8_trajectories": PanelFigure("Rank trajectories (Figure 8)", trajectory_panels),
    "fig9_similarity": PanelFigure("Similarity of steps (Figure 9)", similarity_panels),
    "fig10_states": PanelFigure("States (Figure 10)", state_panels),
    "pareto": PanelFigure("Quality against time", pareto_panels),
}
"""Name to figure; numbers are the paper's. `CASE`, Figure 11, is text."""

NAMES = (*FIGURES, CASE)
"""All figures."""


@dataclass(frozen=True)
class Drawn:
    """The result for one figure of one suite: the files, or why there are none."""

    suite: str
    name: str
    files: tuple[Path, ...] = ()
    why: str = ""


def draw(context: FigureContext, folder: Path, *, names: Sequence[str] = NAMES) -> list[Drawn]:
    """Draw figures of a suite into `folder` (created if needed) as SUITE_NAME.pdf, .svg and .png.

    The second page of a figure is SUITE_NAME_2, and so on.

    Raises:
        InputError: a data set is not the one that trials were tested on.
        StoreError: the rows of a trial cannot be read.
    """
    suite = context.results.name
    make = {name: partial(_pages, name, context) for name in names}
    return [_save(suite, name, pages, folder / f"{suite}_{name}") for name, pages in make.items()]


def draw_together(contexts: Sequence[FigureContext], folder: Path) -> Drawn:
    """Draw the gains of several suites as one figure, side by side: gains.pdf, .svg and .png in `folder`."""
    suites = ", ".join(context.results.name for context in contexts)
    return _save(suites, TOGETHER, lambda: printed(gain_panels(*contexts)), folder / TOGETHER)


def _pages(name: str, context: FigureContext) -> list[Figure]:
    return [case_figure(context)] if name == CASE else printed(FIGURES[name].panels(context))


def _save(suites: str, name: str, pages: Callable[[], list[Figure]], stem: Path) -> Drawn:
    from matplotlib import rc_context

    stem.parent.mkdir(parents=True, exist_ok=True)
    files = []
    with rc_context(STYLE):  # type: ignore[arg-type]
        try:
            for number, page in enumerate(pages(), start=1):
                for form in FORMATS:
                    path = stem.with_name(f"{stem.name}{'' if number == 1 else f'_{number}'}.{form}")
                    page.savefig(path, metadata=_UNDATED[form])
                    files.append(path)
        except (MissingData, DatasetError) as lacking:
            return Drawn(suites, name, why=str(lacking))
    return Drawn(suites, name, tuple(files))
