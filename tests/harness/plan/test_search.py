"""One cell's search is a pure function of its seed, its cell and earlier outcomes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rearec_bench.harness.plan.cells import Cell, expand
from rearec_bench.harness.plan.search import CellSearch, Outcome, search_size

from ..fake_trial import metrics_for
from ..suites import suite_in

WIDE = "temperature: {search: {low: 0.05, high: 5.0, log: true}}, decay: {search: [1.0, 1.2, 1.5, 2.0, 5.0]}"


@pytest.fixture
def cell_of(tmp_path: Path) -> Callable[..., Cell]:
    """A cell of PRL with these hyper-parameters and search settings."""

    def make(prl: str = WIDE, search: str = "trials: 12", training: str = "") -> Cell:
        parts = {"strategies": f"[prl: {{{prl}}}]", "search": f"{{{search}}}", "training": f"{{{training}}}"}
        (cell,) = expand(suite_in(tmp_path, **parts))
        return cell

    return make


def start(cell: Cell) -> CellSearch:
    return CellSearch(cell, partial(cell.spec, seed=0, purpose="search", fingerprint="f", device="cpu"))


def over(search: CellSearch, known: dict[str, Outcome]) -> bool:
    return all(made.spec.key in known for made in search.suggestions(known.get)) and search.complete


def outcome_of(spec: Any) -> Outcome:
    """A formula; every fifth trial or so diverges."""
    value = metrics_for(spec)["ndcg@20"]
    return Outcome("done", value) if value > 0.2 else Outcome("diverged", None)


def run(
    cell: Cell,
    known: dict[str, Outcome] | None = None,
    pick: int = -1,
    outcome: Callable[[Any], Outcome] = outcome_of,
) -> list[Any]:
    """Run a search to its end, ending one of those that wait at a time; what it suggested."""
    search, known = start(cell), known if known is not None else {}
    while not over(search, known):
        waiting = [one for one in search.suggestions(known.get) if one.spec.key not in known]
        left = search.expected(known.get) - len(search.suggestions(known.get))
        assert left >= (0 if search.complete else 1)
        one = waiting[pick % len(waiting)]
        known[one.spec.key] = outcome(one.spec)
    assert search.expected(known.get) == len(search.suggestions(known.get))
    return [(one.values, one.duplicate) for one in search.suggestions(known.get)]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_search_resumed_at_any_point_suggests_what_it_would_have_suggested(
    cell_of: Callable[..., Cell], sampler: str
) -> None:
    cell = cell_of(search=f"trials: 12, sampler: {sampler}")
    whole: dict[str, Outcome] = {}
    expected = run(cell, known=whole)
    order = [one.spec.key for one in start(cell).suggestions(whole.get)]
    assert len({str(values) for values, _ in expected}) > 6
    for length in (0, 1, 5, 8, 11, 12):
        kept = {key: whole[key] for key in order[:length]}
        assert run(cell, known=kept) == expected


def test_another_seed_makes_another_search(cell_of: Callable[..., Cell]) -> None:
    assert run(cell_of()) != run(cell_of(search="trials: 12, seed: 7"))


def test_the_order_in_which_a_window_ends_changes_nothing(cell_of: Callable[..., Cell]) -> None:
    cell = cell_of(search="trials: 12, window: 3")
    assert run(cell, pick=0) == run(cell, pick=1) == run(cell, pick=2)


def test_a_model_of_the_outcomes_makes_the_later_suggestions(cell_of: Callable[..., Cell]) -> None:
    cell = cell_of()
    search, known = start(cell), {}
    while not over(search, known):
        for one in search.suggestions(known.get):
            known.setdefault(one.spec.key, Outcome("done", -abs(one.values["strategy.temperature"] - 3.0)))
    made = [one.values["strategy.temperature"] for one in search.suggestions(known.get)]
    other = [values["strategy.temperature"] for values, _ in run(cell)]
    assert made[:6] == other[:6], "startup trials look at nothing"
    assert made[6:] != other[6:], "later ones look at outcomes"


@pytest.mark.parametrize("window", [1, 2, 3])
def test_a_suggestion_needs_the_outcomes_before_its_window_alone(cell_of: Callable[..., Cell], window: int) -> None:
    cell = cell_of(search=f"trials: 12, window: {window}")
    search, known = start(cell), {}
    for over in range(8):
        made = search.suggestions(known.get)
        distinct_over = sum(one.spec.key in known for one in made)
        assert len(made) >= min(over + window, 12)
        assert len(made) <= distinct_over + window
        waiting = next(one for one in made if one.spec.key not in known)
        known[waiting.spec.key] = outcome_of(waiting.spec)


def test_a_finite_space_is_enumerated_once_or_up_to_the_budget(cell_of: Callable[..., Cell]) -> None:
    cell = cell_of("temperature: {search: [0.5, 1.0, 2.0]}, decay: {search: [1.2, 1.5]}", "trials: 20")
    made = start(cell).suggestions({}.get)
    points = [(one.values["strategy.decay"], one.values["strategy.temperature"]) for one in made]
    assert points == list(itertools.product([1.2, 1.5], [0.5, 1.0, 2.0]))
    assert search_size(cell) == 6 and not any(one.duplicate for one in made)
    cell = cell_of("temperature: {search: [0.5, 1.0, 2.0]}, decay: {search: [1.2, 1.5]}", "trials: 4, sampler: grid")
    assert [one.values["strategy.decay"] for one in start(cell).suggestions({}.get)] == [1.2, 1.2, 1.2, 1.5]
    nothing = start(cell_of("decay: 1.2"))
    assert nothing.size == 0 and over(nothing, {}) and nothing.best({}.get) is None


def test_a_duplicate_uses_up_budget(cell_of: Callable[..., Cell]) -> None:
    two_of_three = "decay: {search: [1.2, 1.5, 2.0]}"
    cells = (cell_of(two_of_three, f"trials: 2, sampler: random, seed: {seed}") for seed in range(2, 40))
    cell = next(cell for cell in cells if run(cell)[1][1])
    known: dict[str, Outcome] = {}
    run(cell, known=known)
    assert search_size(cell) == 2
    assert len(known) == 1


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_distinct_suggestions_replace_those_that_came_before_and_nothing_else(
    cell_of: Callable[..., Cell], sampler: str
) -> None:
    points = "temperature: {search: [0.5, 1.0, 2.0]}, decay: {search: [1.2, 1.5, 2.0]}"
    plain = run(cell_of(points, f"trials: 8, sampler: {sampler}, seed: 2"))
    cell = cell_of(points, f"trials: 8, sampler: {sampler}, seed: 2, distinct: true")
    known: dict[str, Outcome] = {}
    made = run(cell, known)
    first = next(index for index, (_, duplicate) in enumerate(plain) if duplicate)
    assert made[:first] == plain[:first] and made[first] != plain[first]
    assert len(known) == len(made) == 8 and not any(duplicate for _, duplicate in made)
    keys = [one.spec.key for one in start(cell).suggestions(known.get)]
    for length in (0, first, first + 1, 8):
        assert run(cell, {key: known[key] for key in keys[:length]}) == made


def test_a_distinct_search_for_a_number_of_epochs_ends_when_all_points_are_tried(cell_of: Callable[..., Cell]) -> None:
    decays = "decay: {search: [1.2, 1.5, 2.0]}"
    cell = cell_of(decays, "epochs: 70, sampler: random, distinct: true", training="max_epochs: 30")
    known: dict[str, Outcome] = {}
    made = run(cell, known, 0, lambda spec: Outcome("done", 0.5, epochs=2))
    assert len(made) == len(known) == 3 and not any(duplicate for _, duplicate in made)


def test_points_with_the_same_key_end_a_distinct_search_early(cell_of: Callable[..., Cell]) -> None:
    cell = cell_of("temperature: {search: [0.5, 1.0, 2.0]}", "trials: 2, sampler: random, distinct: true")
    spec = cell.spec({"strategy.temperature": 1.0}, seed=0, purpose="search", fingerprint="f", device="cpu")
    search = CellSearch(cell, lambda values: spec)
    made = search.suggestions({}.get)
    assert len(made) == 1 and search.complete


def test_the_best_is_the_earliest_of_equals_and_never_a_failure(cell_of: Callable[..., Cell]) -> None:
    search = start(cell_of("decay: {search: [1.0, 1.2, 1.5, 2.0]}", "trials: 4"))
    keys = [one.spec.key for one in search.suggestions({}.get)]
    values = [None, 0.1, 0.3, 0.3]
    known = {key: Outcome("done" if value else "failed", value) for key, value in zip(keys, values, strict=True)}
    best = search.best(known.get)
    assert best is not None and best.index == 2
    assert search.best(dict.fromkeys(keys, Outcome("diverged", None)).get) is None


def lasting(spec: Any) -> Outcome:
    """A formula, and a number of epochs that is another one; some fail before the first."""
    value = metrics_for(spec)["ndcg@20"]
    epochs = int(1000 * value) % 30 + 1
    return Outcome("failed", None) if epochs == 1 else Outcome("done", value, epochs=epochs)


@pytest.mark.parametrize("search", ["sampler: tpe", "sampler: tpe, window: 4", "sampler: random"])
def test_a_search_ends_with_the_trial_that_fills_its_budget_of_epochs(
    cell_of: Callable[..., Cell], search: str
) -> None:
    cell = cell_of(search=f"epochs: 150, {search}", training="max_epochs: 30")
    known: dict[str, Outcome] = {}
    made = run(cell, known, 0, lasting)
    keys = [cell.spec(one, seed=0, purpose="search", fingerprint="f", device="cpu").key for one, _ in made]
    epochs = [max(known[key].epochs, 1) for key in keys]
    assert len(made) == next(n for n in range(1, 1000) if sum(epochs[:n]) >= 150)
    assert sum(epochs[:-1]) < 150 <= sum(epochs)
    for pick in (1, 2, -1):
        assert run(cell, {}, pick, lasting) == made
    kept = {key: known[key] for key in keys[: len(keys) // 2]}
    assert run(cell, kept, 0, lasting) == made


def test_suggestions_that_look_at_nothing_do_not_wait_while_the_budget_is_enough_for_all_of_them(
    cell_of: Callable[..., Cell],
) -> None:
    assert len(start(cell_of(search="trials: 12, sampler: random")).suggestions({}.get)) == 12
    search = start(cell_of(search="epochs: 150, sampler: random", training="max_epochs: 30"))
    assert len(search.suggestions({}.get)) == 5 and not search.complete
    known = {search.suggestions({}.get)[3].spec.key: Outcome("done", 0.5, epochs=10)}
    assert len(search.suggestions(known.get)) == 6, "20 epochs are left over"


def test_a_trial_without_a_number_of_epochs_counts_as_the_longest_that_it_may_be(
    cell_of: Callable[..., Cell],
) -> None:
    for training, sure in (("max_epochs: auto", 3), ("max_epochs: {search: [200, auto]}", 3), ("max_epochs: 200", 13)):
        search = start(cell_of(search="epochs: 2600, sampler: random", training=training))
        made = search.suggestions({}.get)
        assert len(made) >= sure and not search.complete
        assert sum(one.spec.training.epoch_limit for one in made[:-1]) < 2600
    known: dict[str, Outcome] = {}
    made = run(cell_of(search="epochs: 150", training="max_epochs: auto"), known, 0, lasting)
    assert sum(max(outcome.epochs, 1) for outcome in known.values()) >= 150 and len(made) > 3


def test_points_that_surely_fit_are_enumerated_and_a_grid_ends_with_its_points(cell_of: Callable[..., Cell]) -> None:
    points = "temperature: {search: [0.5, 1.0, 2.0]}, decay: {search: [1.2, 1.5]}"
    expected = list(itertools.product([1.2, 1.5], [0.5, 1.0, 2.0]))
    for search, count in (("epochs: 180", 6), ("epochs: 50, sampler: grid", 5), ("epochs: 999, sampler: grid", 6)):
        cell = cell_of(points, search, training="max_epochs: 30")
        known: dict[str, Outcome] = {}
        one = start(cell)
        while not over(one, known):
            for made in one.suggestions(known.get):
                known.setdefault(made.spec.key, Outcome("done", 0.5, epochs=10))
        values = [
            (made.values["strategy.decay"], made.values["strategy.temperature"]) for made in one.suggestions(known.get)
        ]
        assert values == expected[:count]


def test_a_sampled_finite_space_ends_when_all_of_it_has_been_tried(cell_of: Callable[..., Cell]) -> None:
    cell = cell_of("decay: {search: [1.2, 1.5, 2.0]}", "epochs: 70, sampler: random", training="max_epochs: 30")
    search, known = start(cell), {}
    while not over(search, known):
        for made in search.suggestions(known.get):
            known.setdefault(made.spec.key, Outcome("done", 0.5, epochs=2))
    assert len(known) == 3 and search.spent(known.get) < 70
    assert not search.suggestions(known.get)[-1].duplicate
