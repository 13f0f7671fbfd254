"""The registry of figures, and how they become files: `rearec-bench report --figures DIR`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from ...analysis.resultset import ResultSet
from ...datasets import catalog
from ...records.profile import Profile
from ...utils.errors import DatasetError
from .case_study import case_figure
from .context import FigureContext, MissingData
from .scores import ablation_figure, ceiling_figure, groups_figure, pareto_figure, sensitivity_figure, steps_figure
from .states import similarity_figure, states_figure, trajectories_figure
from .style import STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("pdf", "svg", "png")

FIGURES: Mapping[str, Callable[[FigureContext], Figure]] = {
    "fig2_ceiling": ceiling_figure,
    "fig4_groups": groups_figure,
    "fig5_steps": steps_figure,
    "fig6_sensitivity": sensitivity_figure,
    "fig7_ablation": ablation_figure,
    "fig8_trajectories": trajectories_figure,
    "fig9_similarity": similarity_figure,
    "fig10_states": states_figure,
    "fig11_case_study": case_figure,
    "pareto": pareto_figure,
}
"""Name to what draws it; numbers are the paper's."""


@dataclass(frozen=True)
class Drawn:
    """The result for one figure of one suite: the files, or why there are none."""

    suite: str
    name: str
    files: tuple[Path, ...] = ()
    why: str = ""


def context_of(
    results: ResultSet,
    *,
    data_dir: Path,
    profiles: Sequence[Profile] = (),
    users: tuple[int, ...] = (),
    aggregates: bool = False,
) -> FigureContext:
    """What figures of a suite are drawn from; each data set is read once."""
    return FigureContext(
        results=results.models(),
        load=cache(partial(catalog.load_dataset, data_dir=data_dir)),
        items=cache(partial(catalog.load_items, data_dir=data_dir)),
        profiles=profiles,
        users=users,
        aggregates=aggregates,
    )


def draw(context: FigureContext, folder: Path, *, names: Sequence[str] = tuple(FIGURES)) -> list[Drawn]:
    """Draw figures of a suite into `folder` (created if needed) as SUITE_NAME.pdf, .svg and .png.

    Raises:
        InputError: a data set is not the one that trials were tested on.
        StoreError: the rows of a trial cannot be read.
    """
    from matplotlib import rc_context

    folder.mkdir(parents=True, exist_ok=True)
    suite = context.results.name
    figures = []
    for name in names:
        with rc_context(STYLE):  # type: ignore[arg-type]
            try:
                figure = FIGURES[name](context)
            except (MissingData, DatasetError) as lacking:
                figures.append(Drawn(suite, name, why=str(lacking)))
                continue
            files = []
            for form in FORMATS:
                path = folder / f"{suite}_{name}.{form}"
                figure.savefig(path, metadata=_metadata(form))
                files.append(path)
        figures.append(Drawn(suite, name, tuple(files)))
    return figures


def _metadata(form: str) -> dict[str, str | None]:
    """Without the hour, so that the same figure twice is the same file."""
    return {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}[form]  # type: ignore[return-value]
