"""The registry of tables: name -> function that builds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from ...analysis.groups import Load
from ...analysis.resultset import ResultSet
from ...records.profile import Profile
from ..table import Table
from .ablation import ablation
from .adaptive import adaptive_depth
from .beyond import beyond_table
from .budget import budget
from .ceiling import ceiling
from .claims import claims
from .datasets import Cards, datasets, funnels, paper_datasets_table
from .groups import groups
from .latency import latency, paper_latency_table
from .overall import marked_overall, overall, paper_table
from .ranks import ranks_table
from .sensitivity import sensitivity
from .significance import significance_table
from .steps import steps

TABLES: Mapping[str, Callable[[ResultSet], Table]] = {
    "overall": overall,
    "significance": significance_table,
    "ranks": ranks_table,
    "ablation": ablation,
    "steps": steps,
    "sensitivity": sensitivity,
    "ceiling": ceiling,
    "adaptive": adaptive_depth,
    "budget": budget,
}
"""Tables of a stored suite."""

OF_VALIDATION = ("budget",)
"""Those of them that have no test numbers."""

OF_SEVERAL = ("ranks", "claims")
"""Those, and of `DATA_TABLES`, that are made of several suites at once where several are named."""

MARKED: Mapping[str, Callable[[ResultSet], Table]] = {"overall": marked_overall}
"""Tables of `TABLES` that have marks of significance where they are asked for; the tests take their time."""

DATA_TABLES: Mapping[str, Callable[[ResultSet, Load], Table]] = {
    "groups": groups,
    "beyond": beyond_table,
    "claims": claims,
}
"""Tables of a stored suite that need its prepared data sets, too."""

PROFILE_TABLES: Mapping[str, Callable[[Sequence[Profile]], Table]] = {
    "latency": latency,
}
"""Tables of the stored profiles of a suite; they need no trial."""

DATASET_TABLES: Mapping[str, Callable[[Cards], Table]] = {
    "datasets": datasets,
    "funnel": funnels,
}
"""Tables of prepared data sets; they need no trial."""

PAPER_TABLES: Mapping[str, Callable[[], Table]] = {
    "table1": paper_datasets_table,
    "table2": partial(paper_table, "table2"),
    "table3": partial(paper_table, "table3"),
    "table4": paper_latency_table,
}
"""The paper's own."""
