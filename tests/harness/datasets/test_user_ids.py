"""A user that somebody names is the source's: ids are kept beside the numbers, and asked for by them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rearec_bench.harness.analysis.resultset import ResultSet
from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.datasets.data import files
from rearec_bench.harness.plan.cells import expand, traced
from rearec_bench.harness.report.figures.context import FigureContext
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.utils.errors import DatasetError, InputError

from ..suites import suite_in
from ..typed import typed

USERS = ("12", "30", "7", "u-1", "30000", "007", "-3", "1e3", "yes")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A prepared data set whose users' numbers are not their ids."""
    lines = "".join(
        f"{user} {' '.join(f'i{(place + step) % 9}' for step in range(6))}\n" for place, user in enumerate(USERS)
    )
    (tmp_path / "sequences.txt").write_text(lines)
    done = typed("prepare", "sequences", "--source", tmp_path, "--name", "mine", "--data-dir", tmp_path / "data")
    assert done.exit_code == 0, done.output
    return tmp_path / "data"


def test_ids_are_kept_in_the_order_of_the_numbers(folder: Path) -> None:
    tokens = catalog.load_users("mine", data_dir=folder)
    assert sorted(tokens) == sorted(USERS)
    data, items = catalog.load_dataset("mine", data_dir=folder), catalog.load_items("mine", data_dir=folder)
    for row, number in enumerate(data.test.users):
        last = items.tokens[data.test.targets[row]]
        place = USERS.index(tokens[number])
        assert last == f"i{(place + 5) % 9}"
    assert {entry["file"] for entry in data.card["outputs"]} == set(files.FILES)


def test_a_user_is_found_by_its_id_and_not_by_its_number(folder: Path) -> None:
    tokens = catalog.load_users("mine", data_dir=folder).tolist()
    for user in USERS:
        assert tokens[catalog.user_number("mine", user, data_dir=folder)] == user
    with pytest.raises(InputError, match=r"no user '3000' in mine\. Did you mean '30000'"):
        catalog.user_number("mine", "3000", data_dir=folder)
    with pytest.raises(InputError, match="no user '0'"):
        catalog.user_number("mine", "0", data_dir=folder)


def test_the_embedded_data_set_has_ids_too(tmp_path: Path) -> None:
    tokens = catalog.load_users("tiny", data_dir=tmp_path)
    assert len(tokens) == catalog.load_dataset("tiny", data_dir=tmp_path).num_users == len(np.unique(tokens))


def test_a_data_set_prepared_before_ids_were_kept_loads_and_says_what_to_do(folder: Path) -> None:
    (folder / "mine" / "users.parquet").unlink()
    assert catalog.load_dataset("mine", data_dir=folder).num_users == len(USERS)
    with pytest.raises(DatasetError, match="prepare it again"):
        catalog.load_users("mine", data_dir=folder)


@pytest.mark.parametrize(
    ("written", "users"),
    [
        ("[30, u-1]", ("30", "u-1")),
        ("[7]", ("7",)),
        ("[007, '7']", ("007", "7")),
        ("[-3, 1e3]", ("-3", "1e3")),
        ("[yes, 30000]", ("yes", "30000")),
    ],
)
def test_traced_users_of_a_suite_are_ids_and_of_its_trials_numbers(
    written: str, users: tuple[str, ...], folder: Path
) -> None:
    suite = suite_in(folder, datasets="[mine]", evaluation=f"{{trace_users: {written}}}")
    cells = traced(expand(suite), lambda name, user: catalog.user_number(name, user, data_dir=folder), {"mine"})
    expected = tuple(catalog.user_number("mine", user, data_dir=folder) for user in users)
    assert {cell.evaluation.trace_users for cell in cells} == {expected}
    assert [cell.id for cell in cells] == [cell.id for cell in expand(suite)]
    results, tokens = ResultSet("s", (), {}, (), Store(folder)), catalog.load_users("mine", data_dir=folder)
    context = FigureContext(results, pytest.fail, pytest.fail, users=users, user_tokens=lambda name: tokens)
    assert context.asked("mine") == expected
    assert [context.user("mine", number) for number in expected] == [f"user {user}" for user in users]


@pytest.mark.parametrize("command", ["run", "run --dry-run", "plan"])
@pytest.mark.parametrize("user", ["8", "07", "1000", "3", "+7"])
def test_an_id_that_no_user_has_is_refused_before_anything_starts(user: str, command: str, folder: Path) -> None:
    suite_in(folder, datasets="[mine]", evaluation=f"{{trace_users: [{user}]}}")
    done = typed(*command.split(), folder / "suite.yaml", "--data-dir", folder)
    refused = done.output.splitlines()[-1].startswith(f"there is no user '{user}' in mine.")
    assert (done.exit_code, refused) == (2, True), done.output
